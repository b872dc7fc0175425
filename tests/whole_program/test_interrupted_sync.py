"""Interrupted syncs of a project: after a kill at any moment, the next `pepip sync` completes the work."""

from __future__ import annotations

import errno
import functools
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.support.kills import changes_seen, kill_all_after, killed_before, refused_at
from tests.support.machines import require_interpreter
from tests.support.parity import Level, Observation, differences, observe
from tests.support.snapshots import link_shape
from tests.support.stores import problems_of
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

KILLS = 7
"""The number of kills at changes on disk, for each kind of sync: 21 in all."""

KILLS_WITH_UV = 3
"""The number of kills of pepip and uv after a time, for each kind of sync: nine in all."""

WHEELS = [
    Wheel(
        "camera",
        "1.0",
        files={"camera/__init__.py": "def main():\n    print(1)\n", "camera/lenses/__init__.py": ""},
        data={"data/share/camera/manual.txt": "turn it on"},
        entry_points={"console_scripts": {"camera": "camera:main"}},
    ),
    Wheel("camera-contrib", "1.0", files={"camera/contrib.py": "", "camera/lenses/wide.py": ""}),
    Wheel("cloud-core", "1.0", files={"cloud/core/__init__.py": ""}),
    Wheel("cloud-store", "1.0", files={"cloud/store/__init__.py": ""}, dependencies=["cloud-core"]),
]

PYPROJECT = """\
[project]
name = "gallery"
version = "1.0"
requires-python = ">=3.10"
dependencies = ["camera", "cloud-core"]

[project.scripts]
gallery = "gallery:main"

[dependency-groups]
more = ["camera-contrib", "cloud-store"]

[tool.uv]
no-index = true
find-links = ["../../wheelhouse"]

[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""

BACKEND = '''\
"""A build backend of one file, so that the project can be installed without an index."""

import base64, hashlib, os, zipfile

METADATA = "Metadata-Version: 2.1\\nName: gallery\\nVersion: 1.0\\nRequires-Python: >=3.10\\n"
METADATA += "Requires-Dist: camera\\nRequires-Dist: cloud-core\\n"


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    files = {
        "gallery.pth": os.getcwd() + "/src\\n",
        "gallery-1.0.dist-info/METADATA": METADATA,
        "gallery-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        "gallery-1.0.dist-info/entry_points.txt": "[console_scripts]\\ngallery = gallery:main\\n",
    }
    rows = []
    with zipfile.ZipFile(wheel_directory + "/gallery-1.0-py3-none-any.whl", "w") as wheel:
        for name, text in files.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            rows.append(f"{name},sha256={digest},{len(text.encode())}")
            wheel.writestr(name, text)
        wheel.writestr("gallery-1.0.dist-info/RECORD", "\\n".join([*rows, "gallery-1.0.dist-info/RECORD,,", ""]))
    return "gallery-1.0-py3-none-any.whl"


build_wheel = build_editable
'''


@dataclass(frozen=True)
class Kind:
    """A kind of sync to interrupt: the options of the sync before it, and its own options.

    `before` is None if there was no sync before.
    """

    name: str
    before: tuple[str, ...] | None
    options: tuple[str, ...]
    other_python: bool = False


KINDS = [
    Kind("fresh", None, ("--group", "more")),
    Kind("group", (), ("--group", "more")),
    Kind("python", ("--group", "more"), (), other_python=True),
]


@dataclass(frozen=True)
class Scene(Workbench):
    """A project with its own store, in which the sync `command` is interrupted."""

    command: tuple[str | Path, ...] = ()

    def observe(self) -> Observation:
        """Return an observation of the environment, as its users see it, without the scene's own path."""
        seen = observe(self.environment, self.machine, level=Level.METADATA)
        own = ("gallery.pth", "gallery-1.0.dist-info/")
        return replace(
            seen,
            files={path: held for path, held in seen.files.items() if not any(name in path for name in own)},
            answers={title: said.replace(str(self.folder), "<scene>") for title, said in seen.answers.items()},
            distributions={name: found for name, found in seen.distributions.items() if name != "gallery"},
        )

    def shape(self) -> dict[str, str]:
        """Return how the environment holds each path, with the scene's own folder replaced."""
        shape = link_shape(self.environment)
        return {path: held.replace(str(self.folder), "<scene>") for path, held in shape.items()}


class Stage:
    """Makes a scene for each interrupted sync, and caches the results of undisturbed syncs."""

    def __init__(self, workbench: Workbench, other_interpreter: Path) -> None:
        self._workbench, self._other_interpreter = workbench, other_interpreter
        self.undisturbed = functools.cache(self._undisturbed)

    def set(self, name: str, kind: Kind) -> Scene:
        """Return a scene that is ready for the sync."""
        folder, first = self._workbench.folder / name, self._workbench.interpreter
        command = ("sync", *kind.options, "--python", self._other_interpreter if kind.other_python else first)
        machine = replace(self._workbench.machine, store=folder / "store")
        scene = Scene.like(self._workbench, machine=machine, folder=folder, command=command)
        (scene.project / "src" / "gallery").mkdir(parents=True)
        (scene.project / "src" / "gallery" / "__init__.py").write_text("def main():\n    print('hung')\n")
        (scene.project / "pyproject.toml").write_text(PYPROJECT)
        (scene.project / "backend.py").write_text(BACKEND)
        if kind.before is not None:
            scene.pepip("sync", *kind.before, "--python", first)
        return scene

    def _undisturbed(self, kind: Kind) -> tuple[Scene, Observation, int]:
        scene = self.set(f"undisturbed-{kind.name}", kind)
        output = killed_before(scene.machine, 0, scene.command, folder=scene.project, within=scene.folder)
        assert output.returncode == 0, output.stderr
        return scene, scene.observe(), len(changes_seen(scene.folder))


