"""`pepip detach` makes one distribution the project's own copy, and `pepip attach` links it again.

A change of the copy never reaches the store or another project.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.environments import Twins
from tests.support.filesystems import mounted
from tests.support.kills import changes_seen, killed_before
from tests.support.machines import Machine
from tests.support.parity import Level, Observation, differences, observe
from tests.support.projects import commit
from tests.support.refusals import assert_refused
from tests.support.shelf import SHARED_FOLDERS, camera
from tests.support.snapshots import changes, link_shape, snapshot
from tests.support.teams import Team
from tests.support.terminals import run_on_terminal
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

pytestmark = pytest.mark.every(2)

CAMERA = camera()
WHEELS = [
    CAMERA,
    *SHARED_FOLDERS,
    Wheel("bystander", "1.0", files={"bystander/__init__.py": "HERE = True\n"}),
]
SOURCE_ONLY = Wheel("quill", "1.0", files={"quill/__init__.py": "FEATHER = 1\n"})

CASES = {
    "a package, modules, scripts and data": ("camera", "bystander"),
    "a namespace": ("cloud-core", "cloud-store"),
    "an old namespace": ("old-one", "old-two"),
    "a folder of two": ("camera", "camera-contrib"),
    "the other of that folder": ("camera-contrib", "camera"),
    "a build": ("quill", "bystander"),
}
"""The distribution to detach, and another one in the same environment."""


@pytest.fixture
def workbench(workbench: Workbench) -> Workbench:
    """Return a project at the path of pepip's twin, in which nothing is installed yet."""
    SOURCE_ONLY.write_sdist(workbench.wheelhouse)
    return workbench.at("pepip/app")


def seen_in(workbench: Workbench) -> Observation:
    """Return an observation of the environment, as its users see it."""
    return observe(workbench.environment, workbench.machine, level=Level.METADATA)


def files_of(workbench: Workbench, name: str) -> list[Path]:
    """Return the files that `importlib.metadata` lists for a distribution. Assert that each of them exists."""
    script = (
        f"import importlib.metadata as m, os\nfor file in m.files({name!r}): print(os.path.normpath(file.locate()))"
    )
    paths = [Path(line) for line in workbench.python("-c", script).splitlines()]
    assert [path for path in paths if not path.exists()] == []
    return [path for path in paths if not path.is_dir()]


def links_on_the_way(workbench: Workbench, path: Path) -> list[Path]:
    """Return the links among a path and the folders above it, up to the environment."""
    steps = [path, *path.parents]
    return [step for step in steps[: steps.index(workbench.environment)] if step.is_symlink()]


def assert_own(workbench: Workbench, name: str) -> None:
    """Assert that each file of a distribution is real, writable and without other hard links."""
    files = files_of(workbench, name)
    assert files
    for path in files:
        status = path.lstat()
        assert links_on_the_way(workbench, path) == [], path
        assert status.st_nlink == 1, path
        assert status.st_mode & 0o200, path
        assert os.access(path.parent, os.W_OK), path


def assert_linked(workbench: Workbench, name: str) -> None:
    """Assert that a distribution is linked from the store."""
    (metadata,) = workbench.site_packages.glob(f"{name.replace('-', '_')}-*.dist-info/METADATA")
    assert metadata.is_symlink()
    assert metadata.resolve().is_relative_to(workbench.store.resolve())


def assert_nothing_passing_is_left(workbench: Workbench) -> None:
    """Assert that the store is sound, and that no temporary file is left in the store or the environment."""
    assert workbench.problems() == []
    assert workbench.leftovers() == []
    assert [path.name for path in workbench.environment.glob(".pepip*")] == [".pepip-id"]


