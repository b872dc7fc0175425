"""A hook of pre-commit runs in an adopted environment as before, and pre-commit's own housekeeping works."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.machines import Machine, Output, site_packages_of
from tests.support.snapshots import snapshot
from tests.support.stores import leftovers_of, problems_of

pytestmark = [pytest.mark.real_world, pytest.mark.timeout(1800)]

_HOOKS = """\
- id: shout
  name: shout
  entry: shout
  language: python
  types: [text]
"""
_PYPROJECT = """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "shout"
version = "1.0"
dependencies = ["click", "pygments"]

[project.scripts]
shout = "shout:main"

[tool.setuptools]
py-modules = ["shout"]
"""
_MODULE = """\
import click
import pygments.lexers

@click.command()
@click.argument("names", nargs=-1)
def main(names):
    for name in sorted(names):
        click.echo(f"{name}: {pygments.lexers.guess_lexer_for_filename(name, '').name}")
    raise SystemExit(not all(open(name).read().isupper() for name in names))
"""


@dataclass(frozen=True)
class Desk:
    """A project with a hook of pre-commit, whose repository is a folder, and pre-commit's own home."""

    machine: Machine
    folder: Path
    program: Path

    @property
    def home(self) -> Path:
        """Return the folder in which pre-commit keeps the environments of its hooks."""
        return self.folder / "cache"

    def run(self, *words: str, check: bool = True) -> Output:
        """Run pre-commit in the project."""
        variables = {"PRE_COMMIT_HOME": str(self.home), "PRE_COMMIT_COLOR": "never"}
        return self.machine.run([self.program, *words], folder=self.folder / "code", variables=variables, check=check)

    def git(self, folder: str, *words: str) -> str:
        """Run git in a folder, and return its output."""
        who = ("-c", "user.name=desk", "-c", "user.email=desk@example.org", "-c", "commit.gpgsign=false")
        return self.machine.run(["git", *who, *words], folder=self.folder / folder).stdout.strip()

    def commit(self, folder: str, files: dict[str, str]) -> str:
        """Commit files in a repository, which is made if it is missing, and return the commit."""
        self.machine.make_folder(self.folder / folder)
        if not (self.folder / folder / ".git").exists():
            self.git(folder, "init", "--quiet")
        for name, text in files.items():
            (self.folder / folder / name).write_text(text)
        self.git(folder, "add", "--all")
        self.git(folder, "commit", "--quiet", "--message", "change")
        return self.git(folder, "rev-parse", "HEAD")

    def environments(self) -> list[Path]:
        """Return the environments of hooks."""
        return sorted(path.parent for path in self.home.glob("repo*/py_env-*/pyvenv.cfg"))


@pytest.fixture
def desk(machine: Machine, tmp_path: Path, interpreter: Path) -> Desk:
    """Return a desk with pre-commit, a repository with a hook, and a project that uses the hook."""
    environment = tmp_path / "tool"
    machine.uv("venv", environment, "--python", interpreter, folder=tmp_path)
    machine.uv("pip", "install", "--python", environment, "pre-commit", folder=tmp_path)
    desk = Desk(machine, tmp_path, environment / "bin" / "pre-commit")
    commit = desk.commit(
        "hook", {".pre-commit-hooks.yaml": _HOOKS, "pyproject.toml": _PYPROJECT, "shout.py": _MODULE}
    )
    settings = (
        f"repos:\n- repo: {tmp_path}/hook\n  rev: {commit}\n  hooks:\n  - id: shout\n"
        "    additional_dependencies: [idna, pyyaml]\n    exclude: ^[.]\n    verbose: true\n"
    )
    desk.commit("code", {".pre-commit-config.yaml": settings, "loud.txt": "LOUD\n", "loud.py": "LOUD = 1\n"})
    desk.run("install-hooks")
    return desk


def _said(output: Output) -> str:
    """Return the output of a run, without the time that the hook took."""
    return re.sub(r"duration: .*", "", output.stdout + output.stderr)


def test_hook_of_an_adopted_environment_runs_and_pre_commit_looks_after_it(desk: Desk) -> None:
    """`run --all-files` says the same before and after adopting, `gc` and `autoupdate` work, the store is whole."""
    machine, folder = desk.machine, desk.folder
    variables = {"PRE_COMMIT_HOME": str(desk.home)}
    before = desk.run("run", "--all-files")
    (environment,) = desk.environments()

    machine.pepip("adopt", "--known", "--yes", folder=folder, variables=variables)

    linked = {path.name for path in site_packages_of(environment).iterdir() if path.is_symlink()}
    assert {"click", "pygments", "yaml"} <= linked
    after = desk.run("run", "--all-files")
    assert "loud.py: Python\n" in before.stdout
    assert _said(after) == _said(before)
    desk.run("gc")
    assert desk.environments() == [environment]
    desk.run("validate-config")
    entries = snapshot(machine.store / "packages")

    desk.commit("hook", {"README": "second\n"})
    desk.git("hook", "tag", "v2")
    desk.run("autoupdate")
    again = desk.run("run", "--all-files")
    both = desk.environments()
    desk.run("gc")

    assert "rev: v2" in (folder / "code" / ".pre-commit-config.yaml").read_text()
    assert _said(before) in _said(again)
    assert environment in both
    assert len(both) == 2
    assert environment not in desk.environments()
    assert snapshot(machine.store / "packages").keys() == entries.keys()
    assert problems_of(machine.store) == []
    assert leftovers_of(machine.store) == []
    machine.pepip("store", "verify", folder=folder)


def test_hook_runs_as_before_after_its_environment_was_ejected(desk: Desk) -> None:
    """The environment needs no store any more, and pre-commit does not make it anew."""
    machine = desk.machine
    before = desk.run("run", "--all-files")
    (environment,) = desk.environments()
    made_at = os.stat(environment / "pyvenv.cfg").st_mtime_ns
    machine.pepip("adopt", "--yes", desk.home, folder=desk.folder)
    machine.pepip("eject", "--yes", desk.home, folder=desk.folder)
    machine.run(["chmod", "-R", "u+w", machine.store], folder=desk.folder)
    machine.run(["rm", "-r", machine.store], folder=desk.folder)

    after = desk.run("run", "--all-files")

    assert _said(after) == _said(before)
    assert os.stat(environment / "pyvenv.cfg").st_mtime_ns == made_at
