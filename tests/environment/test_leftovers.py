"""Files that killed runs leave, full disks, and image layers whose folders can't be renamed."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.filesystems import layered, mounted
from tests.support.machines import Machine, any_interpreter
from tests.support.refusals import assert_refused
from tests.support.stores import entries_of, leftovers_of, problems_of
from tests.support.wheels import Wheel
from tests.support.worlds import World


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return a world that tests restore."""
    return World.build(tmp_path_factory.mktemp("leftovers") / "world")


@pytest.fixture
def world(built: World) -> Iterator[World]:
    """Yield a world as it was built, and restore it afterwards."""
    yield built
    built.put_back()


def test_prune_removes_the_staging_folder_of_a_killed_run(world: World) -> None:
    """Pruning removes staging folders that belong to no running command."""
    staged = world.machine.store / "staging" / "4000000-1" / "0.lamp"
    staged.mkdir(parents=True)
    (staged / "lamp.py").write_text("")
    staged.chmod(0o555)

    world.machine.pepip("prune", "--yes", folder=world.project)

    assert leftovers_of(world.machine.store) == []


def test_a_dry_run_of_a_prune_names_a_damaged_registration(world: World) -> None:
    """The dry run names the damaged file and the command that helps, and removes nothing."""
    damaged = world.find("store/projects/b-*.json")
    damaged.write_text("{")

    said = world.machine.pepip("prune", "--dry-run", folder=world.project).stderr

    assert f"nothing can be removed: the registry file {damaged} can't be read" in said
    assert "pepip projects scan" in said
    assert "spare-1.0" in entries_of(world.machine.store)


def test_the_next_run_removes_the_temporary_folder_of_a_killed_one(world: World, tmp_path: Path) -> None:
    """The next run removes the temporary folder of a killed run, but not that of a running one."""
    variables = {"TMPDIR": str(tmp_path)}
    runs = []
    for name in ("killed", "living"):
        pipe = tmp_path / f"{name}.txt"
        os.mkfifo(pipe)
        command = [sys.executable, "-m", "pepip", "install", "-r", pipe, *world.source]
        runs.append(world.machine.start(command, folder=world.project, variables=variables))
        wait_until_there_are(len(runs), tmp_path)
    killed, living = runs
    killed.kill()
    killed.communicate()
    assert len(folders_in(tmp_path)) == 2

    world.machine.pepip("install", "-r", "-", *world.source, folder=world.project, check=False, variables=variables)
    assert len(folders_in(tmp_path)) == 1
    (tmp_path / "living.txt").write_text("spare\n")
    living.communicate(timeout=60)

    assert living.returncode == 0
    assert list(tmp_path.glob("pepip-*")) == []


def folders_in(temporary: Path) -> list[Path]:
    """Return the temporary folders of all runs."""
    return [path for path in temporary.glob("pepip-*/*") if path.is_dir()]


def wait_until_there_are(count: int, temporary: Path) -> None:
    """Wait until this number of runs have a temporary folder."""
    deadline = time.monotonic() + 60
    while len(folders_in(temporary)) < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_an_entry_in_a_lower_layer_of_an_image_is_pruned(world: World) -> None:
    """Pruning removes whole entries from a store in an image, although its folders can't be renamed."""
    with layered(world.root):
        world.machine.pepip("prune", "--yes", folder=world.project)

        assert entries_of(world.machine.store) == ["lamp-1.0", "shade-1.0"]
        assert leftovers_of(world.machine.store) == []
        assert problems_of(world.machine.store) == []
        world.machine.pepip("install", "spare", *world.source, folder=world.project)
        world.machine.pepip("uninstall", "lamp", "shade", "wick", folder=world.project)
        world.machine.python(world.environment, "-c", "import spare")
        world.machine.pepip("store", "verify", folder=world.project)
    (world.root.with_name(f"{world.root.name}.lower")).rename(world.root.with_name(f"{world.root.name}.done"))
    world.root.rmdir()
    (world.root.with_name(f"{world.root.name}.done")).rename(world.root)


