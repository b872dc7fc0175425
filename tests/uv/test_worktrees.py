"""Many folders with one project: what uv answered in the first holds in the others, as long as nothing differs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from eval.bench.index import read_wheel, served
from pepip import urls
from pepip.host import folder_use
from pepip.uv import interpreter as interpreters
from pepip.uv import known_plans
from pepip.uv.answer_cache import AnswerCache
from pepip.uv.request import ProjectRequest
from tests.support.machines import site_packages_of
from tests.support.projects import UV_BUILD
from tests.support.told import commands_of_uv
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

TABLE = '[project]\nname = "orchard"\nversion = "1.0"\nrequires-python = ">=3.9"\n'
APPLE = Wheel(
    "apple",
    "1.0",
    files={"apple/__init__.py": "def main():\n    print('apple')\n"},
    entry_points={"console_scripts": {"apple": "apple:main"}},
)
PEAR = Wheel("pear", "1.0", files={"pear.py": ""})


@dataclass(frozen=True)
class Orchard(Workbench):
    """A user with an index, and a folder for the trees of one project."""

    def write(self, *, dependencies: str = '"apple"', more: str = "") -> None:
        """Write the project and its lock into the folder `first`."""
        first = self.folder / "first"
        first.mkdir(exist_ok=True)
        (first / "pyproject.toml").write_text(f"{TABLE}dependencies = [{dependencies}]\n{more}")
        (first / "src/orchard").mkdir(parents=True, exist_ok=True)
        (first / "src/orchard/__init__.py").write_text("TREES = 1\n")
        self.machine.uv("lock", folder=first, variables=self.variables)

    def tree(self, name: str) -> Path:
        """Return the folder of a further tree: a copy of `first` as it was checked out."""
        shutil.copytree(self.folder / "first", self.folder / name, ignore=shutil.ignore_patterns(".venv"))
        return self.folder / name

    def sync(self, name: str, *words: str, **variables: str) -> list[str]:
        """Sync a tree, and return the commands of uv that were started for it."""
        words = words or ("--frozen",)
        given = {**self.variables, **variables}
        return commands_of_uv(self.machine, "sync", "-q", *words, folder=self.folder / name, variables=given)


@pytest.fixture
def orchard(workbench: Workbench) -> Iterator[Orchard]:
    """Return an orchard with a locked project in `first`."""
    machine = replace(workbench.machine, uv_cache=workbench.folder / "uv-cache")
    with served([read_wheel(wheel.write(workbench.wheelhouse)) for wheel in (APPLE, PEAR)]) as index:
        settings = {"UV_DEFAULT_INDEX": index.url, "UV_PYTHON": str(workbench.interpreter)}
        found = Orchard.like(workbench, machine=machine, variables=settings)
        found.write()
        yield found


@pytest.mark.parametrize("mode", ["--frozen", "--locked", "--no-progress"])
def test_a_further_tree_is_synced_without_uv(orchard: Orchard, mode: str) -> None:
    """The environment is the one that uv makes."""
    assert orchard.sync("first", mode)
    third = orchard.tree("third")
    orchard.tree("second")

    assert orchard.sync("second", mode) == []
    orchard.at(third).uv("sync", "--frozen")
    script = orchard.folder / "second/.venv/bin/apple"
    assert subprocess.run([script], capture_output=True, text=True, check=True).stdout == "apple\n"
    listed = [
        orchard.at(name).uv("pip", "freeze", variables={"UV_PYTHON": ""}).stdout for name in ("second", "third")
    ]
    assert listed[0] == listed[1]
    assert orchard.at("second").uv("sync", "--check")


def test_a_worktree_of_git_is_synced_without_uv(orchard: Orchard) -> None:
    """A worktree has the files of the commit."""
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "commit.gpgsign=false"]
    first = orchard.folder / "first"
    (first / ".gitignore").write_text(".venv\n")
    steps = (["init", "-q"], ["add", "-A"], ["commit", "-qm", "Plant"], ["worktree", "add", "-q", "../second"])
    for words in steps:
        orchard.machine.run([*git, *words], folder=first)
    orchard.sync("first")

    assert orchard.sync("second") == []
    assert (site_packages_of(orchard.folder / "second/.venv") / "apple").is_symlink()


def test_the_report_names_the_folder_of_the_tree(orchard: Orchard) -> None:
    """`--output-format json` prints uv's report, and each path in it is the tree's own."""
    orchard.sync("first")
    second = orchard.tree("second")

    words = ("sync", "--frozen", "--output-format", "json")
    known = orchard.machine.pepip(*words, folder=second, variables=orchard.variables).stdout
    asked = orchard.machine.uv(*words, "--dry-run", folder=orchard.tree("third"), variables=orchard.variables).stdout

    assert json.loads(known) == {**json.loads(asked.replace("/third", "/second")), "dry_run": False}


def _edit(orchard: Orchard) -> None:
    with (orchard.folder / "second/pyproject.toml").open("a") as file:
        file.write("# other\n")


def _lock(orchard: Orchard) -> None:
    orchard.write(dependencies='"apple", "pear"')
    shutil.copy(orchard.folder / "first/uv.lock", orchard.folder / "second/uv.lock")


def _settings(orchard: Orchard) -> None:
    (orchard.folder / "second/uv.toml").write_text("offline = true\n")


def _settings_above(orchard: Orchard) -> None:
    (orchard.folder / "uv.toml").write_text("offline = true\n")


def _version_file(orchard: Orchard) -> None:
    (orchard.folder / "second/.python-version").write_text(f"{sys.version_info.major}.{sys.version_info.minor}\n")


def _workspace_above(orchard: Orchard) -> None:
    (orchard.folder / "pyproject.toml").write_text("[tool.uv.workspace]\nmembers = ['second']\n")
    orchard.machine.uv("lock", folder=orchard.folder, variables=orchard.variables)


def _environment(orchard: Orchard) -> None:
    orchard.at("second").uv("venv")


CHANGES: dict[str, Callable[[Orchard], None]] = {
    "project file": _edit,
    "lock": _lock,
    "settings": _settings,
    "settings above": _settings_above,
    "version file": _version_file,
    "workspace": _workspace_above,
    "environment": _environment,
}


@pytest.mark.parametrize("change", CHANGES)
def test_uv_plans_anew_where_a_file_differs(orchard: Orchard, change: str) -> None:
    """The plan may then be another."""
    orchard.sync("first")
    orchard.tree("second")
    CHANGES[change](orchard)

    assert "sync" in orchard.sync("second")


@pytest.mark.parametrize(
    ("words", "variables"),
    [
        (("--frozen", "--no-dev"), {}),
        (("--frozen", "--offline"), {}),
        (("--frozen",), {"UV_PROJECT_ENVIRONMENT": "other"}),
        (("--frozen",), {"UV_PYTHON_PREFERENCE": "only-system"}),
        (("--frozen",), {"VIRTUAL_ENV": "/nowhere"}),
        (("--frozen", "--reinstall"), {}),
    ],
)
def test_uv_plans_anew_for_other_options_and_variables(
    orchard: Orchard, words: tuple[str, ...], variables: dict[str, str]
) -> None:
    """Each of them may change uv's plan."""
    orchard.sync("first")
    orchard.tree("second")

    assert "sync" in orchard.sync("second", *words, **variables)


