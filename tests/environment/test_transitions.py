"""A change to an environment is one transition: after any fault, the environment is the old one or the new one.

If a change is killed, the next command that reads the environment completes it. If the system refuses a step, the
change is taken back. If a permission is missing, the change does not begin.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.support.eggs import PKG_INFO, write_egg_info, write_egg_link
from tests.support.environments import Twins
from tests.support.kills import changes_seen, kill_all_after, killed_before, refused_at
from tests.support.machines import Machine, site_packages_of
from tests.support.refusals import assert_refused
from tests.support.snapshots import Snapshot, changes, snapshot
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

pytestmark = pytest.mark.every(2)

PARTS = 16
"""Number of points at which each kind of change is killed, and is refused."""

SCRIPTS = {"console_scripts": {"camera": "camera:main"}}
WHEELS = [
    Wheel("camera", "1.0", files={"camera/__init__.py": "V = 1\n", "one.py": ""}, entry_points=SCRIPTS),
    Wheel("camera", "2.0", files={"camera/__init__.py": "V = 2\n", "two.py": ""}, entry_points=SCRIPTS),
    Wheel("camera-extra", "1.0", files={"camera/extra.py": ""}),
    Wheel("foreign", "1.0", files={"foreign/__init__.py": "", "foreign/x/__init__.py": ""},
          entry_points={"console_scripts": {"foreign": "foreign:main", "gone": "foreign:main"}}),
    Wheel("foreign", "2.0", files={"foreign/__init__.py": ""},
          entry_points={"console_scripts": {"foreign": "foreign:main"}}),
    Wheel("egg", "2.0", files={"egg/__init__.py": "VERSION = '2.0'\n"}),
    Wheel("bystander", "1.0", files={"bystander.py": ""}),
]  # fmt: skip
INSTALL = ("install", "camera==2.0", "camera-extra", "foreign==2.0", "egg==2.0")
UNINSTALL = ("uninstall", "-y", "camera", "foreign", "egg", "developed")
PRIVATE = ("install", "../local", "camera==2.0")
COMMANDS = {"install": INSTALL, "uninstall": UNINSTALL, "private": PRIVATE}


@dataclass(frozen=True)
class Scene(Workbench):
    """A store, and a project with links of pepip, real files of uv, and eggs of old tools."""

    @property
    def saved(self) -> Path:
        """Return a copy of the folder, from which it is restored."""
        return self.folder.with_name("saved")

    def reset(self) -> None:
        """Restore the folder as the scene saved it. Hard links stay hard links."""
        if self.folder.exists():
            subprocess.run(["chmod", "-R", "u+w", self.folder], check=True)
            shutil.rmtree(self.folder)
        subprocess.run(["cp", "-a", self.saved, self.folder], check=True)

    def command(self, name: str) -> tuple[str | Path, ...]:
        """Return the words of one of the changes."""
        return (*COMMANDS[name], *(() if name == "uninstall" else self.source))

    def look(self) -> Snapshot:
        """Return a snapshot of the environment, without the times that uv notes of a local folder."""
        nodes = snapshot(self.environment)
        return {
            path: node for path, node in nodes.items() if not re.search(r"local-.*/(uv_cache.json|RECORD)$", path)
        }


@pytest.fixture(scope="module")
def scene(uv_cache: Path, interpreter: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Yield the scene."""
    folder = tmp_path_factory.mktemp("transitions")
    home = folder / "home"
    home.mkdir()
    place = folder / "scene"
    scene = Scene(Machine(home, place / "store", uv_cache), place, folder / "wheelhouse", interpreter)
    scene.supply(WHEELS)
    scene.install("camera==1.0")
    scene.uv("pip", "install", "foreign==1.0", *scene.from_wheelhouse)
    local = Wheel("local", "1.0", files={"local/__init__.py": "V = 1\n", "local/old.py": ""})
    scene.install(local.write_source(place / "local"))
    shutil.rmtree(place / "local")
    replace(local, version="2.0", files={"local/__init__.py": "V = 2\n"}).write_source(place / "local")
    write_egg_info(scene.site_packages, "egg")
    write_egg_link(scene.site_packages, "developed", place / "developed")
    scene.at("other").install(*INSTALL[1:])
    subprocess.run(["cp", "-a", place, scene.saved], check=True)
    yield scene
    subprocess.run(["chmod", "-R", "u+w", folder], check=True)


