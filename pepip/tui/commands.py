"""The exact command lines that do the same as the app's actions, for users to copy."""

from __future__ import annotations

import glob
import os
import shlex
from collections import Counter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pepip.store.listing import Stored


def of(*words: str) -> str:
    """Return a `pepip` command with these words, quoted for a shell."""
    return shlex.join(["pepip", *words])


def on_environment(command: str, environment: str, *words: str) -> str:
    """Return a command that works on an environment from the folder of its project.

    If that folder does not exist yet, the command names only the environment. Reads the disk.
    """
    if not os.path.isdir(os.path.dirname(environment)):
        return of(command, "--venv", environment, *words)
    return in_its_folder(command, environment, *words)


def in_its_folder(command: str, environment: str, *words: str) -> str:
    """Return a command that works on an environment from the folder of its project, which is there."""
    project, name = os.path.split(environment)
    return of(command, "--directory", project, "--venv", name, *words)


def on_project(command: str, project: str, *words: str) -> str:
    """Return a command that works on a project and its lock."""
    return of(command, "--directory", project, *words)


def patterns_of(chosen: Sequence[Stored], stored: Collection[Stored]) -> list[str]:
    """Return patterns that match the `chosen` entries and no other entry among the `stored` ones.

    A pattern is `name==version`, or the entry's id if another bucket has the same version.
    """
    pins = Counter(f"{item.name}=={item.version}" for item in stored)
    wanted = Counter(f"{item.name}=={item.version}" for item in chosen)
    found = []
    for item in chosen:
        pin = f"{item.name}=={item.version}"
        found.append(glob.escape(item.id if pins[pin] > wanted[pin] else pin))
    return list(dict.fromkeys(found))


def prune(
    patterns: Sequence[str],
    *,
    is_all: bool,
    is_kept: bool = False,
    environments: Sequence[str] = (),
    with_cache: bool = False,
) -> str:
    """Return the command that prunes all orphans if `is_all`, else those that match the patterns, if there are any.

    With `is_kept`, the removed entries stay in the trash. The command also removes `environments` and, with
    `with_cache`, packages from uv's cache.
    """
    words = ["--trash"] if is_kept else []
    words += [word for root in environments for word in ("--environment", root)]
    words += ["--uv-cache"] if with_cache else []
    words += ["--keep", "*"] if not is_all and not patterns else []  # without a pattern, all orphans would go
    return of("prune", "--yes", *words, *([] if is_all else patterns))
