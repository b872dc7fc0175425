"""Purges by a site, which deletes files that nobody has used for a while, one by one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.gluster import two_mounts
from tests.support.keeping import WHEELS
from tests.support.machines import Machine, Output, site_packages_of
from tests.support.refusals import assert_refused
from tests.support.stores import problems_of

DAY = 86_400
MODULES = "import drum, drum.skins, horn, wind.one, band.members"
NAMES = ("drum==1.0", "horn", "wind-one", "band", "band-guests")


class Scratch:
    """A project and a store on a file system from which the site deletes unused files."""

    def __init__(self, machine: Machine, folder: Path, wheelhouse: Path, interpreter: Path) -> None:
        for wheel in WHEELS:
            wheel.write(wheelhouse)
        self.machine = replace(machine, store=folder / "store")
        self.project = folder / "app"
        self.project.mkdir(parents=True)
        self.source = ("--no-index", "--find-links", wheelhouse, "--python", interpreter)

    @property
    def environment(self) -> Path:
        """Return the environment of the project."""
        return self.project / ".venv"

    def install(self, *names: str, after: str = "60d", check: bool = True) -> Output:
        """Install into the project, on a site that deletes files that are unused for that time."""
        variables = {"PEPIP_PURGE_AFTER": after} if after else {}
        return self.machine.pepip(
            *("install", *names, *self.source), folder=self.project, variables=variables, check=check
        )

    def imports(self) -> None:
        """Import each module of the project's packages."""
        self.machine.python(self.environment, "-c", MODULES)

    def age(self, days: int, *roots: Path) -> None:
        """Let all files have been used and written so many days ago, and not since."""
        for path in (path for root in roots for path in root.rglob("*") if path.is_symlink() or not path.is_dir()):
            status = path.lstat()
            accessed = time.time_ns() - days * DAY * 1_000_000_000
            os.utime(path, ns=(accessed, min(accessed, status.st_mtime_ns)), follow_symlinks=False)

    def purge(self, days: int, *roots: Path, chosen: Callable[[Path], bool] = lambda _: True) -> list[str]:
        """Delete the `chosen` files that nobody has used for so many days, and return their names."""
        gone = []
        for path in [path for root in roots for path in root.rglob("*") if path.is_symlink() or not path.is_dir()]:
            if path.lstat().st_atime < time.time() - days * DAY and chosen(path):
                path.unlink()
                gone.append(path.name)
        return sorted(gone)


@pytest.fixture
def scratch(machine: Machine, tmp_path: Path, wheelhouse: Path, interpreter: Path) -> Scratch:
    """Return a project and a store on a local disk."""
    return Scratch(machine, tmp_path / "scratch", wheelhouse, interpreter)


CHOICES: dict[str, Callable[[Path], bool]] = {
    "a module in an inner folder": lambda path: path.parent.name == "skins",
    "all": lambda _: True,
    "a module": lambda path: path.name == "members.py",
    "data": lambda path: path.name == "manual.txt",
    "documents": lambda path: path.name == "pepip-entry.json",
    "lists of files": lambda path: path.name == "RECORD",
    "ready links": lambda path: path.parent.name == ".pepip",
}


@pytest.mark.every(7)
@pytest.mark.parametrize("choice", CHOICES)
def test_the_next_command_stores_purged_entries_anew(scratch: Scratch, choice: str) -> None:
    """The same command as before, which would have nothing to do, finds each loss and repairs it."""
    assert_found_and_healed(scratch, choice)


@pytest.mark.real_world
@pytest.mark.parametrize("choice", CHOICES)
def test_purges_of_a_network_file_system_are_repaired(
    machine: Machine, tmp_path: Path, wheelhouse: Path, interpreter: Path, choice: str
) -> None:
    """One node purges, the other one finds the loss."""
    with two_mounts(tmp_path / "volume") as (here, there):
        scratch = Scratch(machine, here / "scratch", wheelhouse, interpreter)
        assert_found_and_healed(scratch, choice, seen_at=there / "scratch")