@pytest.mark.parametrize("case", CASES)
def test_a_detached_distribution_is_the_same_as_one_installed_by_uv(
    workbench: Workbench, twins: Twins, case: str
) -> None:
    """A detached distribution has its own writable files, with the same bytes and RECORD as uv's.

    The other distribution stays linked, and the store and the second project stay as before.
    """
    name, beside = CASES[case]
    twins.install(name, beside, *workbench.from_wheelhouse)
    workbench.at("another").install(name, beside)
    others = snapshot(workbench.folder / "another"), snapshot(workbench.store / "packages")

    workbench.pepip("detach", name)

    assert_own(workbench, name)
    assert_linked(workbench, beside)
    twins.assert_equal(Level.METADATA)
    assert changes(others[0], snapshot(workbench.folder / "another")) == []
    assert changes(others[1], snapshot(workbench.store / "packages")) == []
    assert_nothing_passing_is_left(workbench)


@pytest.mark.parametrize("case", CASES)
def test_attach_gives_back_the_links_that_were_there(workbench: Workbench, case: str) -> None:
    """`attach` restores the same links and the same RECORD, even after the copy got bytecode."""
    name, beside = CASES[case]
    workbench.install(name, beside)
    shape, seen = link_shape(workbench.environment), seen_in(workbench)
    record = next(workbench.site_packages.glob(f"{name.replace('-', '_')}-*.dist-info/RECORD"))
    rows = record.read_text()

    workbench.pepip("detach", name)
    workbench.python("-m", "compileall", "-q", workbench.site_packages)
    output = workbench.pepip("attach", name)

    assert f"{name} 1.0 is linked from the store" in output.stderr
    assert link_shape(workbench.environment) == shape
    assert record.read_text() == rows
    assert differences(seen, seen_in(workbench)) == []
    assert_nothing_passing_is_left(workbench)


@pytest.mark.parametrize("case", ["a package, modules, scripts and data", "a folder of two", "an old namespace"])
def test_patches_reach_nobody_else(workbench: Workbench, case: str) -> None:
    """Overwriting each file of the copy changes neither the store nor another project or distribution."""
    name, beside = CASES[case]
    workbench.install(name, beside)
    workbench.at("another").install(name, beside)
    workbench.pepip("detach", name)
    before = snapshot(workbench.store / "packages"), snapshot(workbench.folder / "another")
    sibling = {path: path.read_bytes() for path in files_of(workbench, beside)}
    environments_own = workbench.site_packages / f"{name.replace('-', '_')}-1.0.dist-info"

    for path in files_of(workbench, name):
        if path.parent != environments_own:
            path.write_bytes(b"# patched\n")

    assert changes(before[0], snapshot(workbench.store / "packages")) == []
    assert changes(before[1], snapshot(workbench.folder / "another")) == []
    shared = {path for path in sibling if path in set(files_of(workbench, name))}
    assert {path for path, content in sibling.items() if path.read_bytes() != content} <= shared
    assert workbench.problems() == []


def test_the_project_imports_a_patch(workbench: Workbench) -> None:
    """Changed and added modules take effect at once, also in the console script."""
    workbench.install("camera")
    workbench.pepip("detach", "camera")
    package = workbench.site_packages / "camera"
    (package / "__init__.py").write_text("from camera.mine import main\n")
    (package / "mine.py").write_text("def main():\n    print('patched')\n")

    said = workbench.script("camera")

    assert said == "patched"


@pytest.mark.every(5)
@pytest.mark.parametrize("tool", ["uv", "pepip"])
@pytest.mark.parametrize("case", CASES)
def test_uninstalling_a_detached_distribution_leaves_the_store_whole(
    workbench: Workbench, twins: Twins, case: str, tool: str
) -> None:
    """An uninstall removes all files of the copy, as in uv's environment, and the other distribution stays linked."""
    name, beside = CASES[case]
    twins.install(name, beside, *workbench.from_wheelhouse)
    before = snapshot(workbench.store / "packages")
    workbench.pepip("detach", name)

    twins.machine.uv("pip", "uninstall", name, folder=twins.uv_project)
    if tool == "uv":
        workbench.uv("pip", "uninstall", name)
    else:
        workbench.pepip("uninstall", name)

    kept = "old/__init__.py" if tool == "pepip" else "nothing"  # uv removes a shared file with its first owner
    assert [line for line in twins.differences(Level.METADATA) if kept not in line] == []
    assert_linked(workbench, beside)
    assert changes(before, snapshot(workbench.store / "packages")) == []


