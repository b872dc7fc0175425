"""Rights: whether this user, or others, may change, remove, reach or run a file, and why not. Changes nothing."""

from __future__ import annotations

import os
import stat
import sys


def is_own(path: str) -> bool:
    """Tell whether a file or folder is this user's own, and not a link."""
    return owns(path) and (sys.platform == "win32" or not os.path.islink(path))


def owns(path: str) -> bool:
    """Tell whether the file, folder or link at `path` is this user's own. A link is not followed."""
    if sys.platform == "win32":
        return os.access(path, os.W_OK)
    try:
        return os.lstat(path).st_uid == os.geteuid()
    except OSError:
        return False


def may_change(folder: str) -> bool:
    """Tell whether this user may make files in a folder. Root may do so only in root's own folders.

    In another user's folder root would make files that this other user can't change any more.
    """
    if not os.access(folder, os.W_OK | os.X_OK):
        return False
    return sys.platform == "win32" or os.geteuid() != 0 or os.stat(folder).st_uid == 0


def may_remove(path: str) -> bool:
    """Tell whether this user may remove the file or folder at `path`.

    The folder around it must be writable. If that folder has the sticky bit, only the owner of `path`, the owner of
    the folder and root may remove it. If `path` is a folder of another user, it must be writable, too, because moving
    or emptying a folder changes it.
    """
    if sys.platform == "win32":
        return os.access(path, os.W_OK)
    try:
        status, above = os.lstat(path), os.stat(os.path.dirname(path))
    except FileNotFoundError:
        return False
    if not os.access(os.path.dirname(path), os.W_OK | os.X_OK):
        return False
    if status.st_uid == os.geteuid():
        return True
    if above.st_mode & stat.S_ISVTX and os.geteuid() not in {0, above.st_uid}:
        return False
    return not stat.S_ISDIR(status.st_mode) or os.access(path, os.W_OK)


def closed_to_others(path: str) -> str:
    """Return the topmost folder on the way to `path` that other users can't enter, empty if they can enter all."""
    if sys.platform == "win32":
        return ""
    parts = os.path.realpath(path).split("/")
    folders = ("/".join(parts[:count]) for count in range(2, len(parts) + 1))
    return next((folder for folder in folders if not os.stat(folder).st_mode & stat.S_IXOTH), "")


def gives_rights(path: str, status: os.stat_result) -> bool:
    """Tell whether a file gives rights to whoever runs it: by set-user-ID, set-group-ID or a capability.

    `status` is the file's status. A link to another file with the same bytes would not give these rights, or would
    give them to more users.
    """
    if status.st_mode & (stat.S_ISUID | stat.S_ISGID):
        return True
    if not status.st_mode & stat.S_IXUSR or not hasattr(os, "getxattr"):
        return False
    try:
        return bool(os.getxattr(path, "security.capability", follow_symlinks=False))
    except (OSError, ValueError):
        return False


def obstacle_to_changing(folder: str) -> str:
    """Return a sentence that says why this user can't make and remove files in a folder, empty if the user can.

    Asks the system, so that access lists, capabilities and read-only disks count. The folder must exist.
    """
    if os.access(folder, os.W_OK | os.X_OK):
        return ""
    return _why_not_writable(folder)


def obstacle_to_removing(path: str) -> str:
    """Return a sentence that says why this user can't remove or move the file or folder at `path`.

    Empty if the user can, or if nothing is at `path`. The caller has checked the folder around it already.
    """
    if sys.platform == "win32":
        return ""
    try:
        status = os.lstat(path)
    except OSError:
        return ""
    above = os.stat(os.path.dirname(path))
    me = os.geteuid()
    if above.st_mode & stat.S_ISVTX and me and me not in {status.st_uid, above.st_uid}:
        return f"{path} belongs to {name_of(status.st_uid)}, and its folder lets only owners remove files"
    is_special = not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode))
    if not is_special and not os.access(path, os.W_OK) and _is_immutable(path):
        return f"{path} is marked as immutable"
    return ""


def _why_not_writable(path: str) -> str:
    if sys.platform == "win32":
        return f"no permission to write {path}"
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return f"{path} is on a disk that is read-only"
    if _is_immutable(path):
        return f"{path} is marked as immutable"
    owner = os.lstat(path).st_uid
    whose = "" if owner == os.geteuid() else f", which belongs to {name_of(owner)}"
    return f"no permission to write {path}{whose}"


def other_owner(path: str) -> str:
    """Return the name of the owner of the file or folder at `path`, empty if this user owns it, or on Windows."""
    owner = os.lstat(path).st_uid
    return "" if sys.platform == "win32" or owner == os.geteuid() else name_of(owner)


def name_of(user_id: int) -> str:
    """Return the name of a user, or `user` and the number if the user has no name; on Windows the number alone."""
    if sys.platform == "win32":
        return str(user_id)
    import pwd

    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return f"user {user_id}"


def _is_immutable(path: str) -> bool:
    """Tell whether a file or folder has the flag that makes it immutable or append-only."""
    if sys.platform == "win32":
        return False
    if sys.platform != "linux":
        immutable = stat.UF_IMMUTABLE | stat.SF_IMMUTABLE | stat.UF_APPEND | stat.SF_APPEND
        return bool(getattr(os.lstat(path), "st_flags", 0) & immutable)
    import fcntl
    import struct

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        flags: int = struct.unpack("l", fcntl.ioctl(descriptor, _GET_FLAGS, bytes(struct.calcsize("l"))))[0]
    except OSError:  # a file system without such flags
        return False
    finally:
        os.close(descriptor)
    return bool(flags & _IMMUTABLE)


_GET_FLAGS = 0x80086601 if sys.maxsize > 1 << 32 else 0x80046601  # ioctl_iflags(2)
_IMMUTABLE = 0x10 | 0x20  # FS_IMMUTABLE_FL, FS_APPEND_FL
