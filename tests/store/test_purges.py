"""Purges by a site, which deletes files that nobody has used for a while, one by one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import keeping
from tests.support.gluster import two_mounts
from tests.support.refusals import assert_refused
from tests.support.workbench import Workbench

WHEELS = keeping.WHEELS
DAY = 86_400
MODULES = "import drum, drum.skins, horn, wind.one, band.members"
NAMES = ("drum==1.0", "horn", "wind-one", "band", "band-guests")


def on(workbench: Workbench, folder: Path) -> Workbench:
    """Return the workbench with its store and its project in a folder of a file system."""
    return replace(workbench, machine=replace(workbench.machine, store=folder / "store"), folder=folder)


@pytest.fixture
def workbench(workbench: Workbench) -> Workbench:
    """Return a project and a store on a local disk."""
    return on(workbench, workbench.folder / "scratch")


def install(workbench: Workbench, *names: str, after: str = "60d") -> str:
    """Install, on a site that deletes files that are unused for that time. Return stderr."""
    output = workbench.attempt(*names, variables={"PEPIP_PURGE_AFTER": after} if after else {})
    assert output.returncode == 0, output.stderr
    return output.stderr


def age(days: int, *roots: Path) -> None:
    """Let all files have been used and written so many days ago, and not since."""
    for path in (path for root in roots for path in root.rglob("*") if path.is_symlink() or not path.is_dir()):
        status = path.lstat()
        accessed = time.time_ns() - days * DAY * 1_000_000_000
        os.utime(path, ns=(accessed, min(accessed, status.st_mtime_ns)), follow_symlinks=False)


def purge(days: int, *roots: Path, chosen: Callable[[Path], bool] = lambda _: True) -> list[str]:
    """Delete the `chosen` files that nobody has used for so many days, and return their names."""
    gone = []
    for path in [path for root in roots for path in root.rglob("*") if path.is_symlink() or not path.is_dir()]:
        if path.lstat().st_atime < time.time() - days * DAY and chosen(path):
            path.unlink()
            gone.append(path.name)
    return sorted(gone)


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
def test_the_next_command_stores_purged_entries_anew(workbench: Workbench, choice: str) -> None:
    """The same command as before, which would have nothing to do, finds each loss and repairs it."""
    assert_found_and_healed(workbench, choice)


@pytest.mark.real_world
@pytest.mark.parametrize("choice", CHOICES)
def test_purges_of_a_network_file_system_are_repaired(workbench: Workbench, tmp_path: Path, choice: str) -> None:
    """One node purges, the other one finds the loss."""
    with two_mounts(tmp_path / "volume") as (here, there):
        assert_found_and_healed(on(workbench, here / "scratch"), choice, seen_at=there / "scratch")


def assert_found_and_healed(workbench: Workbench, choice: str, *, seen_at: Path | None = None) -> None:
    """Purge the store at `seen_at`, and assert that the next command repairs the environment."""
    install(workbench, *NAMES)
    install(workbench, *NAMES)
    assert "Nothing to do" in install(workbench, *NAMES)
    packages = (seen_at or workbench.store.parent) / "store" / "packages"
    age(61, packages)
    assert purge(60, packages, chosen=CHOICES[choice])

    said = install(workbench, *NAMES)

    workbench.python("-c", MODULES)
    if choice == "a module in an inner folder":
        assert f"drum-1.0 in {workbench.store} has lost files, such as drum/skins/__init__.py" in said
    if choice in {"all", "documents"}:  # nobody knows what an entry without a document was
        workbench.pepip("store", "repair", *workbench.from_wheelhouse, check=False)
        workbench.python("-c", MODULES)
    assert workbench.problems() == []
    data = workbench.environment / "share" / "drum" / "manual.txt"
    assert data.read_text() == "1.0"
    assert "Nothing to do" in install(workbench, *NAMES)


def test_used_files_are_touched(workbench: Workbench) -> None:
    """A purge leaves what an environment links, if the setting was there when a command was used. Off by default.

    Modification times stay, so bytecode stays valid.
    """
    install(workbench, *NAMES)
    workbench.pepip("store", "add", "big-bell", *workbench.source)
    everything = (workbench.store / "packages", workbench.environment)
    age(61, *everything)
    modified = {path: path.lstat().st_mtime_ns for path in workbench.site_packages.rglob("*.py")}
    notes = list((workbench.store / "cache").rglob("touched-*"))
    assert len(notes) == 1
    notes[0].unlink()  # as if the last touch were long ago
    install(workbench, "wind-two", *NAMES, after="")
    assert _unused(workbench.store / "packages", 60)

    install(workbench, "wind-two", *NAMES)
    gone = purge(60, *everything)

    assert "sound.bin" in gone
    assert "members.py" not in gone
    workbench.python("-c", MODULES)
    assert all(path.lstat().st_mtime_ns == at for path, at in modified.items())


def test_files_being_written_and_files_of_others_are_not_touched(workbench: Workbench) -> None:
    """A file that another program writes at this moment must not get an older modification time."""
    install(workbench, *NAMES)
    written, others, own = (workbench.environment / name for name in ("written.txt", "others.txt", "own.txt"))
    for path in (written, others, own):
        path.write_text("")
    age(61, others, own, workbench.environment)
    os.utime(written, ns=(written.lstat().st_atime_ns, time.time_ns()))
    if os.geteuid() == 0:
        os.chown(others, 64321, -1)
    (note,) = (workbench.store / "cache").rglob("touched-*")
    note.unlink()

    install(workbench, *NAMES)

    unused = {path for path in (written, others, own) if path.lstat().st_atime < time.time() - 60 * DAY}
    assert unused == ({written, others} if os.geteuid() == 0 else {written})


def test_a_first_command_that_stores_nothing_has_no_store_to_touch(workbench: Workbench) -> None:
    """No folder of a store is there yet, and none is needed."""
    workbench.machine.make_folder(workbench.project)
    workbench.uv("venv", "--python", workbench.interpreter, ".venv")
    (workbench.project / "nothing.txt").write_text("")

    install(workbench, "-r", "nothing.txt")

    assert workbench.environment.exists()


def _unused(root: Path, days: int) -> list[Path]:
    return [path for path in root.rglob("*.py") if path.lstat().st_atime < time.time() - days * DAY]


def test_a_wrong_time_is_refused(workbench: Workbench) -> None:
    """Nothing is installed then."""
    output = workbench.attempt("horn", variables={"PEPIP_PURGE_AFTER": "soon"})

    assert_refused(output, "PEPIP_PURGE_AFTER: 'soon' is not a time", "60d")
    assert not workbench.environment.exists()