def test_a_known_plan_is_not_carried_out_in_an_environment_that_came_meanwhile(
    orchard: Orchard, interpreter: Path
) -> None:
    """Another tool makes the environment while pepip waits. The sync then removes what does not belong there."""
    orchard.sync("first")
    second, variables = orchard.tree("second"), orchard.variables
    words = [sys.executable, "-m", "pepip", "sync", "--frozen"]
    with folder_use.in_use(str(second), alone=True, inside=True):
        process = orchard.machine.start(words, folder=second, variables=variables)
        deadline = time.monotonic() + 60
        while f" {process.pid} " not in _waiting_for_locks() and time.monotonic() < deadline:
            time.sleep(0.02)
        orchard.machine.uv("venv", "--python", interpreter, folder=second, variables=variables)
        inside = {**variables, "UV_PYTHON": ""}
        orchard.machine.uv("pip", "install", "--python", second / ".venv", "pear", folder=second, variables=inside)

    said = process.communicate(timeout=60)[1]

    assert process.returncode == 0, said
    site_packages = site_packages_of(second / ".venv")
    assert (site_packages / "apple").is_symlink()
    assert not (site_packages / "pear.py").exists()


def _waiting_for_locks() -> str:
    """Return the lines of the kernel's list of processes that wait for a lock."""
    return "\n".join(line for line in Path("/proc/locks").read_text().splitlines() if "->" in line)