@dataclass(frozen=True)
class Course:
    """An undisturbed change: the environment before and after, and its steps on the disk."""

    before: Snapshot
    after: Snapshot
    steps: list[str]

    def point(self, part: int) -> int:
        """Return the number of a step. Parts are spread over the steps that change the environment."""
        first = next(number for number, line in enumerate(self.steps, 1) if line.endswith("/.venv/.pepip"))
        return first + part * (len(self.steps) - first) // (PARTS - 1)


@pytest.fixture(scope="module")
def courses(scene: Scene) -> dict[str, Course]:
    """Return the courses of all changes."""
    found = {}
    for name in COMMANDS:
        scene.reset()
        before = scene.look()
        output = killed_before(scene.machine, 0, scene.command(name), folder=scene.project, within=scene.folder)
        assert output.returncode == 0, output.stderr
        found[name] = Course(before, scene.look(), changes_seen(scene.folder))
    return found


@pytest.mark.every(10)
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", COMMANDS)
def test_a_killed_change_is_whole_once_the_environment_is_looked_at(
    scene: Scene, courses: dict[str, Course], name: str, part: int
) -> None:
    """After a SIGKILL before any one step, `pepip list` finds the old environment or the new one."""
    scene.reset()
    course = courses[name]

    output = killed_before(
        scene.machine, course.point(part), scene.command(name), folder=scene.project, within=scene.folder
    )
    scene.pepip("list")

    assert output.returncode == -9
    assert [] in (changes(course.before, scene.look()), changes(course.after, scene.look()))
    assert scene.problems() == []


@pytest.mark.every(10)
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", COMMANDS)
def test_a_change_that_the_system_refuses_changes_nothing(
    scene: Scene, courses: dict[str, Course], name: str, part: int
) -> None:
    """If one step fails, as on a full disk, there is one error line, and the environment is unchanged."""
    scene.reset()
    course = courses[name]
    point, command = course.point(part), scene.command(name)

    output = refused_at(
        scene.machine, point, command, folder=scene.project, within=scene.folder, error=errno.ENOSPC
    )  # fmt: skip

    if output.returncode:
        assert_refused(output, "No space left on device")
        assert changes(course.before, scene.look()) == []
    scene.pepip(*command)
    assert [line for line in changes(course.after, scene.look()) if "INSTALLER" not in line] == []
    assert scene.problems() == []


@pytest.mark.parametrize("is_killed", [True, False], ids=["killed", "refused"])
def test_if_uv_fails_to_install_a_private_package_nothing_has_changed(
    scene: Scene, courses: dict[str, Course], is_killed: bool
) -> None:
    """Links that were already made are taken back, and removed files are restored."""
    scene.reset()
    course, command = courses["private"], scene.command("private")
    point = max(number for number, line in enumerate(course.steps, 1) if "subprocess.Popen" in line)

    if is_killed:
        killed_before(scene.machine, point, command, folder=scene.project, within=scene.folder)
        assert changes(course.before, scene.look()) != []
        output = scene.pepip("list")
        assert "local had not been installed" in output.stderr
    else:
        output = refused_at(
            scene.machine, point, command, folder=scene.project, within=scene.folder, error=errno.EAGAIN
        )  # fmt: skip
        assert_refused(output)

    assert changes(course.before, scene.look()) == []
    scene.pepip(*command)
    assert changes(course.after, scene.look()) == []


@pytest.mark.every(5)
@pytest.mark.parametrize("part", range(9))
def test_a_private_install_killed_together_with_uv_is_whole_afterwards(
    scene: Scene, courses: dict[str, Course], part: int
) -> None:
    """After a kill of both at any moment, `pepip list` finds the old environment or the new one."""
    scene.reset()
    whole_seconds = kill_all_after(60, scene.machine, scene.command("private"), folder=scene.project)
    scene.reset()

    kill_all_after(
        whole_seconds * (part + 6) / 15, scene.machine, scene.command("private"), folder=scene.project
    )  # fmt: skip
    scene.pepip("list")

    course = courses["private"]
    assert [] in (changes(course.before, scene.look()), changes(course.after, scene.look()))
    assert scene.problems() == []


