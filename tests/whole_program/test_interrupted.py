"""Interrupted and simultaneous installs: kills at any moment, many at once, full disks, no permission.

The store holds only whole entries, and other projects work as before. The next run of the same command ends like an
undisturbed run.
"""

from __future__ import annotations

import functools
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.support.filesystems import mounted
from tests.support.kills import changes_seen, kill_all_after, killed_before
from tests.support.machines import Output
from tests.support.parity import Level, Observation, differences, observe
from tests.support.refusals import assert_refused
from tests.support.shelf import with_script
from tests.support.snapshots import Snapshot, changes, link_shape, snapshot
from tests.support.stores import problems_of
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

pytestmark = pytest.mark.every(2)

KILLS = 13
"""Kills of each kind of install."""

EVERY_NAME = ("camera", "camera-contrib", "cloud-core", "cloud-store")

KILLS_BEFORE_UV = 8

KILLS_WITH_UV = 5


def camera(version: str) -> Wheel:
    """Return one version of a wheel with a package, an inner package, scripts and data."""
    return with_script(
        "camera",
        version,
        {"camera/lenses/__init__.py": "", f"camera/only_in_{version[0]}.py": ""},
        data={"data/share/camera/manual.txt": version, "scripts/camera-script": "#!python\nprint(1)\n"},
    )


WHEELS = [
    *(
        Wheel(f"reader-{name}", "1.0", files={f"readers/{name}.py": "", "LICENSE.txt": f"of {name}\n"})
        for name in ("one", "two")
    ),
    camera("1.0"),
    camera("2.0"),
    Wheel("camera-contrib", "1.0", files={"camera/contrib.py": "", "camera/lenses/wide.py": ""}),
    Wheel("camera-contrib", "2.0", files={"camera_contrib/__init__.py": ""}),
    Wheel("cloud-core", "1.0", files={"cloud/core/__init__.py": ""}),
    Wheel("cloud-store", "1.0", files={"cloud/store/__init__.py": ""}, dependencies=["cloud-core"]),
    Wheel("bystander", "1.0", files={"bystander/__init__.py": "HERE = True\n"}),
]


@dataclass(frozen=True)
class Change:
    """A kind of install to interrupt: the requirements that are installed before, and its own arguments."""

    name: str
    before: tuple[str, ...]
    command: tuple[str, ...]


CHANGES = [
    Change("fresh", (), ("camera==1.0", "camera-contrib==1.0", "cloud-store")),
    Change("upgrade", ("camera==1.0", "cloud-store"), ("camera==2.0",)),
    Change("unfolding", ("camera==1.0", "cloud-core"), ("camera-contrib==1.0", "cloud-store")),
    Change("one-file-of-two", ("reader-one",), ("reader-two",)),
    Change("folding", ("camera==1.0", "camera-contrib==1.0"), ("camera-contrib==2.0",)),
    Change("own-files", (), ("camera==1.0", "camera-contrib==1.0", "--link-mode", "copy")),
    Change("links-to-own-files", ("camera==1.0",), ("camera==2.0", "--link-mode", "hardlink")),
    Change("own-files-to-links", ("camera==1.0", "--link-mode", "copy"), ("camera==2.0",)),
]


def shape_of(scene: Workbench) -> dict[str, str]:
    """Return how the project's environment holds each path, with the scene's own folder replaced."""
    shape = link_shape(scene.environment)
    return {path: held.replace(str(scene.folder), "<scene>") for path, held in shape.items()}


def seen_in(scene: Workbench) -> Observation:
    """Return an observation of the project's environment, as its users see it."""
    return observe(scene.environment, scene.machine, level=Level.METADATA)


def assert_second_works(scene: Workbench, before: Snapshot) -> None:
    """Assert that the second project is unchanged, and that its package can be imported."""
    second = scene.at("another")
    assert changes(before, snapshot(second.environment)) == []
    second.python("-B", "-c", "import bystander; assert bystander.HERE")


class Stage:
    """Makes a scene for each interrupted run: a project, a second project, and a store of their own.

    It caches the results of undisturbed runs.
    """

    def __init__(self, workbench: Workbench) -> None:
        self._workbench = workbench
        self.undisturbed = functools.cache(self._undisturbed)

    def set(self, name: str, change: Change) -> Workbench:
        """Return a scene that is ready for the change."""
        folder = self._workbench.folder / name
        machine = replace(self._workbench.machine, store=folder / "store")
        scene = replace(self._workbench, machine=machine, folder=folder)
        scene.project.mkdir(parents=True)
        scene.at("another").install("bystander", *change.before)
        if change.before:
            scene.install(*change.before)
        return scene

    def _undisturbed(self, change: Change) -> tuple[Workbench, Observation, int]:
        """Make the change without a kill.

        Return the scene, an observation of it, and the number of changes of files.
        """
        scene = self.set(f"undisturbed-{change.name}", change)
        output = killed_before(scene.machine, 0, _command(scene, change), folder=scene.project, within=scene.folder)
        assert output.returncode == 0, output.stderr
        return scene, seen_in(scene), len(changes_seen(scene.folder))


