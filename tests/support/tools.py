"""Makes environments with the tools that people use, and lets those tools change them again.

The tools themselves come from the package index, into one environment for all tests of a session.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.machines import Machine, Output, any_interpreter

TOOLS = ("poetry", "pdm", "hishel<2", "hatch", "tox", "nox", "pipx", "virtualenv")  # PDM 2.29 fails with hishel 2


@dataclass(frozen=True)
class Project:
    """A folder in which a tool makes one environment of some packages, with an interpreter."""

    machine: Machine
    tools: Path
    """The folder of the tools' programs."""
    folder: Path
    interpreter: Path
    version: str
    """The version of the interpreter, such as `3.12`."""
    packages: tuple[str, ...]

    def run(self, *words: str | Path, variables: Mapping[str, str] | None = None) -> Output:
        """Run a tool in the folder of the project."""
        program = self.tools / words[0] if (self.tools / words[0]).exists() else Path(words[0])
        own = {
            "HATCH_DATA_DIR": f"{self.folder}/hatch-data",
            "PDM_CHECK_UPDATE": "0",
            "PIPX_BIN_DIR": f"{self.folder}/pipx-bin",
            "PIPX_DEFAULT_PYTHON": str(self.interpreter),
            "PIPX_HOME": f"{self.folder}/pipx",
            "PIPX_MAN_DIR": f"{self.folder}/pipx-man",
            "POETRY_VIRTUALENVS_IN_PROJECT": "true",
        }
        return self.machine.run([program, *words[1:]], folder=self.folder, variables={**own, **(variables or {})})

    def write(self, name: str, text: str) -> None:
        """Write a file of the project."""
        (self.folder / name).write_text(text)

    def write_pyproject(self, packages: Sequence[str], more: str = "") -> None:
        """Write a `pyproject.toml` of a project that is no package, with these dependencies."""
        self.write(
            "pyproject.toml",
            f'[project]\nname = "sketch"\nversion = "1.0"\nrequires-python = "=={self.version}.*"\n'
            f"dependencies = {json.dumps(list(packages))}\n{more}",
        )


@dataclass(frozen=True)
class Tool:
    """One way to make an environment. `make` returns its root; `add` installs one more package with the tool."""

    name: str
    make: Callable[[Project], Path]
    add: Callable[[Project, Path, str], object]


def install_tools(machine: Machine, folder: Path) -> Path:
    """Install the tools, and return the folder of their programs."""
    environment = folder / "tools"
    machine.uv("venv", environment, "--python", any_interpreter(), folder=folder)
    machine.uv("pip", "install", "--python", environment, *TOOLS, folder=folder)
    return environment / "bin"


def _uv_sync(project: Project) -> Path:
    project.write_pyproject(project.packages)
    project.machine.uv("sync", "--python", project.interpreter, folder=project.folder)
    return project.folder / ".venv"


def _uv_add(project: Project, environment: Path, package: str) -> None:
    project.machine.uv("add", "--python", environment, package, folder=project.folder)
    project.machine.uv("sync", "--reinstall", "--python", environment, folder=project.folder)


def _uv_copies(project: Project) -> Path:
    environment = project.folder / ".venv"
    project.machine.uv("venv", environment, "--python", project.interpreter, folder=project.folder)
    words = ("pip", "install", "--python", environment, "--link-mode", "copy", *project.packages)
    project.machine.uv(*words, folder=project.folder)
    return environment


def _uv_install(project: Project, environment: Path, package: str) -> None:
    into = ("pip", "install", "--python", environment)
    project.machine.uv(*into, package, folder=project.folder)
    project.machine.uv(*into, "--reinstall", *project.packages, folder=project.folder)


def _pip(project: Project) -> Path:
    environment = project.folder / "venv"
    project.run(project.interpreter, "-m", "venv", environment)
    project.run(environment / "bin" / "python", "-m", "pip", "install", *project.packages)
    return environment


def _pip_install(project: Project, environment: Path, package: str) -> None:
    pip = (environment / "bin" / "python", "-m", "pip")
    project.run(*pip, "install", package)
    name = project.packages[0].partition("==")[0]
    script = f"import importlib.metadata; print(importlib.metadata.version({name!r}))"
    version = project.run(pip[0], "-c", script).stdout.strip()  # a newer one may want other dependencies
    project.run(*pip, "install", "--force-reinstall", "--no-deps", f"{name}=={version}")
    project.run(*pip, "uninstall", "--yes", package)


def _virtualenv(project: Project) -> Path:
    environment = project.folder / "env"
    project.run("virtualenv", "--python", project.interpreter, environment)
    project.run(environment / "bin" / "pip", "install", *project.packages)
    return environment


