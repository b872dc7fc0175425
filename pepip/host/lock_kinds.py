"""The kinds of locks that a file system has, found by trying: see `locks` for the order in which pepip uses them."""

from __future__ import annotations

import errno
import os
import sys

from pepip.host import lock_folders, system_locks

FLOCK, POSIX, FOLDERS, NONE = "flock", "POSIX locks", "lock folders", "no locks"
FAILING = "locks that fail now"


def kind_in(folder: str) -> str:
    """Return the kind of lock that files in a folder get. Tries it on a new file, and removes that file.

    Raises OSError if this user may not write there.
    """
    path = f"{folder}/.pepip-lock-{os.getpid()}"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        return _kind_of(descriptor) or _kind_without_others(path)
    finally:
        os.close(descriptor)
        os.unlink(path)


def _kind_without_others(path: str) -> str:
    """Return the kind of lock on a file system whose files can't be locked."""
    try:
        made = lock_folders.acquire(path, shared=False)
    except OSError:
        made = None
    if made is None:
        return NONE
    made.release()
    return FOLDERS


if sys.platform == "win32":

    def _kind_of(descriptor: int) -> str:
        """Return which locks the file system of an open file has, empty if none."""
        return FLOCK if system_locks.attempt(descriptor) is not None else ""

else:
    import fcntl

    from pepip.host import posix_locks

    def _kind_of(descriptor: int) -> str:
        """Return which locks the file system of an open file has, empty if none."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return FLOCK
        except OSError as error:
            if error.errno not in system_locks.NO_LOCKS:
                return FLOCK if error.errno == errno.EWOULDBLOCK else FAILING
        return POSIX if posix_locks.attempt(descriptor) is not None else ""