def test_a_commit_and_a_file_keep_their_origin(workbench: Workbench, tmp_path: Path) -> None:
    """`direct_url.json` stays the same while detached and afterwards, so uv and pip see the same requirement."""
    repository = commit(workbench.machine, tmp_path / "repository", SOURCE_ONLY)
    wheel = CAMERA.write(tmp_path / "elsewhere")
    workbench.install(f"quill @ git+{repository.as_uri()}", wheel)
    seen = seen_in(workbench)
    origins = {path: path.read_bytes() for path in workbench.site_packages.glob("*.dist-info/direct_url.json")}
    shape = link_shape(workbench.environment)
    assert len(origins) == 2

    workbench.pepip("detach", "quill", "camera")
    assert seen_in(workbench).answers == seen.answers
    assert {path: path.read_bytes() for path in origins} == origins
    workbench.pepip("attach", "quill", "camera")

    assert {path: path.read_bytes() for path in origins} == origins
    assert link_shape(workbench.environment) == shape


def change_a_module(site_packages: Path) -> str:
    """Change a module."""
    (site_packages / "camera" / "__init__.py").write_text("PATCHED = True\n")
    return "camera/__init__.py"


def remove_a_module(site_packages: Path) -> str:
    """Remove a module."""
    (site_packages / "camera_module.py").unlink()
    return "camera_module.py"


def change_data(site_packages: Path) -> str:
    """Change a file outside of site-packages."""
    (site_packages.parents[2] / "etc" / "camera.conf").write_text("iso = 400\n")
    return "etc/camera.conf"


def change_a_script(site_packages: Path) -> str:
    """Change a script of an entry point."""
    (site_packages.parents[2] / "bin" / "camera").write_text("#!/bin/sh\necho mine\n")
    return "bin/camera"


@pytest.mark.parametrize("patch", [change_a_module, remove_a_module, change_data, change_a_script])
def test_attach_loses_no_patch_unless_told(workbench: Workbench, patch: object) -> None:
    """`attach` names a changed file and changes nothing. With `--force` it links the distribution."""
    assert callable(patch)
    workbench.install("camera", "bystander")
    shape = link_shape(workbench.environment)
    workbench.pepip("detach", "camera")
    named = patch(workbench.site_packages)
    before = snapshot(workbench.environment)

    for arguments in ((), ("--json",)):
        assert_refused(workbench.pepip("attach", "camera", *arguments, check=False), named, "--force")
        assert changes(before, snapshot(workbench.environment)) == []
    workbench.pepip("attach", "--force", "camera")

    assert link_shape(workbench.environment) == shape
    assert workbench.problems() == []


@pytest.mark.parametrize("answer", ["n\n", "\n", "y\n"], ids=["no", "nothing", "yes"])
def test_attach_asks_on_a_terminal(workbench: Workbench, answer: str) -> None:
    """On a terminal, `attach` names the changed files and asks. The default answer is no."""
    workbench.install("camera")
    workbench.pepip("detach", "camera")
    change_a_module(workbench.site_packages)
    before = snapshot(workbench.environment)

    screen = run_on_terminal(
        workbench.machine,
        [sys.executable, "-m", "pepip", "attach", "camera"],
        folder=workbench.project,
        answers=[("[y/N]", answer)],
    )

    assert "camera/__init__.py" in screen.stdout
    if answer == "y\n":
        assert screen.returncode == 0
        assert_linked(workbench, "camera")
    else:
        assert screen.returncode == 1
        assert changes(before, snapshot(workbench.environment)) == []


