"""A mount namespace of this process: its mounts are seen by it and its children alone, and end with them."""

from __future__ import annotations

import ctypes
import sys

_CLONE_NEWNS = 0x00020000  # unshare(2)
_MS_REC, _MS_SLAVE = 1 << 14, 1 << 19  # mount(2)


def enter() -> bool:
    """Give this process its own mount namespace, and return whether that worked. Needs root.

    Mounts of other processes still arrive in it, so that disks that are mounted later are seen.
    """
    if sys.platform != "linux":
        return False
    library = ctypes.CDLL(None, use_errno=True)
    try:
        if library.unshare(_CLONE_NEWNS):
            return False
        return not library.mount(b"none", b"/", None, ctypes.c_ulong(_MS_REC | _MS_SLAVE), None)
    except AttributeError:  # a C library without these calls
        return False
