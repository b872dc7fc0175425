"""Folders of single runs, below a folder that all runs share. Each has a lock, which ends with its run."""

from __future__ import annotations

import contextlib
import os
import time

from pepip import paths
from pepip.host import filesystems, locks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LOCK = ".lock"


@contextlib.contextmanager
def marked(parent: str, *, mode: int, suffix: str = "") -> Iterator[str]:
    """Yield the path of a folder below `parent`, which the caller makes. `remove_abandoned` spares it until the end.

    `mode` is the mode of its lock. The folder's name ends with `suffix`.
    """
    folder = f"{parent}/{os.getpid()}-{time.monotonic_ns()}{suffix}"
    with locks.held(folder + _LOCK, mode=mode, remove=True):
        yield folder


def present(parent: str) -> list[str]:
    """Return the names of everything below `parent` except locks, of any run; empty if `parent` can't be read."""
    try:
        return [name for name in sorted(os.listdir(parent)) if not name.endswith((_LOCK, paths.LOCK_FOLDERS))]
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []


def is_in_use(folder: str) -> bool:
    """Tell whether the run that made a folder still goes on. The lock of a run that has ended is removed."""
    with locks.free(f"{folder}{_LOCK}") as is_free:
        return not is_free


def remove_abandoned(
    parent: str,
    *,
    before: Callable[[str], None] | None = None,
    spares: Callable[[str], bool] | None = None,
) -> None:
    """Remove what ended runs left below `parent`. Ignores what can't be removed, such as another user's.

    `before` is called with each path that is about to be removed. A folder whose name `spares` is true of stays.
    """
    names = set(os.listdir(parent)) - {paths.LOCK_FOLDERS}
    for run in {name.removesuffix(_LOCK) for name in names} - {""}:
        if spares is not None and spares(run):
            continue
        with contextlib.suppress(OSError), locks.free(f"{parent}/{run}{_LOCK}") as is_free:
            if is_free and run in names:  # a name that was not listed may be of a run that has just begun
                if before is not None:
                    before(f"{parent}/{run}")
                filesystems.remove(f"{parent}/{run}")