def test_a_module_that_the_user_added_to_a_copy_outlives_attach(workbench: Workbench) -> None:
    """A module that no RECORD lists stays, and the distribution is linked around it."""
    workbench.install("camera")
    workbench.pepip("detach", "camera")
    mine = workbench.site_packages / "camera" / "mine.py"
    mine.write_text("MINE = True\n")

    workbench.pepip("attach", "--force", "camera")

    assert_linked(workbench, "camera")
    script = "import camera.mine, camera.lenses; assert camera.mine.MINE and camera.VERSION == '1.0'"
    workbench.python("-c", script)
    assert workbench.problems() == []


def test_attach_links_a_distribution_that_uv_installed(workbench: Workbench) -> None:
    """Real files that uv installed become the same links as pepip's, if the store has that wheel."""
    workbench.at("another").install("camera", "bystander")
    workbench.install("bystander")
    workbench.uv("pip", "install", *workbench.from_wheelhouse, "camera")
    seen = seen_in(workbench)

    workbench.pepip("attach", "camera")

    assert_linked(workbench, "camera")
    theirs, ours = (
        {path: held.replace(str(folder), "<project>") for path, held in link_shape(folder / ".venv").items()}
        for folder in (workbench.folder / "another", workbench.project)
    )
    assert ours == theirs
    assert differences(seen, seen_in(workbench)) == []
    assert_nothing_passing_is_left(workbench)


def test_attach_says_when_the_store_has_no_such_wheel(workbench: Workbench, tmp_path: Path) -> None:
    """If the store has no such version, or only one with other bytes, the real files stay.

    The error names the distribution and the command that helps.
    """
    workbench.install("bystander")
    other = replace(CAMERA, files={**CAMERA.files, "camera/other.py": ""}).write(tmp_path / "other")
    workbench.uv("pip", "install", *workbench.from_wheelhouse, "camera")
    before = snapshot(workbench.environment)

    missing = workbench.pepip("attach", "camera", check=False)
    workbench.at("another").install(other)
    different = workbench.pepip("attach", "camera", check=False)

    for output in (missing, different):
        assert_refused(output, "the store does not hold the wheel", "camera==1.0", "pepip install")
    assert changes(before, snapshot(workbench.environment)) == []


REFUSED = {
    "detach of what is not installed": (("detach", "no-such-package"), "no-such-package is not installed"),
    "attach of what is not installed": (("attach", "no-such-package"), "no-such-package is not installed"),
    "attach of what is linked": (("attach", "bystander"), "bystander 1.0 is linked already"),
    "detach of what is detached": (("detach", "camera"), "camera 1.0 has real files already"),
    "detach of no environment": (("detach", "camera", "--venv", "elsewhere"), "elsewhere"),
    "attach of no environment": (("attach", "camera", "--venv", "elsewhere"), "elsewhere"),
    "detach of nothing": (("detach",), "NAME"),
    "one of two is not installed": (("detach", "bystander", "no-such-package"), "no-such-package is not installed"),
    "one of two is linked": (("attach", "camera", "bystander"), "bystander 1.0 is linked already"),
}


@pytest.mark.every(4)
@pytest.mark.parametrize("case", REFUSED)
def test_a_request_that_makes_no_sense_is_refused_and_changes_nothing(workbench: Workbench, case: str) -> None:
    """The message gives the reason and nothing changes, even if only one of several names is wrong."""
    arguments, words = REFUSED[case]
    workbench.install("bystander", "camera")
    workbench.pepip("detach", "camera")
    before = snapshot(workbench.project), snapshot(workbench.store / "packages")

    output = workbench.pepip(*arguments, check=False)

    assert_refused(output, words)
    assert changes(before[0], snapshot(workbench.project)) == []
    assert changes(before[1], snapshot(workbench.store / "packages")) == []


