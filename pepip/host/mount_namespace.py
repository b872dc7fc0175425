"""Gives this process a mount namespace, whose mounts only it and its children see. Also unmounts folders."""

from __future__ import annotations

import ctypes
import os
import sys

_CLONE_NEWNS = 0x00020000  # unshare(2)
_MS_REC, _MS_SLAVE = 1 << 14, 1 << 19  # mount(2)
_MNT_DETACH, _NO_FOLLOW = 2, 8  # umount(2)


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


def unmount(folder: str, *, lazily: bool = False) -> bool:
    """Unmount a folder, and return whether that worked. Needs root. With `lazily`, a program may still use it."""
    if sys.platform != "linux":
        return False
    flags = _NO_FOLLOW | (_MNT_DETACH if lazily else 0)
    try:
        return not ctypes.CDLL(None, use_errno=True).umount2(os.fsencode(folder), flags)
    except AttributeError:  # a C library without this call
        return False