@pytest.fixture(scope="module")
def stage(uv_cache: Path, interpreter: Path, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """Return the stage of all kills of this module."""
    folder = tmp_path_factory.mktemp("sync-kills")
    workbench = Workbench.for_module(folder, uv_cache, interpreter, WHEELS, name="gallery")
    return Stage(workbench, require_interpreter("3.10"))


def _assert_next_sync_completes(stage: Stage, scene: Scene, kind: Kind) -> None:
    assert problems_of(scene.store, sealed=False) == []

    scene.pepip(*scene.command)

    reference, expected, _ = stage.undisturbed(kind)
    assert differences(expected, scene.observe()) == []
    assert scene.shape() == reference.shape()
    assert scene.leftovers() == scene.problems() == []
    assert (scene.project / "uv.lock").read_bytes() == (reference.project / "uv.lock").read_bytes()
    assert scene.script("gallery") == "hung"
    assert "Would make no changes" in scene.uv(*scene.command, "--dry-run").stderr


@pytest.mark.every(7)
@pytest.mark.parametrize("part", range(KILLS))
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_sync_killed_at_a_change_is_completed_by_the_next(stage: Stage, kind: Kind, part: int) -> None:
    """A SIGKILL before any change on disk damages nothing, and the next sync ends like an undisturbed sync."""
    _, _, count = stage.undisturbed(kind)
    scene = stage.set(f"{kind.name}-{part}", kind)

    point = 1 + part * (count - 1) // (KILLS - 1)
    output = killed_before(scene.machine, point, scene.command, folder=scene.project, within=scene.folder)

    assert output.returncode == -9, f"killed before {changes_seen(scene.folder)[-1]}: {output.stderr}"
    _assert_next_sync_completes(stage, scene, kind)


@pytest.mark.every(4)
@pytest.mark.parametrize("part", range(KILLS_WITH_UV))
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_sync_killed_together_with_uv_is_completed_by_the_next(stage: Stage, kind: Kind, part: int) -> None:
    """All processes are killed at the same time, and the next sync completes the work.

    The kill may come while uv makes the environment or installs the project.
    """
    stage.undisturbed(kind)
    scene = stage.set(f"{kind.name}-group-{part}", kind)
    measured = stage.set(f"{kind.name}-group-{part}-measured", kind)
    whole_seconds = kill_all_after(60, measured.machine, measured.command, folder=measured.project)

    seconds = whole_seconds * (part + 1) / (KILLS_WITH_UV + 1)
    kill_all_after(seconds, scene.machine, scene.command, folder=scene.project)

    _assert_next_sync_completes(stage, scene, kind)


def _distributions(scene: Scene) -> int:
    return len(list(scene.site_packages.glob("*.dist-info")))


def test_any_command_completes_a_first_sync_that_was_killed_after_uv_installed_the_project(stage: Stage) -> None:
    """The project never stays without the packages that it needs."""
    reference, _, _ = stage.undisturbed(KINDS[0])
    scene = stage.set("any-command", KINDS[0])
    points = [at for at, change in enumerate(changes_seen(reference.folder), 1) if "journal.new" in change]

    output = killed_before(scene.machine, points[-1], scene.command, folder=scene.project, within=scene.folder)
    scene.pepip("list")

    assert output.returncode == -9
    assert _distributions(scene) == _distributions(reference) == 5
    _assert_next_sync_completes(stage, scene, KINDS[0])


def test_a_first_sync_that_finds_a_full_disk_leaves_no_project(stage: Stage) -> None:
    """The disk is full when the metadata is prepared, after uv has installed the project."""
    reference, _, _ = stage.undisturbed(KINDS[0])
    scene = stage.set("full-disk", KINDS[0])
    changes = changes_seen(reference.folder)
    point = next(at for at, change in enumerate(changes, 1) if change.endswith("/.venv/.pepip/scripts"))

    refused_at(scene.machine, point, scene.command, folder=scene.project, within=scene.folder, error=errno.ENOSPC)

    assert not scene.environment.exists()
    _assert_next_sync_completes(stage, scene, KINDS[0])


def test_a_first_sync_that_fails_leaves_the_environment_without_the_project(stage: Stage) -> None:
    """A file of nobody is in the way of a link. Afterwards, it is the only file in site-packages."""
    scene = stage.set("in-the-way", KINDS[0])
    scene.uv("venv", "--python", scene.interpreter)
    site_packages = scene.site_packages
    (site_packages / "camera").mkdir()
    (site_packages / "camera" / "__init__.py").write_text("mine")
    before = set(site_packages.iterdir())

    output = scene.pepip(*scene.command, check=False)

    assert output.returncode == 1
    assert "camera" in output.stderr
    assert set(site_packages.iterdir()) - {site_packages / "__pycache__"} == before
    assert not (scene.environment / "bin" / "gallery").exists()
    (site_packages / "camera" / "__init__.py").unlink()
    _assert_next_sync_completes(stage, scene, KINDS[0])
