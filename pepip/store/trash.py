"""The way out of the store: an entry is renamed into the trash, whole, and only there taken apart.

What is in the trash is linked by nobody's metadata any more. A killed run leaves it for the next.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time

from pepip import paths
from pepip.errors import StoreError
from pepip.host import filesystems, locks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.store.home import Store


def new_grave(store: Store) -> str:
    """Make a folder in the trash for what one run discards, and return it.

    The trash itself stays small that way: a folder that has grown never gives its blocks back. It is the grave where
    the disk is too full for a folder.
    """
    folder = f"{paths.trash(store.home)}/{os.getpid()}-{time.monotonic_ns()}"
    try:
        store.make_directory(folder)
    except StoreError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno in {
            errno.ENOSPC,
            getattr(errno, "EDQUOT", 0),
        }:
            return paths.trash(store.home)
        raise
    return folder


def discard(store: Store, place: str, grave: str = "") -> None:
    """Move the entry at `place` into a `grave`, or one of its own.

    Raises StoreError, of a PermissionError if it is another user's.
    """
    own = grave
    try:
        mode = os.stat(place).st_mode & 0o7777
        os.chmod(place, mode | 0o200)
        try:
            own = grave or new_grave(store)
            bucket, name = place.split("/")[-2:]
            os.rename(place, f"{own}/{name}.{bucket}.{time.monotonic_ns()}")
        except OSError:
            os.chmod(place, mode)
            raise
    except OSError as error:
        if own not in {"", grave, paths.trash(store.home)}:
            os.rmdir(own)
        if isinstance(error, PermissionError):
            name = os.path.basename(place)
            raise StoreError(f"{name} is another user's", hint="its owner may remove it, and root") from error
        raise store.refusal(place, error) from error


def contents(store: Store, *, own: str = "") -> list[str]:
    """Return the paths of the graves in the trash; of one's `own`, made just now, what lies in it."""
    folder = paths.trash(store.home)
    graves = [f"{folder}/{name}" for name in _children(folder)]
    inside = [f"{own}/{name}" for name in _children(own)] if own not in {"", folder} else []
    return [*(grave for grave in graves if grave != own), *inside]


def empty(store: Store) -> None:
    """Remove what lies in the trash, as far as it is this user's. Of two who do it at once, one waits."""
    folder = paths.trash(store.home)
    if not os.path.isdir(folder):
        return
    with locks.held(f"{folder}/{_LOCK}"):
        for name in _children(folder):
            with contextlib.suppress(PermissionError):  # another user's
                filesystems.remove_tree(f"{folder}/{name}")


def _children(folder: str) -> list[str]:
    try:
        return [name for name in sorted(os.listdir(folder)) if name != _LOCK]
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []


_LOCK = ".lock"