def test_machines_are_answered_in_json(workbench: Workbench) -> None:
    """`--json` prints one document and nothing else. Any spelling of a name is accepted."""
    workbench.install("camera", "cloud-core")

    detached = workbench.pepip("detach", "--json", "Cloud_Core", "camera")
    attached = workbench.pepip("attach", "--json", "CLOUD.core", "camera")

    rows = [{"name": name, "version": "1.0"} for name in ("cloud-core", "camera")]
    assert json.loads(detached.stdout) == rows
    assert json.loads(attached.stdout) == [{**row, "changed": []} for row in rows]
    assert detached.stderr == attached.stderr == ""


PROJECT = """\
[project]
name = "app"
version = "0.1.0"
requires-python = ">=3.9"
dependencies = ["camera", "cloud-core", "cloud-store"]

[tool.uv]
package = false
"""


def test_a_sync_leaves_a_detached_distribution_alone(workbench: Workbench) -> None:
    """`sync` and `run`, of pepip and of uv, keep a patched copy as it is. `--reinstall` links it again."""
    workbench.machine.make_folder(workbench.project)
    (workbench.project / "pyproject.toml").write_text(PROJECT)
    source, settings = workbench.from_wheelhouse, {"UV_PYTHON": str(workbench.interpreter)}
    workbench.pepip("sync", *source, variables=settings)
    shape = link_shape(workbench.environment)
    workbench.pepip("detach", "camera", "cloud-core")
    change_a_module(workbench.site_packages)
    before = snapshot(workbench.environment)

    for tool in (workbench.pepip, workbench.uv):
        tool("sync", *source, variables=settings)
        tool("run", *source, "python", "-B", "-c", "import cloud.core", variables=settings)
        assert changes(before, snapshot(workbench.environment)) == []
    workbench.install("camera")
    assert changes(before, snapshot(workbench.environment)) == []
    workbench.pepip("sync", "--reinstall", *source, variables=settings)

    assert link_shape(workbench.environment) == shape


def test_an_install_beside_a_detached_distribution_never_writes_to_the_store(workbench: Workbench) -> None:
    """A new distribution in the copy's folder is linked file by file. The patch stays, and no entry changes."""
    workbench.install("camera")
    workbench.pepip("detach", "camera")
    change_a_module(workbench.site_packages)
    before = snapshot(workbench.store / "packages")

    workbench.install("camera-contrib")

    assert (workbench.site_packages / "camera" / "__init__.py").read_text() == "PATCHED = True\n"
    workbench.python("-c", "import camera.contrib, camera.lenses.wide")
    added = [line for line in changes(before, snapshot(workbench.store / "packages")) if "contrib" not in line]
    assert added == []
    workbench.pepip("attach", "--force", "camera")
    workbench.python("-c", "import camera.contrib; assert camera.VERSION == '1.0'")
    assert workbench.problems() == []


def test_a_detached_distribution_outlives_its_entry(workbench: Workbench) -> None:
    """A detached distribution works without the store. `attach` then says that the wheel is missing."""
    workbench.install("camera")
    workbench.pepip("detach", "camera")
    for folder, _, _ in os.walk(workbench.store):
        Path(folder).chmod(0o700)
    shutil.rmtree(workbench.store)

    script = "import camera.lenses, camera_module; assert camera.VERSION == '1.0'"
    workbench.python("-c", script)

    assert_own(workbench, "camera")
    assert_refused(workbench.pepip("attach", "camera", check=False), "the store does not hold the wheel")


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_a_copy_that_finds_no_room_changes_nothing(
    machine: Machine, tmp_path: Path, wheelhouse: Path, interpreter: Path, kind: str
) -> None:
    """If the environment's disk is full, the environment stays linked and works."""
    Wheel("heavy", "1.0", files={"heavy/__init__.py": "", "heavy/a.bin": os.urandom(6 << 20)}).write(wheelhouse)
    with mounted(kind, tmp_path / "disk", mebibytes=6) as disk:
        project = machine.make_folder(disk / "app")
        source = ("--no-index", "--find-links", wheelhouse, "--python", interpreter)
        machine.pepip("install", "heavy", *source, folder=project)
        before = snapshot(project / ".venv")

        output = machine.pepip("detach", "heavy", folder=project, check=False)

        assert_refused(output, "No space left")
        assert changes(before, snapshot(project / ".venv")) == []
        machine.python(project / ".venv", "-B", "-c", "import heavy")


