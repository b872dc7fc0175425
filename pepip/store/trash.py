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
from pepip.host import filesystems, folders, locks, permissions, run_dirs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pepip.store.root import Store


@contextlib.contextmanager
def grave(store: Store) -> Iterator[str]:
    """Make a folder in the trash for what one run discards, and yield it. Nobody empties it meanwhile.

    The trash itself stays small that way: a folder that has grown never gives its blocks back. It is the grave where
    the disk is too full for a folder; then what lies there may be emptied at any time.
    """
    whole = paths.trash(store.root)
    with run_dirs.marked(whole, mode=store.lock_mode) as folder:
        try:
            os.mkdir(folder, 0o700)  # nobody else of a team may put a link where others' files are moved to
        except OSError as error:
            if error.errno not in filesystems.FULL:
                raise store.refusal(folder, error) from error
            yield whole
            return
        try:
            yield folder
        finally:
            with contextlib.suppress(OSError):
                os.rmdir(folder)  # nothing came to lie in it


def discard(store: Store, place: str, own: str = "") -> None:
    """Move the entry at `place` into a grave, or one's `own`.

    Raises StoreError, of a PermissionError if it is another user's. The entry is as it was then.
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
            if not permissions.is_own(place):  # its owner could put links there meanwhile
                raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), place) from error
            _take_apart(place)
    except PermissionError as error:
        raise StoreError(f"{name} is another user's", hint="its owner may remove it, and root") from error
    except OSError as error:
        raise store.refusal(place, error) from error


def _take_apart(place: str) -> None:
    """Remove an entry where it is: a folder of a lower layer of overlayfs, as in an image, can't be renamed.

    Its document goes first. Without it there is no entry, and whoever is killed leaves what the next run removes.
    """
    permissions.unseal_tree(place)
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        os.unlink(f"{place}/{paths.ENTRY_METADATA}")
    filesystems.remove_tree(place)


def contents(store: Store, *, own: str = "") -> list[str]:
    """Return the paths of the graves in the trash; of one's `own`, made just now, what lies in it."""
    folder = paths.trash(store.root)
    graves = [f"{folder}/{name}" for name in run_dirs.present(folder)]
    inside = [f"{own}/{name}" for name in run_dirs.present(own)] if own not in {"", folder} else []
    return [*(path for path in graves if path != own), *inside]


def empty(store: Store) -> None:
    """Remove what lies in the trash, as far as it is this user's, and of no run that still goes on.

    Of two who do it at once, one waits.
    """
    folder = paths.trash(store.root)
    if os.path.isdir(folder):
        with locks.held(f"{folder}/.lock", mode=store.lock_mode):
            run_dirs.remove_abandoned(folder)