def assert_found_and_healed(scratch: Scratch, choice: str, *, seen_at: Path | None = None) -> None:
    """Purge the store at `seen_at`, and assert that the next command repairs the environment."""
    scratch.install(*NAMES)
    scratch.install(*NAMES)
    assert "Nothing to do" in scratch.install(*NAMES).stderr
    packages = (seen_at or scratch.machine.store.parent) / "store" / "packages"
    scratch.age(61, packages)
    assert scratch.purge(60, packages, chosen=CHOICES[choice])

    said = scratch.install(*NAMES).stderr

    scratch.imports()
    if choice == "a module in an inner folder":
        assert f"drum-1.0 in {scratch.machine.store} has lost files, such as drum/skins/__init__.py" in said
    if choice in {"all", "documents"}:  # nobody knows what an entry without a document was
        scratch.machine.pepip("store", "repair", *scratch.source[:3], folder=scratch.project, check=False)
        scratch.imports()
    assert problems_of(scratch.machine.store) == []
    data = scratch.environment / "share" / "drum" / "manual.txt"
    assert data.read_text() == "1.0"
    assert "Nothing to do" in scratch.install(*NAMES).stderr


def test_used_files_are_touched(scratch: Scratch) -> None:
    """A purge leaves what an environment links, if the setting was there when a command was used. Off by default.

    Modification times stay, so bytecode stays valid.
    """
    scratch.install(*NAMES)
    scratch.machine.pepip("store", "add", "big-bell", *scratch.source, folder=scratch.project)
    everything = (scratch.machine.store / "packages", scratch.environment)
    scratch.age(61, *everything)
    modified = {path: path.lstat().st_mtime_ns for path in site_packages_of(scratch.environment).rglob("*.py")}
    notes = list((scratch.machine.store / "cache").rglob("touched-*"))
    assert len(notes) == 1
    notes[0].unlink()  # as if the last touch were long ago
    scratch.install("wind-two", *NAMES, after="")
    assert _unused(scratch.machine.store / "packages", 60)

    scratch.install("wind-two", *NAMES)
    gone = scratch.purge(60, *everything)

    assert "sound.bin" in gone
    assert "members.py" not in gone
    scratch.imports()
    assert all(path.lstat().st_mtime_ns == at for path, at in modified.items())


def test_files_being_written_and_files_of_others_are_not_touched(scratch: Scratch) -> None:
    """A file that another program writes at this moment must not get an older modification time."""
    scratch.install(*NAMES)
    written, others, own = (scratch.environment / name for name in ("written.txt", "others.txt", "own.txt"))
    for path in (written, others, own):
        path.write_text("")
    scratch.age(61, others, own, scratch.environment)
    os.utime(written, ns=(written.lstat().st_atime_ns, time.time_ns()))
    if os.geteuid() == 0:
        os.chown(others, 64321, -1)
    (note,) = (scratch.machine.store / "cache").rglob("touched-*")
    note.unlink()

    scratch.install(*NAMES)

    unused = {path for path in (written, others, own) if path.lstat().st_atime < time.time() - 60 * DAY}
    assert unused == ({written, others} if os.geteuid() == 0 else {written})


def test_a_first_command_that_stores_nothing_has_no_store_to_touch(scratch: Scratch) -> None:
    """No folder of a store is there yet, and none is needed."""
    scratch.machine.uv("venv", "--python", scratch.source[-1], ".venv", folder=scratch.project)
    (scratch.project / "nothing.txt").write_text("")

    scratch.install("-r", "nothing.txt")

    assert scratch.environment.exists()


def _unused(root: Path, days: int) -> list[Path]:
    return [path for path in root.rglob("*.py") if path.lstat().st_atime < time.time() - days * DAY]


def test_a_wrong_time_is_refused(scratch: Scratch) -> None:
    """Nothing is installed then."""
    output = scratch.install("horn", after="soon", check=False)

    assert_refused(output, "PEPIP_PURGE_AFTER: 'soon' is not a time", "60d")
    assert not scratch.environment.exists()