def test_a_team_member_detaches_an_entry_of_another_member(workbench: Workbench, tmp_path: Path) -> None:
    """A member can write to the copy of another member's entry, and can link the distribution again."""
    team = Team.assemble(tmp_path / "team", umask="077")
    rooms = [replace(workbench, machine=user, folder=user.home) for user in team.users]
    for room in rooms:
        room.install("camera")
    shape = link_shape(rooms[1].environment)
    before = snapshot(team.store / "packages"), snapshot(rooms[0].environment)

    rooms[1].pepip("detach", "camera")

    assert_own(rooms[1], "camera")
    owners = {path.stat().st_uid for path in files_of(rooms[1], "camera")}
    assert owners == {rooms[1].machine.home.stat().st_uid}
    rooms[1].pepip("attach", "camera")
    assert link_shape(rooms[1].environment) == shape
    assert changes(before[0], snapshot(team.store / "packages")) == []
    assert changes(before[1], snapshot(rooms[0].environment)) == []


def test_an_interrupted_install_is_completed_before_a_detach(workbench: Workbench) -> None:
    """A killed install is completed, even if the next command is another one."""
    workbench.at("another").install("camera", "bystander")
    workbench.install("bystander")
    command = ("install", "camera", "camera-contrib", *workbench.source)
    probe = workbench.folder / "probe"
    workbench.at(probe).install("bystander")
    killed_before(workbench.machine, 0, command, folder=probe, within=probe)
    seen = changes_seen(probe)
    point = next(number for number, line in enumerate(seen, 1) if "camera" in line and " os.link " in line)
    killed_before(workbench.machine, point, command, folder=workbench.project, within=workbench.project)

    workbench.pepip("detach", "bystander")

    assert_own(workbench, "bystander")
    script = "import camera.contrib, camera.lenses.wide, camera_module, bystander"
    workbench.python("-c", script)
    assert_linked(workbench, "camera")
    assert_nothing_passing_is_left(workbench)


def test_a_name_that_is_given_twice_counts_once(workbench: Workbench) -> None:
    """A name that is given twice counts once, in any spelling."""
    workbench.install("camera")

    workbench.pepip("detach", "camera", "Camera")
    assert_own(workbench, "camera")
    workbench.pepip("attach", "CAMERA", "camera")

    assert_linked(workbench, "camera")
    assert_nothing_passing_is_left(workbench)


def test_files_that_another_tool_installed_since_a_kill_stay(workbench: Workbench) -> None:
    """Copies of a killed detach do not replace files that another tool installed afterwards."""
    workbench.install("camera", "bystander")
    workbench.at("probe").install("camera")
    killed_before(
        workbench.machine, 0, ("detach", "camera"), folder=workbench.folder / "probe", within=workbench.folder
    )
    seen = changes_seen(workbench.folder)
    point = next(number for number, line in enumerate(seen, 1) if "ready.json" in line and "rename" in line)
    killed_before(
        workbench.machine, point + 1, ("detach", "camera"), folder=workbench.project, within=workbench.folder
    )
    workbench.uv("pip", "install", "--reinstall", "camera", *workbench.from_wheelhouse)
    (workbench.site_packages / "camera" / "mine.py").write_text("")

    workbench.pepip("detach", "bystander")

    assert_own(workbench, "bystander")
    workbench.python("-c", "import camera.lenses, camera_module")
    assert (workbench.site_packages / "camera" / "mine.py").exists()
    assert_nothing_passing_is_left(workbench)


