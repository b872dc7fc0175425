"""A cached answer of uv, or 'Nothing to do', is reused only while uv would still answer the same."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.support.customers import Customer
from tests.support.environments import Twins
from tests.support.machines import PLAIN_USER_ID, site_packages_of
from tests.support.parity import Level
from tests.support.projects import project_table
from tests.support.snapshots import changes, snapshot
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

NOTHING = "Nothing to do"

_TELL_STARTS = """
import sys
started = []
sys.addaudithook(lambda event, _: started.append(event) if event in ("subprocess.Popen", "os.posix_spawn") else None)
from pepip.__main__ import main
try:
    code = main()
finally:
    print(bool(started))
sys.exit(code)
"""
"""Run pepip, and print whether it started a program."""


@dataclass(frozen=True)
class Stage(Customer):
    """A user with an index of `drum` and its dependency `sticks`, and several projects."""

    def made(self, name: str) -> Path:
        """Return the folder of a project. Make it if it is missing."""
        return self.machine.make_folder(self.folder / name)

    def asks_uv(self, name: str, *words: str | Path) -> bool:
        """Run pepip in a project, and tell whether it started uv."""
        command = [sys.executable, "-c", _TELL_STARTS, *words]
        return self.machine.run(command, folder=self.made(name)).stdout.splitlines()[-1] == "True"

    def installs_by_uv(self, name: str, *requirements: str | Path, offline: bool = True) -> bool:
        """Install into a project, and tell whether uv was started."""
        return self.asks_uv(name, "install", *(["--offline"] if offline else []), *self.source, *requirements)

    def versions(self, name: str) -> list[str]:
        """Return a project's distributions, as `name-version`."""
        found = self.at(name).site_packages.glob("*.dist-info")
        return sorted(path.name.removesuffix(".dist-info") for path in found)


@pytest.fixture
def stage(workbench: Workbench) -> Iterator[Stage]:
    """Return a user with an index."""
    with Stage.with_index(workbench) as found:
        sticks = Wheel("sticks", "1.0", files={"sticks/__init__.py": ""})
        drum = Wheel("drum", "1.0", files={"drum.py": "def main(): print('boom')\n"}, dependencies=["sticks"])
        found.publish(sticks, drum)
        yield found


def test_the_second_project_offline_is_linked_without_uv(stage: Stage) -> None:
    """The first project asks uv. The second does not, and its files are the same except for its own path."""
    stage.installs_by_uv("warm-up", "drum", offline=False)
    asked = [stage.installs_by_uv(name, "drum") for name in ("project-a", "project-b")]

    assert asked == [True, False]
    assert stage.versions("project-b") == ["drum-1.0", "sticks-1.0"]
    text = {name: _texts(stage.folder / name / ".venv") for name in ("project-a", "project-b")}
    assert text["project-a"] == text["project-b"]


def test_an_environment_from_a_remembered_skeleton_equals_uvs(stage: Stage, tmp_path: Path) -> None:
    """An environment that pepip makes from a remembered skeleton equals uv's.

    This includes activation scripts, configuration and links.
    """
    for name in ("warm-up", "warmer"):
        stage.installs_by_uv(name, "drum", offline=False)
    twins = Twins(stage.machine, tmp_path / "twins", stage.interpreter)
    twins.install(*stage.index, "drum")

    twins.assert_equal(Level.BEHAVIOUR)
    skeletons = [
        {path: text for path, text in _texts(root).items() if "site-packages" not in path}
        for root in (twins.uv_environment, twins.pepip_environment)
    ]
    assert skeletons[0] == skeletons[1]


def test_a_path_that_scripts_must_quote_is_left_to_uv(stage: Stage) -> None:
    """If scripts must quote the environment's path, uv makes the environment.

    A remembered skeleton would have the path in the first path's spelling.
    """
    stage.installs_by_uv("warm-up", "drum", offline=False)
    stage.installs_by_uv("it's here", "drum", offline=False)

    script = (stage.folder / "it's here" / ".venv" / "bin" / "activate").read_text()
    twin = stage.made("it's there")
    stage.machine.uv("venv", "--python", stage.interpreter, ".venv", folder=twin)
    of_uv = (twin / ".venv" / "bin" / "activate").read_text()
    assert "s here/.venv" in script
    assert script == of_uv.replace("s there/.venv", "s here/.venv")