@pytest.fixture(scope="module")
def stage(uv_cache: Path, interpreter: Path, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """Return the stage of all kills of this module."""
    return Stage(Workbench.for_module(tmp_path_factory.mktemp("kills"), uv_cache, interpreter, WHEELS))


def _command(scene: Workbench, change: Change) -> tuple[str | Path, ...]:
    return ("install", *change.command, *scene.source)


def _assert_recovers(stage: Stage, scene: Workbench, change: Change, second_before: Snapshot) -> None:
    """Assert that nothing else was damaged, and that the next run completes the interrupted one."""
    assert problems_of(scene.store, sealed=False) == []
    assert_second_works(scene, second_before)

    scene.install(*change.command)

    reference, expected, _ = stage.undisturbed(change)
    assert differences(expected, seen_in(scene)) == []
    assert shape_of(scene) == shape_of(reference)
    assert scene.leftovers() == []
    assert scene.problems() == []
    scene.uv("pip", "uninstall", *EVERY_NAME)
    assert scene.problems() == []
    assert_second_works(scene, second_before)


@pytest.mark.every(KILLS + 1)  # each kind of install once, each at another moment
@pytest.mark.parametrize("part", sorted(range(KILLS), key=lambda part: part * 5 % KILLS))
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_an_install_killed_at_a_change_is_completed_by_the_next(stage: Stage, change: Change, part: int) -> None:
    """A SIGKILL before any change on disk damages nothing, and the next run ends like an undisturbed run."""
    _, _, count = stage.undisturbed(change)
    scene = stage.set(f"{change.name}-{part}", change)
    second = snapshot(scene.at("another").environment)

    point = 1 + part * (count - 1) // (KILLS - 1)
    output = killed_before(scene.machine, point, _command(scene, change), folder=scene.project, within=scene.folder)

    assert output.returncode == -9, f"killed before {changes_seen(scene.folder)[-1]}: {output.stderr}"
    _assert_recovers(stage, scene, change, second)


@pytest.mark.every(7)
@pytest.mark.parametrize("part", range(KILLS_BEFORE_UV))
@pytest.mark.parametrize("change", CHANGES[1:], ids=lambda change: change.name)
def test_uv_on_a_half_changed_environment_never_reaches_the_store(stage: Stage, change: Change, part: int) -> None:
    """If uv runs after a kill among the links, and pepip does not, the store stays whole."""
    reference, _, count = stage.undisturbed(change)
    linking = 1 + next(
        number for number, line in enumerate(changes_seen(reference.folder)) if line.endswith("/journal.json")
        or "/.venv/.pepip" in line
    )  # fmt: skip
    scene = stage.set(f"{change.name}-before-uv-{part}", change)

    point = linking + part * (count - linking) // (KILLS_BEFORE_UV - 1)
    killed_before(scene.machine, point, _command(scene, change), folder=scene.project, within=scene.folder)
    scene.uv("pip", "uninstall", *EVERY_NAME, check=False)

    assert problems_of(scene.store, sealed=False) == []


@pytest.mark.every(3)
@pytest.mark.parametrize("part", range(KILLS_WITH_UV))
def test_an_install_killed_together_with_uv_is_completed_by_the_next(stage: Stage, part: int) -> None:
    """All processes are killed at the same time, as in a stopped container. The next run completes the install."""
    change = CHANGES[0]
    stage.undisturbed(change)
    scene = stage.set(f"group-{part}", change)
    second = snapshot(scene.at("another").environment)
    measured = stage.set(f"group-{part}-measured", change)
    whole_seconds = kill_all_after(60, measured.machine, _command(measured, change), folder=measured.project)

    kill_all_after(
        whole_seconds * (part + 1) / (KILLS_WITH_UV + 1),
        scene.machine,
        _command(scene, change),
        folder=scene.project,
    )

    _assert_recovers(stage, scene, change, second)


PARTS = [
    Wheel(f"part{number}", "1.0", files={f"part{number}/__init__.py": "", f"part{number}/data.bin": bytes(200_000)})
    for number in range(8)
]


@pytest.fixture
def crowd(workbench: Workbench) -> Workbench:
    """Return a user with an empty store, and further wheels to install."""
    workbench.supply(PARTS)
    return workbench


def install_at_once(workbench: Workbench, requests: Mapping[str, Sequence[str]]) -> dict[str, Output]:
    """Run all installs at the same time, each in the project of its name. Return the output of each run."""
    with ThreadPoolExecutor(len(requests)) as pool:
        running = {name: pool.submit(workbench.at(name).attempt, *names) for name, names in requests.items()}
        return {name: run.result() for name, run in running.items()}


def test_eight_installs_at_once_store_each_wheel_once(crowd: Workbench) -> None:
    """Eight installs of overlapping sets into an empty store succeed, and each wheel is stored once and whole."""
    requests = {
        f"project-{number}": (*(f"part{(number + step) % 8}" for step in range(5)), "camera==1.0")
        for number in range(8)
    }

    outputs = install_at_once(crowd, requests)

    assert {name: output.stderr for name, output in outputs.items() if output.returncode} == {}
    assert crowd.entries() == ["camera-1.0", *(f"part{number}-1.0" for number in range(8))]
    assert crowd.problems() == []
    assert crowd.leftovers() == []
    for name, requirements in requests.items():
        modules = ", ".join(requirement.split("==")[0] for requirement in requirements)
        crowd.at(name).python("-c", f"import {modules}")


_LET_ANOTHER_BE_FIRST = """
import os, subprocess, sys
from pepip.store import publish

def arm(*arguments, **named):
    global is_armed
    is_armed = True
    return prepare(*arguments, **named)

def look(path, **named):
    global is_armed
    try:
        return lstat(path, **named)
    except FileNotFoundError:
        if is_armed and os.path.basename(path) == "camera-1.0":
            is_armed = False
            subprocess.run(other, cwd="../other", check=True, stdout=sys.stderr)
            print("the other was first")
        raise

is_armed, prepare, lstat = False, publish.prepare, os.lstat
publish.prepare, os.lstat = arm, look
other = [sys.executable, "-m", "pepip", *sys.argv[1:]]
from pepip.__main__ import main
sys.exit(main())
"""
"""Run pepip, and let another process do the same right after pepip has found that an entry is missing."""


def test_a_run_that_is_overtaken_while_publishing_takes_the_published_entry(crowd: Workbench) -> None:
    """If another process publishes an entry first, pepip uses that entry, and the wheel is stored once."""
    for name in ("own", "other"):
        (crowd.folder / name).mkdir()
    command = [sys.executable, "-c", _LET_ANOTHER_BE_FIRST, "install", "camera==1.0", *crowd.source]

    said = crowd.machine.run(command, folder=crowd.folder / "own").stdout

    assert said == "the other was first\n"
    assert crowd.entries() == ["camera-1.0"]
    assert crowd.problems() == []
    assert crowd.leftovers() == []
    for name in ("own", "other"):
        crowd.at(name).python("-c", "import camera")


@pytest.mark.parametrize("is_made", [False, True], ids=["not made yet", "made before"])
def test_several_installs_into_one_environment_at_once_all_count(crowd: Workbench, is_made: bool) -> None:
    """The distributions of all runs are there in the end, whether the environment existed before or not."""
    if is_made:
        crowd.install("bystander")
    sets = [("camera==1.0", "part0"), ("camera-contrib==1.0", "part1"), ("cloud-store", "part0", "part2")]

    with ThreadPoolExecutor(len(sets)) as pool:
        outputs = list(pool.map(lambda names: crowd.attempt(*names), sets))

    assert [output.stderr for output in outputs if output.returncode] == []
    modules = "camera.contrib, camera.lenses.wide, cloud.core, cloud.store, part0, part1, part2"
    crowd.python("-c", f"import {modules}")
    crowd.uv("pip", "check")
    assert crowd.problems() == []
    assert not (crowd.environment / ".pepip").exists()


HEAVY = Wheel("heavy", "1.0", files={"heavy/__init__.py": "", "heavy/data.bin": os.urandom(3 << 20)})


def test_a_full_disk_under_the_store_is_named_and_leaves_it_whole(workbench: Workbench, tmp_path: Path) -> None:
    """No partial entry and no environment is left, and the install works when there is room."""
    workbench.supply([HEAVY])
    with mounted("tmpfs", tmp_path / "small", mebibytes=6) as disk:
        small = replace(workbench, machine=replace(workbench.machine, store=disk / "store"))
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(4 << 20))

        output = small.attempt("camera==1.0", "heavy")

        assert_refused(output, "No space left on device", "hint: `pepip reclaim`")
        assert small.problems() == []
        assert small.leftovers() == []
        assert list(small.project.iterdir()) == []

        ballast.unlink()
        small.install("camera==1.0", "heavy")
        small.python("-c", "import camera, heavy")
        assert small.problems() == []


