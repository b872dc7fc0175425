"""Advisory locks between processes. A lock ends with its process, so a kill -9 leaves no lock behind.

uv and pepip lock the same file of an environment, so they wait for each other. On a file system without `flock`,
pepip takes POSIX locks of the open file, and on one without POSIX locks it makes locks of folders (`lock_folders`).
uv goes on without a lock on both.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from contextlib import contextmanager, suppress

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
    the file system has no locks and this user may make no folders beside the file.
    """
    while True:
        descriptor = _open(path, mode) if writes else _open_to_read(path)
        if descriptor < 0:
            yield False
            return
        try:
            is_locked = _lock(descriptor, shared=shared)
        except OSError as error:
            _close(descriptor)
            raise _failure(error, path) from error
        if _is_still(descriptor, path):
            break
        _close(descriptor)  # the file was removed during the wait: another file has its name now
    folder = _lock_folder(path, shared=shared) if writes and not is_locked else None
    try:
        yield is_locked or folder is not None
    finally:
        _let_go(descriptor, path if remove else "")
        if folder is not None:
            folder.release()


def _failure(error: OSError, path: str) -> OSError:
    """Return the error for a lock that failed for a passing reason. It names the path.

    pepip tries no lock of another kind then: that would not keep out the processes that hold a lock of this kind.
    """
    return OSError(error.errno, f"{error.strerror} while locking", path)


def _lock_folder(path: str, *, shared: bool, waits: bool = True) -> lock_folders.LockFolder | None:
    """Take the lock on `path` that is made of folders. Return None if that can't be done."""
    from pepip.host import lock_folders

    try:
        return lock_folders.acquire(path, shared=shared, waits=waits)
    except OSError:
        return None


@contextmanager
def taken_if_free(path: str) -> Iterator[bool]:
    """Try to take the lock on the file `path`, without waiting. Yield True if no other process can hold it.

    After True, the file is removed at the end. An existing file on a file system without any locks counts as held.
    """
    descriptor = _open(path, create=False)
    is_there = descriptor >= 0
    is_taken = _try_lock(descriptor) if is_there else not os.path.lexists(path)
    folder = _lock_folder(path, shared=False, waits=False) if is_taken is None else None
    is_free = (is_taken is True or folder is not None) and (not is_there or _is_still(descriptor, path))
    try:
        yield is_free
    finally:
        if is_there:
            _let_go(descriptor, path if is_free else "")
        if folder is not None:
            folder.release()


def _let_go(descriptor: int, remove: str) -> None:
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


def _is_still(descriptor: int, path: str) -> bool:
    """Tell whether `path` still leads to the open file.

    On a network file system, this machine may remember a file for a second after another machine has removed it. So
    the file is opened again, which asks the server. If that fails, the answer is no: the caller's next open meets the
    same fault.
    """
    is_remote = _is_remote(path, descriptor)
    try:
        status = os.fstat(descriptor)
        if not is_remote:
            return os.path.samestat(status, os.stat(path))
        fresh = os.open(path, os.O_RDONLY | _NO_FOLLOW_NO_WAIT)
        try:
            return os.path.samestat(status, os.fstat(fresh))
        finally:
            _close(fresh)
    except OSError as error:
        if error.errno in {errno.EMFILE, errno.ENFILE} or not (is_remote or error.errno in _GONE):
            raise
        return False


# A file that another machine has removed: after these errors, `path` leads to another file, or to none.
_GONE = {errno.ENOENT, getattr(errno, "ESTALE", errno.ENOENT)}


def _close(descriptor: int) -> None:
    """Close a file. It may be gone: on a network file system, even its close can then fail."""
    with suppress(OSError):
        os.close(descriptor)


@contextmanager
def in_use(folder: str, *, alone: bool = False, inside: bool = False) -> Iterator[None]:
    """Mark an existing folder as in use by this process.

    Several processes may use it at the same time. A process that wants to be `alone` waits for the others, and they
    wait for it. The folder itself is locked, so nothing is written. A file beside it, or `inside` it, is locked
    instead if the file system can't lock folders, or if other machines may see the folder. The last user of that file
    removes it. Does nothing on Windows, which can't lock a folder.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _CLOSE_ON_EXEC)
    except OSError:
        yield
        return
    try:
        try:
            is_locked = sys.platform == "win32" or _lock_by_flock(descriptor, shared=not alone)
        except OSError as error:
            raise _failure(error, folder) from error
        if sys.platform == "win32" or (is_locked and not _is_remote(folder, descriptor)):
            yield
            return
        file = f"{folder}/.pepip-in-use" if inside else _beside(folder)
        with held(file, shared=not alone, remove=alone):
            yield
        if not alone:
            with taken_if_free(file):
                pass  # removes the file, unless another process has it
    finally:
        os.close(descriptor)


def is_in_use(folder: str) -> bool:
    """Tell whether another process uses a folder: see `in_use`. False if the folder can't be opened."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _CLOSE_ON_EXEC)
    except OSError:
        return False
    try:
        is_free = True if sys.platform == "win32" else _try_flock(descriptor)
        if is_free is False:
            return True
        return is_held(_beside(folder)) if is_free is None or _is_remote(folder, descriptor) else False
    finally:
        os.close(descriptor)