_LIMIT = 'constraint-dependencies = ["drum>1"]\n'
CHANGES: dict[str, Callable[[Stage], object]] = {
    "uv's cache has a newer version": lambda stage: stage.installs_by_uv(
        "another", "--refresh", "drum==2.0", offline=False
    ),
    "a setting rules the version out": lambda stage: _write(
        stage.folder / "uv.toml", 'constraint-dependencies = ["drum>1"]'
    ),
    "uv's cache is empty": lambda stage: stage.machine.uv("cache", "clean", folder=stage.folder),
}


@pytest.mark.parametrize("change", CHANGES)
def test_uv_is_asked_again_where_it_answers_otherwise(stage: Stage, change: str) -> None:
    """A newer version is installed, and a version that is no longer available is refused, as by uv."""
    stage.installs_by_uv("warm-up", "drum", offline=False)
    stage.installs_by_uv("project-a", "drum")
    stage.publish(Wheel("drum", "2.0", files={"drum.py": ""}, dependencies=["sticks"]))
    CHANGES[change](stage)
    by_uv, by_pepip = stage.made("by-uv"), stage.made("project-b")

    stage.machine.uv("venv", "--python", stage.interpreter, folder=by_uv)
    said_by_uv = stage.machine.uv("pip", "install", "--offline", *stage.index, "drum", folder=by_uv, check=False)
    said = stage.machine.pepip("install", "--offline", *stage.source, "drum", folder=by_pepip, check=False)

    assert said.returncode == said_by_uv.returncode, said.stderr
    if said.returncode == 0:
        assert stage.versions("project-b") == stage.versions("by-uv") == ["drum-2.0", "sticks-1.0"]


@pytest.mark.parametrize("damage", ["another user's", "cut", "gone"])
def test_an_answer_that_cannot_be_trusted_is_not_taken(stage: Stage, damage: str) -> None:
    """Only a complete answer that this user wrote is reused, because it decides what is installed."""
    stage.installs_by_uv("warm-up", "drum", offline=False)
    stage.installs_by_uv("project-a", "drum")
    for path in stage.store.glob("cache/answers-*/resolution-*"):
        if damage == "another user's":
            if os.geteuid() != 0:
                pytest.skip("only root can give a file to another user")
            os.chown(path, PLAIN_USER_ID, -1)
        elif damage == "cut":
            path.write_text(path.read_text()[:60])
        else:
            path.unlink()

    assert stage.installs_by_uv("project-b", "drum")
    assert stage.versions("project-b") == ["drum-1.0", "sticks-1.0"]


def test_requirements_that_are_no_plain_names_are_asked_each_time(stage: Stage) -> None:
    """For a URL, or a file that names constraints, uv is asked each time: their contents may change unnoticed."""
    stage.installs_by_uv("warm-up", "drum", offline=False)
    (stage.folder / "more.txt").write_text("drum\n-c limits.txt\n")
    (stage.folder / "limits.txt").write_text("drum<2\n")
    url = f"drum @ {stage.url}simple/drum/drum-1.0-py3-none-any.whl"

    for words in (("-r", stage.folder / "more.txt"), (url,)):
        asked = [stage.installs_by_uv(f"project-{number}-{len(words)}", *words, offline=False) for number in range(2)]
        assert asked == [True, True]