@pytest.mark.parametrize("free_kibibytes", [0, 16, 64, 160])
def test_a_disk_that_fills_at_any_moment_leaves_the_store_whole(
    workbench: Workbench, tmp_path: Path, free_kibibytes: int
) -> None:
    """However far the install gets, the message names the cause and the store holds only whole entries."""
    parts = [f"part{number}" for number in range(12)]
    workbench.supply(
        Wheel(part, "1.0", files={f"{part}/__init__.py": "", f"{part}/data.bin": os.urandom(16 << 10)})
        for part in parts
    )
    with mounted("tmpfs", tmp_path / "small", mebibytes=4) as disk:
        small = replace(workbench, machine=replace(workbench.machine, store=disk / "store"))
        small.install("part0")
        shutil.rmtree(small.environment)
        _fill(disk, free_kibibytes << 10)

        output = small.attempt(*parts)

        assert_refused(output, "No space left on device")
        assert small.problems() == []

        (disk / "ballast").unlink()
        small.install(*parts)
        small.python("-c", f"import {', '.join(parts)}")
        assert small.problems() == []
        assert small.leftovers() == []


def test_a_full_disk_under_a_new_project_is_named_and_leaves_nothing(workbench: Workbench, tmp_path: Path) -> None:
    """A partial environment is removed, and the install works when there is room."""
    workbench.supply([HEAVY])
    with mounted("tmpfs", tmp_path / "small", mebibytes=2) as disk:
        small = workbench.at(disk / "project")
        small.project.mkdir()
        _fill(disk, 0)

        output = small.attempt("camera==1.0", "heavy")

        assert_refused(output, "No space left on device")
        assert list(small.project.iterdir()) == []
        assert small.problems() == []

        (disk / "ballast").unlink()
        small.install("camera==1.0", "heavy")
        small.python("-c", "import camera, heavy")


