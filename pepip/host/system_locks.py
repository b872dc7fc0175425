"""The system's locks on an open file: `flock`, else POSIX locks of the open file; on Windows those of msvcrt.

Knows nothing of paths, nor of the locks made of folders.
"""

from __future__ import annotations

import errno
import sys
import time

GONE = {errno.ENOENT, getattr(errno, "ESTALE", errno.ENOENT)}
"""The errors for a file that another machine has removed. Its path now leads to another file, or to none."""

_PAUSE_SECONDS = 0.05

if sys.platform == "win32":
    import msvcrt

    def wait(descriptor: int, *, shared: bool) -> bool:
        """Wait for the lock. Return False if the file system has no locks."""
        del shared  # msvcrt has exclusive locks only
        while True:
            try:
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            except OSError as error:  # noqa: PERF203 - each try can fail by itself
                if error.errno not in {errno.EACCES, errno.EDEADLK}:
                    return False
                time.sleep(_PAUSE_SECONDS)
            else:
                return True

    def attempt(descriptor: int) -> bool | None:
        """Take the lock if it is free. Return whether it was, None if the file system has no locks."""
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            return False if error.errno in {errno.EACCES, errno.EDEADLK} else None
        return True

    attempt_flock = attempt

else:
    import fcntl

    NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF, errno.EINVAL, *GONE}
    """The errors of `flock` on a file system that has none."""

    def wait(descriptor: int, *, shared: bool) -> bool:
        """Wait for the lock. Return False if the file system has no locks; raise OSError for any other failure."""
        if wait_for_flock(descriptor, shared=shared):
            return True
        from pepip.host import posix_locks

        return posix_locks.wait(descriptor, shared=shared)

    def attempt(descriptor: int) -> bool | None:
        """Take the lock if it is free. Return whether it was, None if the file system has no locks."""
        is_free = attempt_flock(descriptor)
        if is_free is not None:
            return is_free
        from pepip.host import posix_locks

        return posix_locks.attempt(descriptor)

    def wait_for_flock(descriptor: int, *, shared: bool) -> bool:
        """Wait for the lock. Return False if the file system has no `flock`; raise OSError for any other failure."""
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
            except OSError as error:  # noqa: PERF203 - each try can fail by itself
                if error.errno in NO_LOCKS:
                    return False
                if error.errno != errno.EWOULDBLOCK:
                    raise
                time.sleep(_PAUSE_SECONDS)  # on some FUSE file systems, `flock` never waits
            else:
                return True

    def attempt_flock(descriptor: int) -> bool | None:
        """Take the lock if it is free. Return whether it was, None if the file system has no `flock`.

        After any other failure, such as a server's, the lock counts as held by another process.
        """
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return None if error.errno in NO_LOCKS - GONE else False
        return True
