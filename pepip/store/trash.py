"""Removes entries from the store: an entry is renamed into the trash, whole, and only then taken apart.

No environment links an entry in the trash. If a run is killed, the next run empties the trash.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time

from pepip import paths
from pepip.errors import StoreError
from pepip.host import filesystems, folders, locks, permissions, run_dirs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pepip.store.root import Store


@contextlib.contextmanager
def grave(store: Store) -> Iterator[str]:
    """Make a folder in the trash for one run's discarded entries, and yield it. Nobody empties it until the end.

    A folder that has grown never gives its blocks back. So each run has a folder of its own, and the trash stays
    small. If the disk is too full for a new folder, the trash itself is yielded; then another run may empty it at any
    time.
    """
    whole = paths.trash(store.root)
    with run_dirs.marked(whole, mode=store.lock_mode) as folder:
        try:
            os.mkdir(folder, 0o700)  # no other member of a team may place a link where entries are moved to
        except OSError as error:
            if error.errno not in filesystems.FULL:
                raise store.refusal(folder, error) from error
            yield whole
            return
        try:
            yield folder
        finally:
            with contextlib.suppress(OSError):
                os.rmdir(folder)  # nothing was moved into it


def discard(store: Store, place: str, own: str = "") -> None:
    """Move the entry at `place` into a new grave, or into the grave `own`.

    If the entry can't be renamed (EXDEV on overlayfs), it is removed where it is. Raises StoreError if that fails,
    with a PermissionError as its cause if the entry is another user's. A failed move leaves the entry unchanged.
    """
    bucket, name = place.split("/")[-2:]
    try:
        try:
            with (
                permissions.writable(store.root, place),
                contextlib.nullcontext(own) if own else grave(store) as folder,
            ):
                folders.move(store.root, place, f"{folder}/{name}.{bucket}.{time.monotonic_ns()}")
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            if not permissions.is_own(place):  # its owner could put links into it during the removal
                raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), place) from error
            _take_apart(place)
    except PermissionError as error:
        raise StoreError(f"{name} is another user's", hint="its owner, or root, may remove it") from error
    except OSError as error:
        raise store.refusal(place, error) from error


def _take_apart(place: str) -> None:
    """Remove an entry where it is: overlayfs can't rename a folder of a lower layer, such as an image.

    The document goes first. Without it the rest is no entry. If this run is killed, the next one removes the rest.
    """
    permissions.unseal_tree(place)
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        os.unlink(f"{place}/{paths.ENTRY_METADATA}")
    filesystems.remove_tree(place)


def contents(store: Store, *, own: str = "") -> list[str]:
    """Return the paths of all graves in the trash. The run's `own` grave is replaced by the paths in it."""
    folder = paths.trash(store.root)
    graves = [f"{folder}/{name}" for name in run_dirs.present(folder)]
    inside = [f"{own}/{name}" for name in run_dirs.present(own)] if own not in {"", folder} else []
    return [*(path for path in graves if path != own), *inside]


def empty(store: Store) -> None:
    """Remove the graves of ended runs from the trash, as far as this user may.

    If two processes empty the trash at the same time, one waits for the other.
    """
    folder = paths.trash(store.root)
    if os.path.isdir(folder):
        with locks.held(f"{folder}/.lock", mode=store.lock_mode):
            run_dirs.remove_abandoned(folder)