def _is_remote(folder: str, descriptor: int) -> bool:
    """Tell whether other machines may see a folder. A lock of a folder does not reach them; a lock of a file does."""
    from pepip.host import filesystems

    try:
        return filesystems.may_be_remote(folder, os.fstat(descriptor).st_dev)
    except OSError as error:
        if error.errno not in _GONE:
            raise
        return True  # another machine has removed it


def _beside(folder: str) -> str:
    """Return the file that is locked instead of a folder. It lies beside the folder, because that may be replaced."""
    above, _, name = os.path.realpath(folder).rpartition("/")
    return f"{above}/.{name.removeprefix('.')}.pepip-in-use"


def is_held(path: str) -> bool:
    """Tell whether another process holds the lock on the file `path`. A file that can't be opened counts as held.

    False if nothing is at `path`. On a file system without other locks, the locks made of folders count.
    """
    descriptor = _open(path, create=False)
    if descriptor < 0:
        return _is_file(path)
    try:
        is_free = _try_lock(descriptor)
    finally:
        os.close(descriptor)
    if is_free is None:
        from pepip.host import lock_folders

        return lock_folders.is_held(path)
    return not is_free


FLOCK, POSIX, FOLDERS, NONE = "flock", "POSIX locks", "lock folders", "no locks"
FAILING = "locks that fail now"


def kind_in(folder: str) -> str:
    """Return the kind of lock that files in a folder get. Tries it on a new file, and removes that file.

    Raises OSError if this user may not write there.
    """
    path = f"{folder}/.pepip-lock-{os.getpid()}"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _NO_FOLLOW_NO_WAIT, 0o600)
    try:
        kind = _kind_of(descriptor)
        if kind:
            return kind
        made = _lock_folder(path, shared=False)
        if made is None:
            return NONE
        made.release()
        return FOLDERS
    finally:
        os.close(descriptor)
        os.unlink(path)


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


_CLOSE_ON_EXEC = getattr(os, "O_CLOEXEC", 0)
_NO_FOLLOW_NO_WAIT = _CLOSE_ON_EXEC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def _open(path: str, mode: int = 0, *, create: bool = True) -> int:
    """Open a lock as `_open_once` does. Try again while another machine removes the file that was found."""
    for _ in range(_TRIES):
        try:
            return _open_once(path, mode, create=create)
        except OSError as error:  # noqa: PERF203 - each try is its own
            if error.errno not in _GONE:
                raise
    return -1


_TRIES = 100
_PAUSE_SECONDS = 0.05


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
            raise  # on a network file system, if another machine removes the file now
        try:
            descriptor = os.open(
                path, os.O_RDONLY | (_NO_FOLLOW_NO_WAIT if not os.path.isdir(path) else _CLOSE_ON_EXEC)
            )
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


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int, *, shared: bool) -> bool:
        del shared  # msvcrt has exclusive locks only
        while True:
            try:
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            except OSError as error:  # noqa: PERF203 - each try is its own wait
                if error.errno not in {errno.EACCES, errno.EDEADLK}:
                    return False
                time.sleep(_PAUSE_SECONDS)
            else:
                return True

    def _try_lock(descriptor: int) -> bool | None:
        """Take the lock if it is free. Return whether it was, None if the file system has no locks."""
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            return False if error.errno in {errno.EACCES, errno.EDEADLK} else None
        return True

    _try_flock = _try_lock

    def _kind_of(descriptor: int) -> str:
        """Return which locks the file system of an open file has, empty if none."""
        return FLOCK if _try_lock(descriptor) is not None else ""

else:
    import fcntl

    _NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF, errno.EINVAL, *_GONE}

    def _lock(descriptor: int, *, shared: bool) -> bool:
        if _lock_by_flock(descriptor, shared=shared):
            return True
        from pepip.host import posix_locks

        return posix_locks.wait(descriptor, shared=shared)

    def _try_lock(descriptor: int) -> bool | None:
        """Take the lock if it is free. Return whether it was, None if the file system has no locks."""
        is_free = _try_flock(descriptor)
        if is_free is not None:
            return is_free
        from pepip.host import posix_locks

        return posix_locks.attempt(descriptor)

    def _lock_by_flock(descriptor: int, *, shared: bool) -> bool:
        """Wait for the lock. Return False if the file system has no `flock`; raise OSError for any other failure."""
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
            except OSError as error:  # noqa: PERF203 - each try is its own wait
                if error.errno in _NO_LOCKS:
                    return False
                if error.errno != errno.EWOULDBLOCK:
                    raise
                time.sleep(_PAUSE_SECONDS)  # on some FUSE file systems, `flock` never waits
            else:
                return True

    def _try_flock(descriptor: int) -> bool | None:
        """Take the lock if it is free. Return whether it was, None if the file system has no `flock`.

        After any other failure, such as a server's, the lock counts as held by another process.
        """
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return None if error.errno in _NO_LOCKS - _GONE else False
        return True

    def _kind_of(descriptor: int) -> str:
        """Return which locks the file system of an open file has, empty if none."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return FLOCK
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                return FLOCK if error.errno == errno.EWOULDBLOCK else FAILING
        from pepip.host import posix_locks

        return POSIX if posix_locks.attempt(descriptor) is not None else ""