def test_the_project_itself_is_installed_by_uv_in_each_tree(orchard: Orchard) -> None:
    """Its folder is part of the answer, so only the plan is known. uv names no file again."""
    orchard.write(more=UV_BUILD)
    first = orchard.sync("first")
    orchard.tree("second")
    second = orchard.sync("second")

    assert "export" in first
    assert second == ["sync"]  # uv installs the project
    site_packages = site_packages_of(orchard.folder / "second/.venv")
    paths = [path.read_text() for path in site_packages.glob("*.pth")]
    assert any(str(orchard.folder / "second/src") in text for text in paths)
    assert not any(str(orchard.folder / "first") in text for text in paths)
    assert (site_packages / "apple").is_symlink()


ODD_NAME = "a b%20#c?é[x]{y}^|~+$&'(),;=@!`<>\"\\*"


def test_a_tree_in_a_folder_with_an_odd_name_is_planned_as_by_uv(orchard: Orchard) -> None:
    """The URL of the project in the known plan is the one that uv writes for this folder."""
    orchard.write(more=UV_BUILD)
    orchard.tree(ODD_NAME)
    orchard.sync(ODD_NAME)
    orchard.tree("plain")
    assert orchard.sync("plain") == ["run", "sync"]  # no plan: uv makes the environment and installs the project
    again = orchard.tree(f"{ODD_NAME} 2")

    planned = orchard.machine.uv("sync", "--frozen", "--dry-run", folder=again, variables=orchard.variables).stderr
    (line,) = (line for line in planned.splitlines() if line.startswith(" + orchard @ "))

    assert line == f" + orchard @ {urls.of_path(str(again))}"
    assert orchard.sync(again.name) == ["run", "sync"]
    assert str(again / "src") in "".join(path.read_text() for path in site_packages_of(again / ".venv").glob("*.pth"))


def test_plans_and_tags_hold_only_for_one_c_library(
    orchard: Orchard, interpreter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It decides which wheels fit. Several machines and containers may share a home and a store."""
    monkeypatch.chdir(orchard.folder / "first")
    for name, value in orchard.variables.items():
        monkeypatch.setenv(name, value)
    environment = orchard.folder / "environment"
    orchard.machine.uv("venv", "--python", interpreter, environment, folder=orchard.folder)
    cache = orchard.machine.make_folder(orchard.folder / "cache")

    def asked() -> tuple[str, int]:
        question = known_plans.of_missing_environment(AnswerCache(str(cache)), ProjectRequest(lock_mode="frozen"))
        interpreters.inspect(str(environment), str(cache))
        assert question
        return question.key, len(list(cache.glob("interpreters-*/*")))

    before = asked()
    assert asked() == before
    monkeypatch.setattr(os, "confstr", lambda name: f"{name} 2.17")

    assert asked()[0] != before[0]
    assert asked()[1] == 2


def test_a_member_at_a_path_is_planned_by_uv(orchard: Orchard) -> None:
    """A source at a path may differ in each tree."""
    fruit = orchard.folder / "first/fruit"
    fruit.mkdir()
    (fruit / "pyproject.toml").write_text('[project]\nname = "fruit"\nversion = "1.0"\n' + UV_BUILD)
    (fruit / "src/fruit").mkdir(parents=True)
    (fruit / "src/fruit/__init__.py").touch()
    orchard.write(dependencies='"apple", "fruit"', more='[tool.uv.sources]\nfruit = { path = "fruit" }\n')
    orchard.sync("first")
    orchard.tree("second")

    assert orchard.sync("second")[0] == "sync"


def test_an_environment_whose_base_is_gone_is_planned_by_uv(orchard: Orchard, tmp_path: Path) -> None:
    """The interpreter is a part of the question."""
    python = tmp_path / "python"
    python.symlink_to(Path(sys.executable).resolve())
    orchard.sync("first", "--frozen", UV_PYTHON=str(python))
    python.unlink()
    orchard.tree("second")

    with pytest.raises(pytest.fail.Exception, match="No interpreter found"):
        orchard.sync("second", "--frozen", UV_PYTHON=str(python))
    assert not (orchard.folder / "second/.venv").exists()