def test_a_repeated_install_needs_no_uv(stage: Stage) -> None:
    """The same command needs no uv again, even after Python wrote bytecode.

    For other requirements uv is asked once.
    """
    stage.installs_by_uv("project", "drum", offline=False)

    assert not stage.installs_by_uv("project", "drum", offline=False)
    stage.machine.python(stage.folder / "project" / ".venv", "-c", "import drum, sticks")  # leaves bytecode beside it
    assert not stage.installs_by_uv("project", "drum", offline=False)
    said = stage.machine.pepip("install", *stage.source, "drum", folder=stage.made("project"))
    assert NOTHING in said.stderr
    _let_time_pass()
    assert [stage.installs_by_uv("project", "sticks", offline=False) for _ in range(2)] == [True, False]


def _uninstall(stage: Stage, site: Path) -> None:
    python = site.parents[2] / "bin" / "python"
    stage.machine.uv("pip", "uninstall", "--python", python, "sticks", folder=stage.folder)


def _remove_metadata(stage: Stage, site: Path) -> None:
    del stage
    shutil.rmtree(site / "sticks-1.0.dist-info")


def _lose_entry(stage: Stage, site: Path) -> None:
    del site
    _lose(stage, "sticks-1.0")


def _lose_file(stage: Stage, site: Path) -> None:
    del site
    _lose(stage, "sticks-1.0/sticks/__init__.py")


LOSSES: dict[str, Callable[[Stage, Path], None]] = {
    "uv removed a distribution": _uninstall,
    "metadata is gone": _remove_metadata,
    "the store lost an entry": _lose_entry,
    "an entry lost a file": _lose_file,
}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_is_noticed_after_nothing_was_to_do(stage: Stage, loss: str) -> None:
    """A later loss is noticed, and the same command repairs it."""
    for _ in range(3):
        stage.installs_by_uv("project", "drum", offline=False)
        _let_time_pass()
    site = site_packages_of(stage.folder / "project" / ".venv")
    LOSSES[loss](stage, site)

    assert stage.installs_by_uv("project", "drum", offline=False)
    assert stage.versions("project") == ["drum-1.0", "sticks-1.0"]
    assert (site / "sticks" / "__init__.py").is_file()
    assert stage.problems() == []


def test_links_that_lost_the_store_are_noticed_after_nothing_was_to_do(stage: Stage, tmp_path: Path) -> None:
    """Links that dangle are noticed and repaired.

    The store moved. A link at the store's old path kept the environment's links valid until that link was removed.
    """
    stage.installs_by_uv("project", "drum", offline=False)
    old, new = stage.store, tmp_path / "moved"
    old.rename(new)
    old.symlink_to(new)
    moved = replace(stage, machine=replace(stage.machine, store=new))
    for _ in range(3):
        _let_time_pass()
        asked = moved.installs_by_uv("project", "drum", offline=False)
    assert not asked, "nothing was to do"
    old.unlink()

    assert moved.installs_by_uv("project", "drum", offline=False)
    moved.machine.python(stage.folder / "project" / ".venv", "-c", "import drum, sticks")


def test_another_wheel_in_the_place_of_an_entry_is_noticed_after_nothing_was_to_do(
    stage: Stage, tmp_path: Path
) -> None:
    """Another wheel of the same name and version in an entry's place is noticed.

    The dependencies of that wheel are installed.
    """
    for _ in range(3):
        stage.installs_by_uv("project", "drum", offline=False)
        _let_time_pass()
    others = tmp_path / "others"
    others.mkdir()
    cymbal = Wheel("cymbal", "1.0", files={"cymbal.py": ""})
    cymbal.write(others)
    stage.publish(cymbal)
    Wheel("sticks", "1.0", files={"sticks/__init__.py": "WOOD = 1"}, dependencies=["cymbal"]).write(others)
    stage.machine.pepip("store", "remove", "--force", "sticks", folder=stage.folder)
    elsewhere = ("--no-index", "--find-links", others, "--python", stage.interpreter)
    stage.machine.pepip("install", "sticks", *elsewhere, folder=stage.made("other"))

    assert stage.installs_by_uv("project", "drum", offline=False)
    assert stage.versions("project") == ["cymbal-1.0", "drum-1.0", "sticks-1.0"]


