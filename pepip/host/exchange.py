"""Exchanging two names in one step, so that both names exist at every moment.

Linux and macOS can do it. On other systems, on some file systems, and with a folder in a lower layer of overlayfs,
one of the names is missing for a moment.
"""

from __future__ import annotations

import errno
import os
import sys
import time

from pepip.host import overlays

_REFUSALS = {
    getattr(errno, name) for name in ("ENOSYS", "EINVAL", "ENOTSUP", "EOPNOTSUPP", "ENOTTY") if hasattr(errno, name)
}
_AT_FDCWD, _RENAME_EXCHANGE, _RENAME_SWAP = -100, 2, 2
_LEFT = ".left"


def exchange(one: str, other: str) -> None:
    """Exchange the files or folders at two paths of one file system. Raises OSError if that fails.

    If one step is not possible, three renames do it (for a folder in a lower layer of overlayfs, a rename of each of
    its files). If the process is killed between them, the file or folder that was at `other`, or a part of it, is at
    `<one>.left`: see `restore`.
    """
    try:
        if _in_one_step(one, other):
            return
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    try:
        overlays.move(other, one + _LEFT)
        os.rename(one, other)
        os.rename(one + _LEFT, one)
    except BaseException:
        restore(one, other)
        raise


def restore(one: str, other: str) -> None:
    """Undo an exchange that was killed: move the file or folder at `<one>.left` back to `other`.

    Does nothing if nothing is at `<one>.left`.
    """
    if os.path.lexists(one + _LEFT):
        if os.path.lexists(other) and not os.path.lexists(one):
            os.rename(other, one)
        overlays.join(one + _LEFT, other)


def is_atomic(folder: str) -> bool:
    """Tell whether names in a folder can be exchanged in one step. Tries it with two files, and removes them."""
    own = f"{folder}/.exchange-{os.getpid()}-{time.monotonic_ns()}"  # another process may try it, too
    names = [f"{own}-{number}" for number in (1, 2)]
    try:
        for name in names:
            with open(name, "xb"):
                pass
        return _in_one_step(*names)
    finally:
        for name in names:
            if os.path.lexists(name):
                os.unlink(name)


def _in_one_step(one: str, other: str) -> bool:
    """Exchange two names. Return False, with nothing done, if the system or the file system can't."""
    if sys.platform == "win32":
        return False
    import ctypes

    sys.audit("os.rename", one, other, -1, -1)  # os.rename raises this event, and ctypes does not
    library = ctypes.CDLL(None, use_errno=True)
    first, second = os.fsencode(one), os.fsencode(other)
    if hasattr(library, "renameat2"):
        failed = library.renameat2(_AT_FDCWD, first, _AT_FDCWD, second, ctypes.c_uint(_RENAME_EXCHANGE))
    elif hasattr(library, "renamex_np"):
        failed = library.renamex_np(first, second, ctypes.c_uint(_RENAME_SWAP))
    else:
        return False
    if not failed:
        return True
    number = ctypes.get_errno()
    if number in _REFUSALS:
        return False
    raise OSError(number, os.strerror(number), one, None, other)
