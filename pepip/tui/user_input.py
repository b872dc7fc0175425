"""The lines that users type: paths of projects and folders, and requirements."""

from __future__ import annotations

import os
import shlex

from pepip import paths
from pepip.errors import UsageError
from pepip.tui.job_queue import STARTED_IN
from pepip.uv.request import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


_NAMES = {".venv", "venv"}
"""A folder with such a name is an environment, also if it is not there yet."""


def environment_at(text: str) -> str:
    """Return the environment for a typed path: the path itself, or the `.venv` in the folder of a project.

    Raises UsageError if the path is empty, is a file, or begins with `~` and there is no such home folder.
    """
    if not text.strip():
        raise UsageError("no project given", hint="type the folder of a project; a missing folder is made")
    path = absolute_path(text)
    if os.path.lexists(path) and not os.path.isdir(path):
        raise UsageError(f"{path} is a file", hint="type the folder of a project")
    if os.path.isfile(f"{path}/pyvenv.cfg") or os.path.basename(path) in _NAMES:
        return path
    return f"{path}/.venv"


def place_of(environment: str) -> str:
    """Return the path to type for an environment: the folder of its project if `environment_at` reads it so.

    A folder called `venv`, or with a blank at its end, would be read as another environment. Reads no disk.
    """
    folder, name = os.path.split(environment)
    is_read_so = name == ".venv" and folder == folder.strip() and os.path.basename(folder) not in _NAMES
    return folder if is_read_so else environment


def requirements(line: str, *, options: Sequence[str] = ("-r", "-c", "-e")) -> tuple[Request, list[str]]:
    """Parse a line of requirements. Return its request and its words.

    The line may also have `-U`, and each of `-r FILE`, `-c FILE` and `-e PATH` that is in `options`, as on the
    command line. Raises UsageError if a quote is not closed, if an option is unknown or lacks its value, or if the
    line names no package.
    """
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise UsageError(f"these requirements can't be read: {str(error).lower()}") from error
    lists: dict[str, list[str]] = {"-r": [], "-c": [], "-e": []}
    packages: list[str] = []
    is_upgrade = False
    remaining = iter(words)
    for word in remaining:
        if word in options:
            lists[word].append(_value(word, next(remaining, "")))
        elif word in {"-U", "--upgrade"}:
            is_upgrade = True
        elif word.startswith("-"):
            hint = f"use requirements, {', '.join(options)} and -U only"
            raise UsageError(f"{word} is not allowed here", hint=hint)
        else:
            packages.append(word)
    if not packages and not lists["-r"] and not lists["-e"]:
        raise UsageError("no packages given", hint="type their names, such as requests 'numpy<2'")
    request = Request(
        packages=tuple(packages),
        requirement_files=tuple(lists["-r"]),
        constraint_files=tuple(lists["-c"]),
        editables=tuple(lists["-e"]),
        resolver_options=("--upgrade",) if is_upgrade else (),
    )
    return request, words


def absolute_path(path: str) -> str:
    """Return a typed path as an absolute one.

    A relative path is relative to the folder in which the app was started, even while a job runs in another folder.

    Raises UsageError if the path begins with `~` and there is no such home folder.
    """
    return os.path.normpath(os.path.join(STARTED_IN, paths.expand_user(path.strip(), os.environ)))


def _value(option: str, value: str) -> str:
    if not value:
        raise UsageError(f"{option} needs a value")
    return value
