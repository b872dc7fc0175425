"""Advisory locks between processes. A lock of the system ends with its process, also after a kill -9.

uv and pepip lock the same file of an environment, so they wait for each other. On a file system without `flock`,
pepip takes POSIX locks of the open file. If it has no POSIX locks, either, pepip makes locks of folders, which a
killed process can leave behind (`lock_folders`). In both cases uv goes on without a lock.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from contextlib import contextmanager, suppress

from pepip.host import system_locks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pepip.host import lock_folders


@contextmanager
def held(
    path: str, *, shared: bool = False, mode: int = 0, remove: bool = False, writes: bool = True
) -> Iterator[bool]:
    """Hold the lock on the file `path`, and wait for it without a limit. With `remove`, remove the file at the end.

    A file of this user gets exactly this `mode`, whatever the umask is: a user who can't open it can't wait for the
    lock, and a user who has no use for the lock should not be able to hold it. If `mode` is 0, a new file gets the
    mode that the umask gives. Without `writes`, a missing file is not made, and an existing one is only opened for
    reading.
    Yields False, without a lock, if the file can neither be made nor read (a read-only store). Yields False also if
    the file system has no locks, and no folder can be made beside the file. Without `writes`, none is made.
    """
    while True:
        descriptor = _open(path, mode) if writes else _open_to_read(path)
        if descriptor < 0:
            yield False
            return
        try:
            is_locked = system_locks.wait(descriptor, shared=shared)
        except OSError as error:
            _close(descriptor)
            raise failure(error, path) from error
        folder = _take_lock_folder(path, shared=shared) if writes and not is_locked else None
        if _still_leads_to_file(descriptor, path):
            break
        _close(descriptor)  # the file was removed during the wait: another file has its name now, or none
        if folder is not None:
            folder.release()
    try:
        yield is_locked or folder is not None
    finally:
        _unlock_and_remove(descriptor, path if remove else "")
        if folder is not None:
            folder.release()


def failure(error: OSError, path: str) -> OSError:
    """Return the OSError, with the path, for a lock that failed for a temporary reason.

    pepip tries no lock of another kind then: that would not keep out the processes that hold a lock of this kind.
    """
    return OSError(error.errno, f"{error.strerror} while locking", path)


def _take_lock_folder(path: str, *, shared: bool, waits: bool = True) -> lock_folders.LockFolder | None:
    """Take the lock on `path` that is made of folders. Return None if that can't be done."""
    from pepip.host import lock_folders

    try:
        return lock_folders.acquire(path, shared=shared, waits=waits)
    except OSError:
        return None


@contextmanager
def taken_if_free(path: str) -> Iterator[bool]:
    """Try to take the lock on the file `path`, without waiting. Yield True if that works, or if no file exists.

    After True, the file is removed at the end. An existing file on a file system without any locks counts as held.
    """
    descriptor = _open(path, create=False)
    is_there = descriptor >= 0
    is_taken = system_locks.attempt(descriptor) if is_there else not os.path.lexists(path)
    folder = _take_lock_folder(path, shared=False, waits=False) if is_taken is None else None
    is_free = (is_taken is True or folder is not None) and (not is_there or _still_leads_to_file(descriptor, path))
    try:
        yield is_free
    finally:
        if is_there:
            _unlock_and_remove(descriptor, path if is_free else "")
        if folder is not None:
            folder.release()


def _unlock_and_remove(descriptor: int, remove: str) -> None:
    """Close a lock, and remove the file `remove` unless that is empty.

    Except on Windows, the file is removed first, so that waiting processes notice its removal.
    """
    if remove and sys.platform != "win32":
        with suppress(OSError):
            os.unlink(remove)
    _close(descriptor)
    if remove and sys.platform == "win32":
        with suppress(OSError):
            os.unlink(remove)


