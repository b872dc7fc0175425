"""Folders that one run has for itself, below one that all runs share: each with a lock that ends with its run."""

from __future__ import annotations

import contextlib
import os
import time

from pepip.host import filesystems, locks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_LOCK = ".lock"


@contextlib.contextmanager
def marked(parent: str) -> Iterator[str]:
    """Yield the path of a folder below `parent`, to be made, that `abandoned` does not name until the end of this."""
    folder = f"{parent}/{os.getpid()}-{time.monotonic_ns()}"
    with locks.held(folder + _LOCK):
        try:
            yield folder
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(folder + _LOCK)


def present(parent: str) -> list[str]:
    """Return the names of what lies below `parent`, of whatever run. None if that can't be read."""
    try:
        return [name for name in sorted(os.listdir(parent)) if not name.endswith(_LOCK)]
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []


def remove_abandoned(parent: str) -> None:
    """Remove what runs that have ended left below `parent`. What is another user's is left for that user."""
    names = os.listdir(parent)
    for name in names:
        run = name.removesuffix(_LOCK)
        if not run or (run != name and run in names) or locks.is_held(f"{parent}/{run}{_LOCK}"):
            continue
        with contextlib.suppress(PermissionError):
            filesystems.remove_tree(f"{parent}/{run}")
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{parent}/{run}{_LOCK}")