@pytest.fixture
def full_disk(machine: Machine, tmp_path: Path, wheelhouse: Path) -> Iterator[Path]:
    """Yield a project on a full disk of its own. It has three distributions, one of them installed by uv."""
    names = ("lamp", "shade", "wick")
    for name in names:
        Wheel(
            name,
            "1.0",
            files={f"{name}/__init__.py": "", f"{name}_module.py": "", "shared/__init__.py": ""},
            entry_points={"console_scripts": {name: f"{name}:main"}},
        ).write(wheelhouse)
    with mounted("ext4", tmp_path / "disk", mebibytes=24) as disk:
        project = disk / "project"
        project.mkdir()
        source = ("--no-index", "--find-links", wheelhouse)
        machine.pepip("install", *names[:2], *source, "--python", any_interpreter(), folder=project)
        machine.uv("pip", "install", names[2], *source, folder=project)
        fill(disk)
        yield project


def fill(disk: Path) -> None:
    """Write to a disk until neither a byte nor a folder fits."""
    for number in range(1000):
        try:
            with (disk / f"filler{number}").open("wb", buffering=0) as file:
                while file.write(b"\0" * 4096):
                    pass
        except OSError:
            pass
        try:
            (disk / f"folder{number}").mkdir()
        except OSError:
            return


@pytest.mark.parametrize("names", [("lamp",), ("wick",), ("lamp", "shade", "wick")], ids=" ".join)
def test_a_distribution_can_be_uninstalled_on_a_full_disk(
    machine: Machine, full_disk: Path, names: tuple[str, ...]
) -> None:
    """Distributions can be uninstalled on a full disk, as with uv, to make room."""
    machine.pepip("uninstall", *names, folder=full_disk)

    left = machine.uv("pip", "list", "--format", "freeze", folder=full_disk).stdout.split()
    assert left == [f"{name}==1.0" for name in ("lamp", "shade", "wick") if name not in names]
    machine.uv("pip", "check", folder=full_disk)
    assert not (full_disk / ".venv" / ".pepip").exists()


def test_a_full_disk_is_named_by_a_path(machine: Machine, full_disk: Path, wheelhouse: Path, tmp_path: Path) -> None:
    """The message has a path on the full disk: that of the environment or that of the store."""
    Wheel("large", "1.0", files={"large/__init__.py": os.urandom(6_000_000)}).write(wheelhouse)
    source = ("large", "--no-index", "--find-links", wheelhouse)

    assert_refused(machine.pepip("install", *source, folder=full_disk, check=False), "No space", str(full_disk))
    with mounted("ext4", tmp_path / "small", mebibytes=4) as small:
        variables = {"PEPIP_HOME": str(small / "store")}
        project = tmp_path / "near"
        project.mkdir()
        output = machine.pepip("install", *source, folder=project, check=False, variables=variables)

        assert_refused(output, "No space", str(small / "store"))
        assert leftovers_of(small / "store") == []


def test_a_store_that_nobody_shares_takes_extra_room(world: World) -> None:
    """A store with a few small files that nothing shares takes extra room, and `savings` says so."""
    said = world.machine.pepip("savings", folder=world.project).stdout

    assert "extra" in said
    assert "-" not in said.replace("uv's hard-", "")


@pytest.mark.every(3)
@pytest.mark.parametrize("words", ["--version", "--help", "store path", "store list --json", "doctor"])
@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_a_full_stdout_is_one_error(world: World, words: str, unbuffered: str) -> None:
    """A full stdout gives one error and no traceback, whether output is buffered or not."""
    command = f'exec "$0" -m pepip {words} > /dev/full'
    shell = ["sh", "-c", command, sys.executable]
    variables = {"PYTHONUNBUFFERED": unbuffered}

    output = world.machine.run(shell, folder=world.project, check=False, variables=variables)

    assert output.stderr == "error: No space left on device\n"
    assert output.returncode == 1


def test_a_path_that_is_no_utf_8_is_named(world: World) -> None:
    """A path that is not valid UTF-8 is refused before uv is asked, since uv accepts no such argument."""
    moved = Path(os.fsdecode(os.fsencode(world.root) + b"/p\xff"))
    world.project.rename(moved)

    output = world.machine.pepip("list", folder=moved, check=False)

    assert_refused(output, "its path is not valid UTF-8")