def _poetry(project: Project) -> Path:
    source = f'[[tool.poetry.source]]\nname = "index"\nurl = "{_index(project)}"\npriority = "primary"\n'
    project.write_pyproject(project.packages, "[tool.poetry]\npackage-mode = false\n" + source)
    project.run("poetry", "env", "use", project.interpreter)
    project.run("poetry", "install", "--no-interaction")
    return project.folder / ".venv"


def _index(project: Project) -> str:
    """Return the address of pip's index: poetry asks a programming interface that a mirror may not have."""
    script = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"
    return project.run(sys.executable, "-c", script).stdout.strip()


def _poetry_add(project: Project, environment: Path, package: str) -> None:
    project.run("poetry", "add", "--no-interaction", package)
    project.run("poetry", "remove", "--no-interaction", package)
    project.run("poetry", "install", "--no-interaction")


def _pdm(project: Project) -> Path:
    project.write_pyproject(project.packages, "[tool.pdm]\ndistribution = false\n")
    project.run("pdm", "use", "--first", project.interpreter)
    project.run("pdm", "install")
    return project.folder / ".venv"


def _pdm_add(project: Project, environment: Path, package: str) -> None:
    project.run("pdm", "add", package)
    project.run("pdm", "remove", package)
    project.run("pdm", "update")


def _hatch(project: Project) -> Path:
    _write_for_hatch(project, project.packages)
    project.run("hatch", "env", "create")
    return Path(project.run("hatch", "env", "find").stdout.strip())


def _hatch_add(project: Project, environment: Path, package: str) -> None:
    _write_for_hatch(project, (*project.packages, package))
    project.run("hatch", "run", "python", "-c", "pass")


def _write_for_hatch(project: Project, packages: Sequence[str]) -> None:
    project.write_pyproject(
        (),
        f'[tool.hatch.envs.default]\nskip-install = true\npython = "{project.interpreter}"\n'
        f"dependencies = {json.dumps(list(packages))}\n",
    )


def _tox(project: Project) -> Path:
    _write_for_tox(project, project.packages)
    project.run("tox")
    return project.folder / ".tox" / "py"


def _tox_again(project: Project, environment: Path, package: str) -> None:
    _write_for_tox(project, (*project.packages, package))
    project.run("tox")
    project.run("tox", "-r")


def _write_for_tox(project: Project, packages: Sequence[str]) -> None:
    listed = "".join(f"\n    {package}" for package in packages)
    project.write(
        "tox.ini",
        "[tox]\nno_package = true\n"
        f"[testenv:py]\nbase_python = {project.interpreter}\ndeps ={listed}\ncommands = python -c pass\n",
    )


def _nox(project: Project) -> Path:
    _write_for_nox(project, project.packages)
    project.run("nox")
    return project.folder / ".nox" / "check"


def _nox_again(project: Project, environment: Path, package: str) -> None:
    _write_for_nox(project, (*project.packages, package))
    project.run("nox", "--reuse-existing-virtualenvs")
    project.run("nox")


def _write_for_nox(project: Project, packages: Sequence[str]) -> None:
    project.write(
        "noxfile.py",
        f"import nox\n\n@nox.session(python={str(project.interpreter)!r}, name='check')\n"
        f"def check(session):\n    session.install(*{list(packages)!r})\n    session.run('python', '-c', 'pass')\n",
    )


def _pipx(project: Project) -> Path:
    program, *others = project.packages
    project.run("pipx", "install", program)
    name = program.partition("==")[0]
    if others:
        project.run("pipx", "inject", name, *others)
    return project.folder / "pipx" / "venvs" / name


def _pipx_upgrade(project: Project, environment: Path, package: str) -> None:
    project.run("pipx", "inject", environment.name, package)
    project.run("pipx", "upgrade", "--include-injected", environment.name)
    project.run("pipx", "reinstall", environment.name)


UV_LINKS = Tool("uv hard links", _uv_sync, _uv_add)
UV_COPIES = Tool("uv copies", _uv_copies, _uv_install)
PIP = Tool("pip", _pip, _pip_install)
VIRTUALENV = Tool("virtualenv", _virtualenv, _pip_install)
POETRY = Tool("poetry", _poetry, _poetry_add)
PDM = Tool("PDM", _pdm, _pdm_add)
HATCH = Tool("hatch", _hatch, _hatch_add)
TOX = Tool("tox", _tox, _tox_again)
NOX = Tool("nox", _nox, _nox_again)
PIPX = Tool("pipx", _pipx, _pipx_upgrade)