@pytest.mark.parametrize("free_kibibytes", [0, 4, 16, 32, 64])
def test_a_full_disk_under_an_environment_keeps_its_distributions(
    workbench: Workbench, tmp_path: Path, free_kibibytes: int
) -> None:
    """An upgrade without enough room is refused, and the environment stays as before."""
    scripts = {"console_scripts": {f"camera-{number}": "camera:main" for number in range(20)}}
    workbench.supply([replace(camera("2.0"), entry_points=scripts)])
    with mounted("tmpfs", tmp_path / "small", mebibytes=2) as disk:
        small = workbench.at(disk / "project")
        small.install("camera==1.0")
        before = snapshot(small.environment)
        _fill(disk, free_kibibytes << 10)

        output = small.attempt("camera==2.0")

        assert_refused(output, "No space left on device")
        assert changes(before, snapshot(small.environment)) == []
        small.python("-c", "import camera; assert camera.VERSION == '1.0'")

        (disk / "ballast").unlink()
        small.install("camera==2.0")
        small.python("-c", "import camera; assert camera.VERSION == '2.0'")
        assert small.problems() == []


def _fill(disk: Path, free_bytes: int) -> None:
    """Fill a small disk, except for `free_bytes`."""
    status = os.statvfs(disk)
    (disk / "ballast").write_bytes(bytes(max(0, status.f_bavail * status.f_frsize - free_bytes)))


def test_no_permission_on_the_store_is_named(workbench: Workbench, tmp_path: Path) -> None:
    """If the user may not make the store, the message has its path and a hint, and no environment is left."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o755)
    plain = workbench.machine.as_plain_user(tmp_path / "plain")
    denied = workbench.of(replace(plain, store=closed / "store"))

    output = denied.attempt("camera")

    assert_refused(output, str(denied.store), "ermission denied", "PEPIP_HOME")
    assert list(denied.project.iterdir()) == []
    assert list(closed.iterdir()) == []


@pytest.mark.parametrize("is_made", [False, True], ids=["not made yet", "made before"])
def test_no_permission_on_the_project_is_named(workbench: Workbench, tmp_path: Path, is_made: bool) -> None:
    """If the user may not change the environment, the message has its path, and the environment stays as it is."""
    plain = replace(workbench, machine=workbench.machine.as_plain_user(tmp_path / "plain"))
    plain.project.chmod(0o755)
    if is_made:
        workbench.install("camera==1.0")
    before = snapshot(plain.project)

    output = plain.attempt("camera==2.0")

    assert_refused(output, str(plain.project), "ermission")
    assert changes(before, snapshot(plain.project)) == []