def _still_leads_to_file(descriptor: int, path: str) -> bool:
    """Tell whether `path` still leads to the open file.

    On a network file system, this machine may remember a file for a second after another machine has removed it. So
    the file is opened again, which asks the server. If that fails, the answer is no: the caller's next open meets the
    same fault. Raises OSError if too many files are open.
    """
    may_be_seen_elsewhere = is_remote(path, descriptor)
    try:
        status = os.fstat(descriptor)
        if not may_be_seen_elsewhere:
            return os.path.samestat(status, os.stat(path))
        fresh = os.open(path, os.O_RDONLY | _NO_FOLLOW_NO_WAIT)
        try:
            return os.path.samestat(status, os.fstat(fresh))
        finally:
            _close(fresh)
    except OSError as error:
        if error.errno in {errno.EMFILE, errno.ENFILE} or not (
            may_be_seen_elsewhere or error.errno in system_locks.GONE
        ):
            raise
        return False


def _close(descriptor: int) -> None:
    """Close a file. It may be gone: on a network file system, even its close can then fail."""
    with suppress(OSError):
        os.close(descriptor)


def is_remote(folder: str, descriptor: int) -> bool:
    """Tell whether other machines may see a folder. A lock of a folder does not reach them; a lock of a file does."""
    from pepip.host import filesystems

    try:
        return filesystems.may_be_remote(folder, os.fstat(descriptor).st_dev)
    except OSError as error:
        if error.errno not in system_locks.GONE:
            raise
        return True  # another machine has removed it


def is_held(path: str) -> bool:
    """Tell whether another process holds the lock on the file `path`. A file that can't be opened counts as held.

    False if nothing is at `path`. On a file system without other locks, the locks made of folders count.
    """
    descriptor = _open(path, create=False)
    if descriptor < 0:
        return _is_file(path)
    try:
        is_free = system_locks.attempt(descriptor)
    finally:
        os.close(descriptor)
    if is_free is None:
        from pepip.host import lock_folders

        return lock_folders.is_held(path)
    return not is_free


def _is_file(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


# After these errors an existing lock file is opened for reading. A full disk is among them, because pepip must still
# be able to remove files there.
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


def _open_to_read(path: str) -> int:
    """Open an existing lock file for reading, and return its descriptor, or -1 if no file can be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | _NO_FOLLOW_NO_WAIT)
    except OSError:
        return -1
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return -1
    return descriptor


_NO_FOLLOW_NO_WAIT = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def _open(path: str, mode: int = 0, *, create: bool = True) -> int:
    """Open a lock as `_open_once` does. Try again while another machine removes the file that was found."""
    for _ in range(_TRIES):
        try:
            return _open_once(path, mode, create=create)
        except OSError as error:  # noqa: PERF203 - each try can fail by itself
            if error.errno not in system_locks.GONE:
                raise
    return -1


_TRIES = 100


def _open_once(path: str, mode: int, *, create: bool) -> int:
    """Open a lock and return its descriptor, or -1 if it can't be opened or is neither a file nor a folder.

    A symbolic link is not followed: it could lead to any file, and this function would make that file or change its
    mode. A link to a folder is followed, because the lock of a folder changes nothing in it. Raises OSError for
    errors that do not concern the file, such as too many open files.
    """
    try:
        flags = os.O_RDWR | (os.O_CREAT if create else 0) | _NO_FOLLOW_NO_WAIT
        descriptor = os.open(path, flags, mode or 0o666)
    except OSError as error:
        if error.errno not in _NO_NEW_FILE and not os.path.isdir(path):
            raise
        if create and error.errno == errno.ENOENT and os.path.isdir(os.path.dirname(path) or "."):
            raise  # on a network file system: another machine has just removed the file
        try:
            descriptor = os.open(path, os.O_RDONLY | (_NO_FOLLOW_NO_WAIT if not os.path.isdir(path) else 0))
        except OSError:
            return -1
    status = os.fstat(descriptor)
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        os.close(descriptor)
        return -1
    if mode and sys.platform != "win32" and stat.S_ISREG(status.st_mode):
        if status.st_uid == os.geteuid() and mode != stat.S_IMODE(status.st_mode):
            with suppress(OSError):  # vfat and some network file systems keep no modes
                os.fchmod(descriptor, mode)
    return descriptor
