"""The exact command lines that do the same as the app's actions, for users to copy."""

from __future__ import annotations

import os
import shlex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def of(*words: str) -> str:
    """Return a `pepip` command with these words, quoted for a shell."""
    return shlex.join(["pepip", *words])


def on_environment(command: str, environment: str, *words: str) -> str:
    """Return a command that works on an environment from the folder of its project.

    If that folder does not exist yet, the command names only the environment.
    """
    project, name = os.path.split(environment)
    place = ["--directory", project, "--venv", name] if os.path.isdir(project) else ["--venv", environment]
    return of(command, *place, *words)


def on_project(command: str, project: str, *words: str) -> str:
    """Return a command that works on a project and its lock."""
    return of(command, "--directory", project, *words)


def prune(pins: Sequence[str], *, is_all: bool) -> str:
    """Return the command that prunes all orphans if `is_all`, else those of these `name==version` pins."""
    return of("prune", "--yes", *([] if is_all else pins))
