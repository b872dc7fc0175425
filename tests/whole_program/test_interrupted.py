"""Interrupted and simultaneous installs: kills at any moment, many at once, full disks, no permission.

The store holds only whole entries, and other projects work as before. The next run of the same command ends like an
undisturbed run.
"""

from __future__ import annotations

import functools
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.support.filesystems import mounted
from tests.support.kills import changes_seen, kill_all_after, killed_before
from tests.support.machines import Machine, Output
from tests.support.parity import Level, Observation, differences, observe
from tests.support.refusals import assert_refused
from tests.support.snapshots import Snapshot, changes, link_shape, snapshot
from tests.support.stores import entries_of, leftovers_of, problems_of
from tests.support.wheels import Wheel

pytestmark = pytest.mark.every(2)

KILLS = 13
"""Kills of each kind of install."""

EVERY_NAME = ("camera", "camera-contrib", "cloud-core", "cloud-store")

KILLS_BEFORE_UV = 8

KILLS_WITH_UV = 5


def camera(version: str) -> Wheel:
    """Return one version of a wheel with a package, an inner package, scripts and data."""
    return Wheel(
        "camera",
        version,
        files={
            "camera/__init__.py": f"VERSION = {version!r}\ndef main():\n    print(VERSION)\n",
            "camera/lenses/__init__.py": "",
            f"camera/only_in_{version[0]}.py": "",
        },
        data={"data/share/camera/manual.txt": version, "scripts/camera-script": "#!python\nprint(1)\n"},
        entry_points={"console_scripts": {"camera": "camera:main"}},
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


@dataclass(frozen=True)
class Scene:
    """A store, a project in which an install is interrupted, and a second project."""

    machine: Machine
    folder: Path
    source: tuple[str | Path, ...]

    @property
    def project(self) -> Path:
        """Return the project in which the install runs."""
        return self.folder / "project"

    @property
    def second(self) -> Path:
        """Return the second project, which must stay as it is."""
        return self.folder / "another"

    def install(self, project: Path, *requirements: str) -> None:
        """Install into a project without an interruption."""
        project.mkdir(parents=True, exist_ok=True)
        self.machine.pepip("install", *requirements, *self.source, folder=project)

    def shape(self) -> dict[str, str]:
        """Return how the project's environment holds each path, with the scene's own folder replaced."""
        return {
            path: held.replace(str(self.folder), "<scene>")
            for path, held in link_shape(self.project / ".venv").items()
        }

    def observe(self) -> Observation:
        """Return an observation of the project's environment, as its users see it."""
        return observe(self.project / ".venv", self.machine, level=Level.METADATA)

    def assert_second_works(self, before: Snapshot) -> None:
        """Assert that the second project is unchanged, and that its package can be imported."""
        assert changes(before, snapshot(self.second / ".venv")) == []
        self.machine.python(self.second / ".venv", "-B", "-c", "import bystander; assert bystander.HERE")


class Stage:
    """Makes a scene for each interrupted run, and caches the results of undisturbed runs."""

    def __init__(self, machine: Machine, folder: Path, interpreter: Path) -> None:
        self._machine = machine
        self._folder = folder
        wheelhouse = folder / "wheelhouse"
        for wheel in WHEELS:
            wheel.write(wheelhouse)
        self.source = ("--no-index", "--find-links", wheelhouse, "--python", interpreter)
        self.undisturbed = functools.cache(self._undisturbed)

    def set(self, name: str, change: Change) -> Scene:
        """Return a scene that is ready for the change."""
        folder = self._folder / name
        folder.mkdir()
        scene = Scene(replace(self._machine, store=folder / "store"), folder, self.source)
        scene.project.mkdir()
        scene.install(scene.second, "bystander", *change.before)
        if change.before:
            scene.install(scene.project, *change.before)
        return scene

    def _undisturbed(self, change: Change) -> tuple[Scene, Observation, int]:
        """Make the change without a kill.

        Return the scene, an observation of it, and the number of changes of files.
        """
        scene = self.set(f"undisturbed-{change.name}", change)
        output = killed_before(scene.machine, 0, _command(scene, change), folder=scene.project, within=scene.folder)
        assert output.returncode == 0, output.stderr
        return scene, scene.observe(), len(changes_seen(scene.folder))


@pytest.fixture(scope="module")
def stage(uv_cache: Path, interpreter: Path, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """Return the stage of all kills of this module."""
    folder = tmp_path_factory.mktemp("kills")
    home = folder / "home"
    home.mkdir()
    return Stage(Machine(home, folder / "no-store", uv_cache), folder, interpreter)


def _command(scene: Scene, change: Change) -> tuple[str | Path, ...]:
    return ("install", *change.command, *scene.source)


def _assert_recovers(stage: Stage, scene: Scene, change: Change, second_before: Snapshot) -> None:
    """Assert that nothing else was damaged, and that the next run completes the interrupted one."""
    assert problems_of(scene.machine.store, sealed=False) == []
    scene.assert_second_works(second_before)

    scene.install(scene.project, *change.command)

    reference, expected, _ = stage.undisturbed(change)
    assert differences(expected, scene.observe()) == []
    assert scene.shape() == reference.shape()
    assert leftovers_of(scene.machine.store) == []
    assert problems_of(scene.machine.store) == []
    scene.machine.uv("pip", "uninstall", *EVERY_NAME, folder=scene.project)
    assert problems_of(scene.machine.store) == []
    scene.assert_second_works(second_before)


@pytest.mark.every(KILLS + 1)  # each kind of install once, each at another moment
@pytest.mark.parametrize("part", sorted(range(KILLS), key=lambda part: part * 5 % KILLS))
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_an_install_killed_at_a_change_is_completed_by_the_next(stage: Stage, change: Change, part: int) -> None:
    """A SIGKILL before any change on disk damages nothing, and the next run ends like an undisturbed run."""
    _, _, count = stage.undisturbed(change)
    scene = stage.set(f"{change.name}-{part}", change)
    second = snapshot(scene.second / ".venv")

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
    scene.machine.uv("pip", "uninstall", *EVERY_NAME, folder=scene.project, check=False)

    assert problems_of(scene.machine.store, sealed=False) == []


@pytest.mark.every(3)
@pytest.mark.parametrize("part", range(KILLS_WITH_UV))
def test_an_install_killed_together_with_uv_is_completed_by_the_next(stage: Stage, part: int) -> None:
    """All processes are killed at the same time, as in a stopped container. The next run completes the install."""
    change = CHANGES[0]
    stage.undisturbed(change)
    scene = stage.set(f"group-{part}", change)
    second = snapshot(scene.second / ".venv")
    measured = stage.set(f"group-{part}-measured", change)
    whole_seconds = kill_all_after(60, measured.machine, _command(measured, change), folder=measured.project)

    kill_all_after(
        whole_seconds * (part + 1) / (KILLS_WITH_UV + 1),
        scene.machine,
        _command(scene, change),
        folder=scene.project,
    )

    _assert_recovers(stage, scene, change, second)


@dataclass(frozen=True)
class Crowd:
    """Several projects that install at the same time."""

    machine: Machine
    folder: Path
    source: tuple[str | Path, ...]

    def install_at_once(self, requests: dict[str, tuple[str, ...]]) -> dict[str, Output]:
        """Run all installs at the same time, each in the project of its name. Return the output of each run."""
        for name in requests:
            (self.folder / name).mkdir(exist_ok=True)
        with ThreadPoolExecutor(len(requests)) as pool:
            running = {
                name: pool.submit(
                    self.machine.pepip,
                    "install",
                    *requirements,
                    *self.source,
                    folder=self.folder / name,
                    check=False,
                )
                for name, requirements in requests.items()
            }
            return {name: run.result() for name, run in running.items()}


@pytest.fixture
def crowd(machine: Machine, tmp_path: Path, wheelhouse: Path, interpreter: Path) -> Crowd:
    """Return a crowd with an empty store, and wheels to install."""
    for wheel in WHEELS:
        wheel.write(wheelhouse)
    for number in range(8):
        files: dict[str, str | bytes] = {f"part{number}/__init__.py": "", f"part{number}/data.bin": bytes(200_000)}
        Wheel(f"part{number}", "1.0", files=files).write(wheelhouse)
    return Crowd(machine, tmp_path, ("--no-index", "--find-links", wheelhouse, "--python", interpreter))


def test_eight_installs_at_once_store_each_wheel_once(crowd: Crowd) -> None:
    """Eight installs of overlapping sets into an empty store succeed, and each wheel is stored once and whole."""
    requests = {
        f"project-{number}": (*(f"part{(number + step) % 8}" for step in range(5)), "camera==1.0")
        for number in range(8)
    }

    outputs = crowd.install_at_once(requests)

    assert {name: output.stderr for name, output in outputs.items() if output.returncode} == {}
    assert entries_of(crowd.machine.store) == ["camera-1.0", *(f"part{number}-1.0" for number in range(8))]
    assert problems_of(crowd.machine.store) == []
    assert leftovers_of(crowd.machine.store) == []
    for name, requirements in requests.items():
        modules = ", ".join(requirement.split("==")[0] for requirement in requirements)
        crowd.machine.python(crowd.folder / name / ".venv", "-c", f"import {modules}")


_LET_ANOTHER_BE_FIRST = """
import os, subprocess, sys
from pepip.store import publish

def arm(*arguments, **named):
    global is_armed
    is_armed = True
    return prepare(*arguments, **named)

def look(path):
    global is_armed
    found = isdir(path)
    if is_armed and not found and os.path.basename(path) == "camera-1.0":
        is_armed = False
        subprocess.run(other, cwd="../other", check=True, stdout=sys.stderr)
        print("the other was first")
    return found

is_armed, prepare, isdir = False, publish.prepare, os.path.isdir
publish.prepare, os.path.isdir = arm, look
other = [sys.executable, "-m", "pepip", *sys.argv[1:]]
from pepip.__main__ import main
sys.exit(main())
"""
"""Run pepip, and let another process do the same right after pepip has found that an entry is missing."""


def test_a_run_that_is_overtaken_while_publishing_takes_the_published_entry(crowd: Crowd) -> None:
    """If another process publishes an entry first, pepip uses that entry, and the wheel is stored once."""
    for name in ("own", "other"):
        (crowd.folder / name).mkdir()
    command = [sys.executable, "-c", _LET_ANOTHER_BE_FIRST, "install", "camera==1.0", *crowd.source]

    said = crowd.machine.run(command, folder=crowd.folder / "own").stdout

    assert said == "the other was first\n"
    assert entries_of(crowd.machine.store) == ["camera-1.0"]
    assert problems_of(crowd.machine.store) == []
    assert leftovers_of(crowd.machine.store) == []
    for name in ("own", "other"):
        crowd.machine.python(crowd.folder / name / ".venv", "-c", "import camera")


@pytest.mark.parametrize("is_made", [False, True], ids=["not made yet", "made before"])
def test_several_installs_into_one_environment_at_once_all_count(crowd: Crowd, is_made: bool) -> None:
    """The distributions of all runs are there in the end, whether the environment existed before or not."""
    project = crowd.folder / "project"
    project.mkdir()
    if is_made:
        crowd.machine.pepip("install", "bystander", *crowd.source, folder=project)
    sets = [("camera==1.0", "part0"), ("camera-contrib==1.0", "part1"), ("cloud-store", "part0", "part2")]

    with ThreadPoolExecutor(len(sets)) as pool:
        outputs = list(
            pool.map(
                lambda names: crowd.machine.pepip("install", *names, *crowd.source, folder=project, check=False),
                sets,
            )
        )

    assert [output.stderr for output in outputs if output.returncode] == []
    modules = "camera.contrib, camera.lenses.wide, cloud.core, cloud.store, part0, part1, part2"
    crowd.machine.python(project / ".venv", "-c", f"import {modules}")
    crowd.machine.uv("pip", "check", folder=project)
    assert problems_of(crowd.machine.store) == []
    assert not (project / ".venv" / ".pepip").exists()


@pytest.fixture
def heavy(wheelhouse: Path) -> tuple[str | Path, ...]:
    """Return the arguments that install a small distribution and one of 3 MiB."""
    Wheel("heavy", "1.0", files={"heavy/__init__.py": "", "heavy/data.bin": os.urandom(3 << 20)}).write(wheelhouse)
    camera("1.0").write(wheelhouse)
    return ("camera", "heavy", "--no-index", "--find-links", wheelhouse)


def test_a_full_disk_under_the_store_is_named_and_leaves_it_whole(
    machine: Machine, project: Path, tmp_path: Path, heavy: tuple[str | Path, ...], interpreter: Path
) -> None:
    """No partial entry and no environment is left, and the install works when there is room."""
    with mounted("tmpfs", tmp_path / "small", mebibytes=6) as disk:
        small = replace(machine, store=disk / "store")
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(4 << 20))

        output = small.pepip("install", *heavy, "--python", interpreter, folder=project, check=False)

        assert_refused(output, "No space left on device", "hint: `pepip reclaim`")
        assert problems_of(small.store) == []
        assert leftovers_of(small.store) == []
        assert list(project.iterdir()) == []

        ballast.unlink()
        small.pepip("install", *heavy, "--python", interpreter, folder=project)
        small.python(project / ".venv", "-c", "import camera, heavy")
        assert problems_of(small.store) == []


@pytest.mark.parametrize("free_kibibytes", [0, 16, 64, 160])
def test_a_disk_that_fills_at_any_moment_leaves_the_store_whole(
    machine: Machine, tmp_path: Path, wheelhouse: Path, interpreter: Path, free_kibibytes: int
) -> None:
    """However far the install gets, the message names the cause and the store holds only whole entries."""
    for number in range(12):
        files: dict[str, str | bytes] = {
            f"part{number}/__init__.py": "",
            f"part{number}/data.bin": os.urandom(16 << 10),
        }
        Wheel(f"part{number}", "1.0", files=files).write(wheelhouse)
    parts = [f"part{number}" for number in range(12)]
    project = tmp_path / "project"
    project.mkdir()
    source = ("--no-index", "--find-links", wheelhouse, "--python", interpreter)
    with mounted("tmpfs", tmp_path / "small", mebibytes=4) as disk:
        small = replace(machine, store=disk / "store")
        small.pepip("install", "part0", *source, folder=project)
        shutil.rmtree(project / ".venv")
        _fill(disk, free_kibibytes << 10)

        output = small.pepip("install", *parts, *source, folder=project, check=False)

        assert_refused(output, "No space left on device")
        assert problems_of(small.store) == []

        (disk / "ballast").unlink()
        small.pepip("install", *parts, *source, folder=project)
        small.python(project / ".venv", "-c", f"import {', '.join(parts)}")
        assert problems_of(small.store) == []
        assert leftovers_of(small.store) == []


def test_a_full_disk_under_a_new_project_is_named_and_leaves_nothing(
    machine: Machine, tmp_path: Path, heavy: tuple[str | Path, ...], interpreter: Path
) -> None:
    """A partial environment is removed, and the install works when there is room."""
    with mounted("tmpfs", tmp_path / "small", mebibytes=2) as disk:
        project = disk / "project"
        project.mkdir()
        _fill(disk, 0)

        output = machine.pepip("install", *heavy, "--python", interpreter, folder=project, check=False)

        assert_refused(output, "No space left on device")
        assert list(project.iterdir()) == []
        assert problems_of(machine.store) == []

        (disk / "ballast").unlink()
        machine.pepip("install", *heavy, "--python", interpreter, folder=project)
        machine.python(project / ".venv", "-c", "import camera, heavy")


@pytest.mark.parametrize("free_kibibytes", [0, 4, 16, 32, 64])
def test_a_full_disk_under_an_environment_keeps_its_distributions(
    machine: Machine, tmp_path: Path, wheelhouse: Path, interpreter: Path, free_kibibytes: int
) -> None:
    """An upgrade without enough room is refused, and the environment stays as before."""
    camera("1.0").write(wheelhouse)
    scripts = {"console_scripts": {f"camera-{number}": "camera:main" for number in range(20)}}
    replace(camera("2.0"), entry_points=scripts).write(wheelhouse)
    source = ("--no-index", "--find-links", wheelhouse, "--python", interpreter)
    with mounted("tmpfs", tmp_path / "small", mebibytes=2) as disk:
        project = disk / "project"
        project.mkdir()
        machine.pepip("install", "camera==1.0", *source, folder=project)
        before = snapshot(project / ".venv")
        _fill(disk, free_kibibytes << 10)

        output = machine.pepip("install", "camera==2.0", *source, folder=project, check=False)

        assert_refused(output, "No space left on device")
        assert changes(before, snapshot(project / ".venv")) == []
        machine.python(project / ".venv", "-c", "import camera; assert camera.VERSION == '1.0'")

        (disk / "ballast").unlink()
        machine.pepip("install", "camera==2.0", *source, folder=project)
        machine.python(project / ".venv", "-c", "import camera; assert camera.VERSION == '2.0'")
        assert problems_of(machine.store) == []


def _fill(disk: Path, free_bytes: int) -> None:
    """Fill a small disk, except for `free_bytes`."""
    status = os.statvfs(disk)
    (disk / "ballast").write_bytes(bytes(max(0, status.f_bavail * status.f_frsize - free_bytes)))


def test_no_permission_on_the_store_is_named(
    machine: Machine, tmp_path: Path, wheelhouse: Path, interpreter: Path
) -> None:
    """If the user may not make the store, the message has its path and a hint, and no environment is left."""
    plain = machine.as_plain_user(tmp_path / "plain")
    project = plain.make_folder(plain.home / "project")
    camera("1.0").write(wheelhouse)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o755)
    denied = replace(plain, store=closed / "store")

    output = denied.pepip(
        "install", "camera", "--no-index", "--find-links", wheelhouse, "--python", interpreter,
        folder=project, check=False,
    )  # fmt: skip

    assert_refused(output, str(denied.store), "ermission denied", "PEPIP_HOME")
    assert list(project.iterdir()) == []
    assert list(closed.iterdir()) == []


@pytest.mark.parametrize("is_made", [False, True], ids=["not made yet", "made before"])
def test_no_permission_on_the_project_is_named(
    machine: Machine, tmp_path: Path, wheelhouse: Path, interpreter: Path, is_made: bool
) -> None:
    """If the user may not change the environment, the message has its path, and the environment stays as it is."""
    plain = machine.as_plain_user(tmp_path / "plain")
    project = tmp_path / "project"
    project.mkdir(mode=0o755)
    for version in ("1.0", "2.0"):
        camera(version).write(wheelhouse)
    source = ("--no-index", "--find-links", wheelhouse, "--python", interpreter)
    if is_made:
        machine.pepip("install", "camera==1.0", *source, folder=project)
    before = snapshot(project)

    output = plain.pepip("install", "camera==2.0", *source, folder=project, check=False)

    assert_refused(output, str(project), "ermission")
    assert changes(before, snapshot(project)) == []