def test_installs_wait_for_each_other_while_uv_installs_private_packages(
    scene: Scene, courses: dict[str, Course]
) -> None:
    """A running change of another process is not taken for an interrupted one."""
    scene.reset()
    requests = [
        scene.command("private"),
        ("install", "bystander", *scene.source),
        ("list",),
        scene.command("private"),
    ]

    with ThreadPoolExecutor(len(requests)) as pool:
        outputs = list(pool.map(lambda words: scene.pepip(*words, check=False), requests))

    assert [output.stderr for output in outputs if output.returncode] == []
    assert not any("taken back" in output.stderr for output in outputs)
    scene.machine.python(scene.project / ".venv", "-c", "import bystander, local; assert local.V == 2")


@pytest.mark.every(3)
@pytest.mark.parametrize(
    "command",
    [
        ("uninstall", "-y", "camera"),
        ("uninstall", "--dry-run", "camera"),
        ("list",),
        ("freeze",),
        ("check",),
        ("pip", "list"),
        ("pip", "tree"),
        ("pip", "list", "--python", ".venv"),
        ("install", "--dry-run", "bystander"),
        ("run", "--no-project", "true"),
    ],
    ids=" ".join,
)
def test_an_interrupted_uninstall_is_completed_by_any_command(
    scene: Scene, courses: dict[str, Course], command: tuple[str, ...]
) -> None:
    """The next command that reads or changes the environment finds it as after the uninstall."""
    scene.reset()
    course = courses["uninstall"]
    killed_before(
        scene.machine, course.point(8), scene.command("uninstall"), folder=scene.project, within=scene.folder
    )
    assert changes(course.after, scene.look()) != []

    scene.pepip(*command, *(scene.source if command[0] == "install" else ()))

    assert changes(course.after, scene.look()) == []


@pytest.mark.parametrize("kind", ["egg-info", "egg-link"])
def test_packages_of_old_tools_go_as_with_uv(workbench: Workbench, twins: Twins, tmp_path: Path, kind: str) -> None:
    """The same files are removed, and the same lines of `easy-install.pth`. A project's own folder stays."""
    twins.install("bystander", *workbench.from_wheelhouse)
    for environment in (twins.uv_environment, twins.pepip_environment):
        if kind == "egg-info":
            write_egg_info(site_packages_of(environment), "egg")
        else:
            write_egg_link(site_packages_of(environment), "egg", tmp_path / "developed")

    twins.machine.uv("pip", "uninstall", "egg", folder=twins.uv_project)
    twins.machine.pepip("uninstall", "egg", folder=twins.pepip_project)

    twins.assert_equal()
    ours, theirs = (site_packages_of(place) for place in (twins.pepip_environment, twins.uv_environment))
    assert sorted(os.listdir(ours)) == sorted(os.listdir(theirs))
    if kind == "egg-link":
        assert (ours / "easy-install.pth").read_text() == (theirs / "easy-install.pth").read_text()
        assert (tmp_path / "developed" / "egg.py").exists()


@pytest.mark.parametrize("command", ["uninstall", "install"])
@pytest.mark.parametrize("kind", ["distutils", "no top_level.txt", "no easy-install.pth"])
def test_a_distribution_that_uv_cannot_remove_stays_whole(workbench: Workbench, kind: str, command: str) -> None:
    """The error is in uv's words, nothing in the environment changes, and other changes still work."""
    workbench.install("camera==1.0")
    site_packages = workbench.site_packages
    if kind == "distutils":
        (site_packages / "egg-1.0.egg-info").write_text(PKG_INFO.format(name="egg", version="1.0"))
    elif kind == "no top_level.txt":
        (write_egg_info(site_packages, "egg") / "top_level.txt").unlink()
    else:
        write_egg_link(site_packages, "egg", workbench.project / "developed")
        (site_packages / "easy-install.pth").unlink()
    before = snapshot(workbench.environment)
    words = ("-y", "egg", "camera") if command == "uninstall" else ("egg==2.0", "camera==2.0", *workbench.source)

    output = workbench.pepip(command, *words, check=False)

    assert_refused(output, {"distutils": "distutils", "no top_level.txt": "top_level.txt"}.get(kind, "easy-install"))
    assert "pepip-" not in output.stderr
    assert changes(before, snapshot(workbench.environment)) == []
    workbench.install("bystander")


