"""Folders that one run has for itself, below one that all runs share: each with a lock that ends with its run."""

from __future__ import annotations

import contextlib
import os
import time

from pepip.host import filesystems, locks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LOCK = ".lock"


@contextlib.contextmanager
def marked(parent: str, *, mode: int) -> Iterator[str]:
    """Yield the path of a folder below `parent`, to be made; `remove_abandoned` spares it until the end of this.

    `mode` is the one of its lock.
    """
    folder = f"{parent}/{os.getpid()}-{time.monotonic_ns()}"
    with locks.held(folder + _LOCK, mode=mode, remove=True):
        yield folder


def present(parent: str) -> list[str]:
    """Return the names of what lies below `parent`, of whatever run; nothing if that can't be read."""
    try:
        return [name for name in sorted(os.listdir(parent)) if not name.endswith(_LOCK)]
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []


def remove_abandoned(parent: str, *, before: Callable[[str], None] | None = None) -> None:
    """Remove what runs that have ended left below `parent`, as far as that can be done: some is another user's.

    `before` is called with the path of each that is about to go.
    """
    names = set(os.listdir(parent))
    for run in {name.removesuffix(_LOCK) for name in names} - {""}:
        with contextlib.suppress(OSError), locks.free(f"{parent}/{run}{_LOCK}") as is_free:
            if is_free and run in names:  # what came since may be a run's that has begun
                if before is not None:
                    before(f"{parent}/{run}")
                filesystems.remove(f"{parent}/{run}")
