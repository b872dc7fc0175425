"""Advisory locks between processes. A lock ends with its process, so a kill -9 leaves no lock behind.

The environment's lock is the file that uv locks itself, so uv and pepip wait for each other.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from contextlib import contextmanager, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def held(path: str, *, shared: bool = False, mode: int = 0, remove: bool = False) -> Iterator[bool]:
    """Hold the lock on the file `path`, and wait for it without a limit. With `remove`, remove the file at the end.

    The file gets at least `mode`, whatever the umask is: a user who can't open it can't wait for the lock.
    Yields False, without a lock, if the file can neither be made nor read (a read-only store), or if the file system
    has no locks.
    """
    while True:
        descriptor = _open(path, mode)
        if descriptor < 0:
            yield False
            return
        is_locked = _lock(descriptor, shared=shared)
        if _is_still(descriptor, path):
            break
        os.close(descriptor)  # the file was removed during the wait: another file has its name now
    try:
        yield is_locked
    finally:
        _let_go(descriptor, path if remove else "")


@contextmanager
def free(path: str) -> Iterator[bool]:
    """Try to take the lock on the file `path`, without waiting. Yield whether no other process may hold it.

    If so, the file is removed at the end. An existing file on a file system without locks counts as held.
    """
    descriptor = _open(path, create=False)
    is_there = descriptor >= 0
    is_free = _try_lock(descriptor) is True and _is_still(descriptor, path) if is_there else not os.path.lexists(path)
    try:
        yield is_free
    finally:
        if is_there:
            _let_go(descriptor, path if is_free else "")


def _let_go(descriptor: int, remove: str) -> None:
    """Close a lock and remove its file. Except on Windows, remove it first, so that waiting processes notice."""
    if remove and sys.platform != "win32":
        with suppress(OSError):
            os.unlink(remove)
    os.close(descriptor)
    if remove and sys.platform == "win32":
        with suppress(OSError):
            os.unlink(remove)


def _is_still(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


@contextmanager
def in_use(folder: str, *, alone: bool = False) -> Iterator[None]:
    """Mark an existing folder as in use by this process. Writes nothing there.

    Several processes may use it at the same time. A process that wants to be `alone` waits for the others, and they
    wait for it. Does nothing on Windows, which can't lock a folder.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _CLOSED_LATER)
    except OSError:
        yield
        return
    try:
        _lock(descriptor, shared=not alone)
        yield
    finally:
        os.close(descriptor)


def is_held(path: str) -> bool:
    """Tell whether another process holds the lock on the file or folder `path`. A file that can't be opened counts.

    False if nothing is at `path`, or if the file system has no locks.
    """
    descriptor = _open(path, create=False)
    if descriptor < 0:
        return _is_file(path)
    try:
        return _try_lock(descriptor) is False
    finally:
        os.close(descriptor)


def _is_file(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


# A full disk is among them, because pepip must still be able to remove files there.
_NO_NEW_FILE = {
    errno.EACCES,
    errno.EROFS,
    errno.EPERM,
    errno.ENOENT,
    errno.EISDIR,
    errno.ENOSPC,
    getattr(errno, "EDQUOT", errno.ENOSPC),
    errno.ELOOP,  # a symbolic link
    errno.ENXIO,  # a socket
}


_CLOSED_LATER = getattr(os, "O_CLOEXEC", 0)
_NEVER_ASIDE = _CLOSED_LATER | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def _open(path: str, mode: int = 0, *, create: bool = True) -> int:
    """Open a lock and return its descriptor, or -1 if it can't be opened or is neither a file nor a folder.

    A symbolic link is not followed: it could lead to any file, and this would make that file or change its mode. A
    link to a folder is followed, because the lock of a folder changes nothing in it. Raises OSError for errors that
    say nothing of the file, such as too many open files.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | (os.O_CREAT if create else 0) | _NEVER_ASIDE, 0o666)
    except OSError as error:
        if error.errno not in _NO_NEW_FILE and not os.path.isdir(path):
            raise
        try:
            descriptor = os.open(path, os.O_RDONLY | (_NEVER_ASIDE if not os.path.isdir(path) else _CLOSED_LATER))
        except OSError:
            return -1
    status = os.fstat(descriptor)
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        os.close(descriptor)
        return -1
    if mode and sys.platform != "win32":
        if status.st_uid == os.geteuid() and mode & ~status.st_mode:
            os.fchmod(descriptor, stat.S_IMODE(status.st_mode) | mode)
    return descriptor


if sys.platform == "win32":
    import msvcrt
    import time

    def _lock(descriptor: int, *, shared: bool) -> bool:
        del shared  # msvcrt has exclusive locks only
        while True:
            try:
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            except OSError as error:  # noqa: PERF203 - each try is its own wait
                if error.errno not in {errno.EACCES, errno.EDEADLK}:
                    return False
                time.sleep(0.05)
            else:
                return True

    def _try_lock(descriptor: int) -> bool | None:
        """Return whether the lock was taken, None if the file system has no locks."""
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            return False if error.errno in {errno.EACCES, errno.EDEADLK} else None
        return True

else:
    import fcntl

    def _lock(descriptor: int, *, shared: bool) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        except OSError as error:
            if error.errno in {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF}:
                return False
            raise
        return True

    def _try_lock(descriptor: int) -> bool | None:
        """Return whether the lock was taken, None if the file system has no locks."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return False if error.errno in {errno.EWOULDBLOCK, errno.EACCES} else None
        return True