KILLS = 9


class Interruptions:
    """Projects in which a command is killed. `count` is the number of changes on disk that a whole run makes."""

    def __init__(self, workbench: Workbench, command: str) -> None:
        self.command = command
        self._workbench = workbench
        self._numbers = itertools.count()
        undisturbed = self.set("undisturbed")
        output = killed_before(
            undisturbed.machine, 0, (command, "camera"), folder=undisturbed.project, within=undisturbed.folder
        )
        assert output.returncode == 0, output.stderr
        self.count = len(changes_seen(undisturbed.folder))

    def set(self, name: str) -> Workbench:
        """Return a project with camera and camera-contrib, in a store of its own, ready for the command."""
        folder = self._workbench.folder / name
        machine = replace(self._workbench.machine, store=folder / "store")
        scene = replace(self._workbench, machine=machine, folder=folder)
        scene.install("camera", "camera-contrib", "cloud-core")
        if self.command == "attach":
            scene.pepip("detach", "camera")
        return scene

    def interrupt(self, part: int) -> Workbench:
        """Return a project after a kill.

        `part` chooses the killed change, from 0 for the first one to `KILLS - 1` for the last one.
        """
        scene = self.set(f"kill-{next(self._numbers)}")
        point = 1 + part * (self.count - 1) // (KILLS - 1)
        output = killed_before(
            scene.machine, point, (self.command, "camera"), folder=scene.project, within=scene.folder
        )
        assert output.returncode == -9, output.stderr
        assert scene.problems() == []
        return scene


@pytest.fixture(scope="module", params=["detach", "attach"])
def interruptions(
    request: pytest.FixtureRequest, uv_cache: Path, interpreter: Path, tmp_path_factory: pytest.TempPathFactory
) -> Interruptions:
    """Return the means to interrupt `detach` or `attach`."""
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "home").mkdir()
    machine = Machine(folder / "home", folder / "no-store", uv_cache)
    workbench = Workbench(machine, folder, folder / "wheelhouse", interpreter)
    workbench.supply(WHEELS)
    return Interruptions(workbench, request.param)


_WORKS = "import camera.contrib, camera.lenses.wide, camera_module, cloud.core; assert camera.VERSION == '1.0'"


@pytest.mark.every(4)
@pytest.mark.parametrize("part", range(KILLS))
def test_after_a_kill_the_next_run_completes(interruptions: Interruptions, part: int) -> None:
    """After a kill before any change, the same command completes the work, or says that it is done already."""
    scene = interruptions.interrupt(part)

    output = scene.pepip(interruptions.command, "camera", check=False)

    is_done = "already" in output.stderr
    assert output.returncode == 0 or is_done, output.stderr
    if interruptions.command == "detach":
        assert_own(scene, "camera")
    else:
        assert_linked(scene, "camera")
    scene.python("-c", _WORKS)
    scene.uv("pip", "check")
    assert_nothing_passing_is_left(scene)


@pytest.mark.every(4)
@pytest.mark.parametrize("part", range(0, KILLS, 2))
def test_after_a_kill_an_install_gives_a_whole_environment(interruptions: Interruptions, part: int) -> None:
    """After a kill and an install, the distributions are complete, linked or not.

    uv can remove them without harm to the store.
    """
    scene = interruptions.interrupt(part)

    scene.install("camera", "camera-contrib", "cloud-core")

    scene.python("-c", _WORKS)
    assert {"__init__.py", "camera_module.py", "camera-shell", "camera", "manual.txt", "camera.h"} <= {
        path.name for path in files_of(scene, "camera")
    }
    assert_nothing_passing_is_left(scene)
    scene.uv("pip", "uninstall", "camera", "camera-contrib", "cloud-core")
    assert scene.problems() == []