def test_a_forgotten_environment_is_registered_again(stage: Stage) -> None:
    """A forgotten environment is registered again, so that pruning keeps the entries that it links."""
    for _ in range(3):
        stage.installs_by_uv("project", "drum", offline=False)
        _let_time_pass()
    stage.machine.pepip("projects", "forget", ".venv", folder=stage.folder / "project")

    stage.installs_by_uv("project", "drum", offline=False)
    stage.machine.pepip("prune", "--yes", folder=stage.folder)

    stage.machine.python(stage.folder / "project" / ".venv", "-c", "import drum, sticks")


def test_a_changed_requirements_file_is_read_again(stage: Stage) -> None:
    """'Nothing to do' is not reused after the requirements file changed."""
    listing = stage.folder / "requirements.txt"
    listing.write_text("sticks\n")
    for _ in range(3):
        stage.installs_by_uv("project", "-r", listing, offline=False)
        _let_time_pass()
    listing.write_text("sticks\ndrum\n")

    assert stage.installs_by_uv("project", "-r", listing, offline=False)
    assert stage.versions("project") == ["drum-1.0", "sticks-1.0"]


@pytest.mark.parametrize("command", [("sync",), ("run", "python", "-c", "pass")])
def test_a_project_that_is_up_to_date_needs_no_plan_of_uvs(stage: Stage, command: tuple[str, ...]) -> None:
    """An up-to-date project stays unchanged, until its dependencies change."""
    project = stage.made("project")
    table = f'\n[[tool.uv.index]]\nurl = "{stage.url}simple"\ndefault = true\n'
    _write(project / "pyproject.toml", project_table('"sticks"', more=table))
    words = {"UV_PYTHON": str(stage.interpreter)}
    for _ in range(3):
        stage.machine.pepip(*command, folder=project, variables=words)
        _let_time_pass()
    before = snapshot(project)
    stage.machine.pepip(*command, folder=project, variables=words)
    assert changes(before, snapshot(project)) == []

    _write(project / "pyproject.toml", project_table('"drum"', more=table))
    stage.machine.pepip(*command, folder=project, variables=words)

    assert stage.versions("project") == ["drum-1.0", "sticks-1.0"]
    stage.machine.uv("sync", "--check", folder=project, variables=words)


def test_a_noted_answer_ends_when_a_redirect_file_comes_or_changes(stage: Stage) -> None:
    """The file names another environment (PEP 832), in which there is something to do."""
    folder = stage.made("project")
    for name in (".venv", "first", "second"):
        stage.machine.uv("venv", "--python", stage.interpreter, name, folder=folder)

    def settle() -> list[bool]:
        started = []
        for _ in range(3):
            started.append(stage.installs_by_uv("project/inner", "sticks", offline=False))
            _let_time_pass()
        return started

    assert settle()[-1] is False
    for name in ("first", "second"):
        (folder / "inner" / ".venv").write_text(f"../{name}")
        started = settle()
        assert (started[0], started[-1]) == (True, False)
        assert (site_packages_of(folder / name) / "sticks").is_symlink()


def _texts(root: Path) -> dict[str, str]:
    """Return the files and link targets of an environment, with its own path replaced."""
    found = {}
    for path in sorted(root.rglob("*")):
        shown = str(path.relative_to(root))
        if path.is_symlink():
            found[shown] = os.readlink(path)
        elif path.is_file() and shown != ".pepip-id":
            found[shown] = path.read_text(errors="replace").replace(str(root), "ROOT")
    return found


def _write(path: Path, text: str) -> None:
    path.write_text(text)


def _lose(stage: Stage, name: str) -> None:
    """Remove a file or folder of an entry without telling pepip."""
    (path,) = stage.store.glob(f"packages/*/{name}")
    for folder in (path.parent, *path.rglob("*/"), path):
        if folder.is_dir():
            folder.chmod(0o700)
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _let_time_pass() -> None:
    """Wait until the last changes are older than the granularity of the file system's time stamps.

    pepip caches no result about files that have just changed.
    """
    time.sleep(0.1)
