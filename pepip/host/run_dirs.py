"""Folders of single runs, below a folder that all runs share. Each folder has a lock, which ends with its run."""

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
    """Yield the path of a folder below `parent`, for the caller to make. It counts as in use until the end.

    `mode` is the mode of the folder's lock. The folder's name ends with `suffix`.
    """
    folder = f"{parent}/{os.getpid()}-{time.monotonic_ns()}{suffix}"
    with locks.held(folder + _LOCK, mode=mode, remove=True):
        yield folder


def has_lock(folder: str) -> bool:
    """Tell whether the folder of this run has a lock. Without one, other runs would take it for abandoned."""
    return os.path.lexists(folder + _LOCK)


def present(parent: str) -> list[str]:
    """Return the names of the files and folders of all runs in `parent`, but no locks. Empty if it can't be read."""
    try:
        return [name for name in sorted(os.listdir(parent)) if not name.endswith((_LOCK, paths.LOCK_FOLDERS))]
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []


def is_in_use(folder: str) -> bool:
    """Tell whether the run that made a folder still goes on. The lock of a run that has ended is removed."""
    with locks.taken_if_free(f"{folder}{_LOCK}") as is_free:
        return not is_free


def remove_abandoned(
    parent: str,
    *,
    before: Callable[[str], None] | None = None,
    spares: Callable[[str], bool] | None = None,
) -> None:
    """Remove the folders of ended runs in `parent`. Skip each that can't be removed, such as another user's.

    `before` is called with each path that is about to be removed. A folder stays if `spares` is true for its name.
    """
    names = set(os.listdir(parent)) - {paths.LOCK_FOLDERS}
    for run in {name.removesuffix(_LOCK) for name in names} - {""}:
        if spares is not None and spares(run):
            continue
        with contextlib.suppress(OSError), locks.taken_if_free(f"{parent}/{run}{_LOCK}") as is_free:
            if is_free and run in names:  # an unlisted folder may belong to a run that has just begun
                if before is not None:
                    before(f"{parent}/{run}")
                filesystems.remove(f"{parent}/{run}")
