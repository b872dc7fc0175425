"""The tools that are compared: how a user of each makes an environment and installs into it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.bench.measure import Commands, clean_variables

ENVIRONMENT = ".venv"
REQUIREMENTS = "requirements.txt"


@dataclass(frozen=True)
class Programs:
    """The paths of the programs. `python` is the interpreter for the environments."""

    uv: Path
    pepip: Path
    old_pepip: Path | None
    python: Path


@dataclass(frozen=True)
class Supply:
    """The sources of distributions: an index, and a folder of the same wheels for tools without a cache of it."""

    index_url: str
    wheels: Path

    def variables(self, *, offline: bool) -> dict[str, str]:
        """Return the variables that tell every tool where to look and, if `offline`, not to use the network."""
        variables = {"UV_DEFAULT_INDEX": self.index_url, "UV_PYTHON_DOWNLOADS": "never"}
        variables |= {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        if offline:
            return variables | {"UV_OFFLINE": "1", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": os.fspath(self.wheels)}
        return variables | {"PIP_INDEX_URL": self.index_url}


@dataclass(frozen=True)
class Tool:
    """A tool as one set of options. `new` makes `.venv` in the current folder and installs requirements.txt.

    `install` adds its arguments to that environment, and `uninstall` removes them. `project` are the words before
    `add` and `sync` in a project; empty for a tool that has none of these commands. `tidy` is the command that a user
    runs after deleting environments.
    """

    name: str
    new: Commands
    install: Callable[..., Commands]
    uninstall: Callable[..., Commands]
    project: Sequence[str] = ()
    settings: tuple[tuple[str, str], ...] = ()
    tidy: Commands = ()

    def variables(self, home: Path, supply: Supply, *, offline: bool) -> dict[str, str]:
        """Return the environment variables of the tool's processes: caches and stores are all below `home`."""
        return {
            **clean_variables(),
            **supply.variables(offline=offline),
            "HOME": os.fspath(home),
            "UV_CACHE_DIR": f"{home}/uv-cache",
            "PIP_CACHE_DIR": f"{home}/pip-cache",
            "PEPIP_HOME": f"{home}/store",
            **dict(self.settings),
        }


NAMES = ("uv", "uv-copy", "uv-symlink", "pepip", "pepip-0.0.10", "pip")


def make(name: str, programs: Programs) -> Tool:
    """Return the tool of this name, one of NAMES."""
    python = os.fspath(programs.python)
    if name.startswith("uv"):
        mode = name.partition("-")[2]
        return _uv(name, os.fspath(programs.uv), python, (("UV_LINK_MODE", mode),) if mode else ())
    if name == "pepip":
        pepip = os.fspath(programs.pepip)
        return Tool(
            name,
            new=[[pepip, "install", "--python", python, "-r", REQUIREMENTS]],
            install=lambda *words: [[pepip, "install", *words]],
            uninstall=lambda *words: [[pepip, "uninstall", "--yes", *words]],
            project=[pepip],
            tidy=[[pepip, "prune", "--yes"]],
        )
    if name == "pip":
        pip = f"{ENVIRONMENT}/bin/pip"
        return Tool(
            name,
            new=[[python, "-m", "venv", ENVIRONMENT], [pip, "install", "-r", REQUIREMENTS]],
            install=lambda *words: [[pip, "install", *words]],
            uninstall=lambda *words: [[pip, "uninstall", "--yes", *words]],
        )
    old = os.fspath(programs.old_pepip or "")
    return Tool(
        name,
        new=[[old, "install", "-r", REQUIREMENTS]],
        install=lambda *words: [[old, "install", *words]],
        uninstall=lambda *words: [[old, "uninstall", *words]],
        settings=(("UV_PYTHON", python),),  # it has no option for the interpreter
    )


def _uv(name: str, uv: str, python: str, settings: tuple[tuple[str, str], ...]) -> Tool:
    return Tool(
        name,
        new=[[uv, "venv", "--python", python], [uv, "pip", "install", "-r", REQUIREMENTS]],
        install=lambda *words: [[uv, "pip", "install", *words]],
        uninstall=lambda *words: [[uv, "pip", "uninstall", *words]],
        project=[uv],
        settings=settings,
    )