def test_top_level_names_that_leave_site_packages_are_left_alone(workbench: Workbench) -> None:
    """An `.egg-info` folder may come with a stranger's checkout. Paths outside that it names are not touched."""
    workbench.install("bystander")
    precious = workbench.environment / "precious"
    precious.mkdir()
    folder = write_egg_info(workbench.site_packages, "egg")
    (folder / "top_level.txt").write_text(f"../../../precious\n{precious}\n\n.\n..\negg\n")

    workbench.pepip("uninstall", "egg", check=False)

    assert precious.is_dir()
    assert (workbench.site_packages / "bystander.py").exists()


def _root_owns(path: Path) -> None:
    os.chown(path, 0, 0)


def _sticky(path: Path) -> None:
    """Give `path` and its folder to root. All may write to the folder, but only owners may remove files in it."""
    os.chown(path, 0, 0, follow_symlinks=False)
    os.chown(path.parent, 0, 0)
    path.parent.chmod(0o1777)


def _immutable(path: Path) -> None:
    done = subprocess.run(["chattr", "+i", path], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("this file system has no immutable files")


OBSTACLES: dict[str, tuple[Callable[[Path], None], str]] = {
    "metadata": (_root_owns, "camera-1.0.dist-info"),
    "metadata of real files": (_root_owns, "foreign-1.0.dist-info"),
    "folder": (_root_owns, "foreign"),
    "inner folder": (_root_owns, "foreign/x"),
    "bytecode": (_root_owns, "foreign/__pycache__"),
    "site-packages": (_root_owns, "."),
    "sticky folder": (_sticky, "foreign/__init__.py"),
    "immutable file": (_immutable, "foreign/__init__.py"),
    "immutable folder": (_immutable, "foreign"),
    "scripts": (_root_owns, "../../../bin"),
}


@pytest.mark.every(6)
@pytest.mark.parametrize("command", ["uninstall", "install"])
@pytest.mark.parametrize("kind", OBSTACLES)
def test_a_path_that_the_user_may_not_change_is_named_before_any_change(
    workbench: Workbench, tmp_path: Path, kind: str, command: str
) -> None:
    """One error line names the path, nothing changes, and later changes to other distributions still work."""
    if os.geteuid() != 0:
        pytest.skip("giving files to another user needs root")
    plain = workbench.of(workbench.machine.as_plain_user(tmp_path / "plain"))
    plain.install("camera==1.0", "camera-extra")
    plain.uv("pip", "install", "foreign==1.0", *plain.from_wheelhouse)
    plain.python("-c", "import foreign.x")
    arrange, name = OBSTACLES[kind]
    place = Path(os.path.normpath(plain.site_packages / name))
    arrange(place)
    try:
        before = snapshot(plain.project)
        if command == "uninstall":
            output = plain.pepip("uninstall", "-y", "camera", "foreign", check=False)
        else:
            output = plain.attempt("camera==2.0", "foreign==2.0")

        assert_refused(output, str(place))
        assert changes(before, snapshot(plain.project)) == []
        if kind not in {"site-packages", "scripts"}:
            plain.install("bystander")
            plain.python("-c", "import bystander, camera, foreign")
    finally:
        if arrange is _immutable:
            subprocess.run(["chattr", "-i", place], check=True)


def test_a_journal_that_cannot_be_completed_any_more_is_taken_back(workbench: Workbench, tmp_path: Path) -> None:
    """After the kill, a folder became root's. The next command reports this, restores the links, and goes on."""
    if os.geteuid() != 0:
        pytest.skip("giving files to another user needs root")
    plain = workbench.of(workbench.machine.as_plain_user(tmp_path / "plain"))
    measured = plain.at("measured")
    for bench in (measured, plain):
        bench.install("camera==1.0")
        bench.uv("pip", "install", "foreign==1.0", *bench.from_wheelhouse)
    command = ("uninstall", "-y", "camera", "foreign")
    killed_before(plain.machine, 0, command, folder=measured.project, within=measured.project)
    seen = changes_seen(measured.project)
    point = 1 + next(at for at, line in enumerate(seen) if line.endswith("/.venv/bin/gone"))
    killed_before(plain.machine, point, command, folder=plain.project, within=plain.project)
    assert not (plain.environment / "bin" / "camera").exists()
    os.chown(plain.site_packages / "foreign", 0, 0)

    output = plain.attempt("bystander")

    assert output.returncode == 0, output.stderr
    assert "is taken back" in output.stderr
    plain.python("-c", "import bystander, camera, one, foreign.x")
    assert not (plain.environment / ".pepip").exists()


@pytest.mark.every(3)
@pytest.mark.parametrize(
    "document",
    [
        {"link": [["../../../../outside", None, ""]], "remove": []},
        {"link": [["py3-none-any/..", None, ""]], "remove": []},
        {"link": [], "remove": ["../../../../outside.dist-info"]},
        {"link": [], "remove": ["/outside.dist-info"]},
        {"link": [], "remove": ["bystander.py"]},
        {"link": [], "remove": [".."]},
        {"link": {}, "remove": 7},
        {"link": [[1, 2, 3, 4, 5]], "remove": [None]},
        ["no", "journal"],
        None,
    ],
    ids=str,
)
def test_a_journal_of_a_stranger_reaches_nothing(workbench: Workbench, document: object) -> None:
    """A checkout may bring a journal. Paths outside the environment stay, and so do linked distributions."""
    workbench.install("bystander")
    outside = workbench.project / "outside.dist-info"
    outside.mkdir()
    (workbench.environment / ".pepip").mkdir()
    (workbench.environment / ".pepip" / "journal.json").write_text(json.dumps(document))

    workbench.install("camera==1.0")

    assert outside.is_dir()
    workbench.python("-c", "import bystander, camera")
    assert not (workbench.environment / ".pepip").exists()


@pytest.mark.parametrize("name", [".pepip", ".pepip.copies"])
def test_a_link_in_place_of_the_journal_is_not_followed(workbench: Workbench, name: str) -> None:
    """The target of a stranger's link is neither read as a journal nor removed."""
    workbench.install("bystander")
    precious = workbench.project / "precious"
    precious.mkdir()
    (precious / "journal.json").write_text(json.dumps({"link": [], "remove": ["bystander-1.0.dist-info"]}))
    (precious / "ready.json").write_text(json.dumps(["bystander", "bystander-1.0.dist-info", ["journal.json"], []]))
    before = snapshot(precious)
    (workbench.environment / name).symlink_to(precious)

    workbench.install("camera==1.0")

    assert changes(before, snapshot(precious)) == []
    workbench.python("-c", "import bystander, camera")
    assert not os.path.lexists(workbench.environment / name)


def test_copies_of_a_stranger_reach_nothing(workbench: Workbench) -> None:
    """Paths of copies that lead out of the environment, or through a link into the store, are not written."""
    workbench.install("camera==1.0")
    copies = workbench.environment / ".pepip.copies"
    below = workbench.site_packages.relative_to(workbench.environment).as_posix()
    for path in ("../evil.py", f"{below}/camera/evil.py"):
        (copies / path).parent.mkdir(parents=True, exist_ok=True)
        (copies / path).write_text("evil\n")
        (copies / "ready.json").write_text(json.dumps(["nobody", "nobody-1.0.dist-info", [path], []]))

        for _ in range(2):
            workbench.attempt("bystander")

        assert not (workbench.project / "evil.py").exists()
        assert workbench.problems() == []
        workbench.python("-c", "import bystander, camera")
        assert not copies.exists()
        (workbench.environment / "evil.py").unlink(missing_ok=True)
