"""POSIX locks of open files, for file systems without `flock`.

Such a lock belongs to the open file, not to the process.
Source: F_OFD_SETLK, fcntl_locking(2). Not for Windows.
"""

from __future__ import annotations

import errno
import os
import struct
import sys
import time

if sys.platform != "win32":
    import fcntl

    _NONE = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF, errno.EINVAL}
    _NONE |= {errno.ENOENT, errno.ESTALE}  # another machine has removed the file
    _BUSY = {errno.EAGAIN, errno.EACCES}
    _PAUSE_SECONDS = 0.05

    def wait(descriptor: int, *, shared: bool) -> bool:
        """Wait for the lock on a file. Return False if there are no such locks. Raise OSError for other failures."""
        while True:
            try:
                return _set("F_OFD_SETLKW", descriptor, fcntl.F_RDLCK if shared else fcntl.F_WRLCK)
            except OSError as error:  # noqa: PERF203 - each try is its own wait
                if error.errno not in _BUSY:
                    raise
                time.sleep(_PAUSE_SECONDS)  # some file systems with FUSE never wait themselves

    def attempt(descriptor: int) -> bool | None:
        """Return whether the lock on a file was taken, None if there are no such locks.

        After any other failure, such as that of a server, return False: another process may hold the lock.
        """
        try:
            return _set("F_OFD_SETLK", descriptor, fcntl.F_WRLCK) or None
        except OSError:
            return False

    def _set(name: str, descriptor: int, kind: int) -> bool:
        """Lock the whole file. Return False if the system or the file system has no such locks."""
        command = getattr(fcntl, name, None)
        if command is None or sys.platform != "linux":  # other systems have another `struct flock`
            return False
        try:
            fcntl.fcntl(descriptor, command, struct.pack("@hhqqi4x", kind, os.SEEK_SET, 0, 0, 0))
        except OSError as error:
            if error.errno in _NONE:
                return False
            raise
        return True
