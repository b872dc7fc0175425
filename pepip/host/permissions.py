"""Modes and groups: read-only entries, and a team's store whose group and mode carry to what is made in it."""

from __future__ import annotations

import contextlib
import os
import stat
import sys

from pepip.host.transfer import replace_by_copy

_WRITE_BITS = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


def make_directory(path: str, *, like: os.stat_result, only_owner_removes: bool) -> None:
    """Make the directory `path` with the mode and group of `like`, whatever the umask says.

    With `only_owner_removes` a directory that a group may write gets the sticky bit: each user adds entries,
    none can rename or remove another's. Raises FileExistsError if it exists.
    """
    os.mkdir(path)
    if sys.platform == "win32":
        return
    mode = stat.S_IMODE(like.st_mode)
    if only_owner_removes and mode & (stat.S_IWGRP | stat.S_IWOTH):
        mode |= stat.S_ISVTX
    made = os.stat(path)
    if made.st_gid != like.st_gid:
        try:
            os.chown(path, -1, like.st_gid)
        except PermissionError:
            mode &= ~stat.S_ISGID  # not a member of that group: the directory stays this user's own
    if stat.S_IMODE(made.st_mode) != mode:
        os.chmod(path, mode)


def make_file_readable(path: str, *, like: os.stat_result) -> None:
    """Let everyone who may read the directory `like` read the file `path`, whatever the umask says."""
    if sys.platform == "win32":
        return
    mode = 0o600 | (stat.S_IMODE(like.st_mode) & 0o044)
    os.chmod(path, mode)


def seal_file(path: str, status: os.stat_result, *, like: os.stat_result, shares_inode: bool) -> bool:
    """Make a file read-only if its bytes are the store's alone, and readable to whom `like` is.

    One that `shares_inode` with uv's cache shares its mode with it, where uv may want to write: it is left as it is,
    unless another user of the store could not read it, or could write it. Then the store takes a copy. `status` is
    that of the file, or of the one it was made from. Returns False if nothing was to be done, as for all files of the
    same mode and group that came in the same way.
    """
    if sys.platform == "win32":
        return False
    mode = stat.S_IMODE(status.st_mode)
    readable = mode | 0o400 | (stat.S_IMODE(like.st_mode) & 0o044)
    if readable & stat.S_IXUSR:
        readable |= (readable & 0o044) >> 2
    group = status.st_gid
    if shares_inode:
        if _is_readable(status, like=like) and not _is_writable_by_others(status, like=like):
            return False
        replace_by_copy(path)
    is_changed = readable & ~_WRITE_BITS != mode or shares_inode
    if is_changed:
        os.chmod(path, readable & ~_WRITE_BITS)
    may_have_other_group = group != like.st_gid or os.getegid() != like.st_gid
    if may_have_other_group:
        _carry_group(path, os.lstat(path), like)
    return is_changed or may_have_other_group


def seal_directory(path: str, *, like: os.stat_result) -> None:
    """Make a directory read-only, and readable to whom `like` is."""
    _set_directory_mode(path, 0o500, like)


def open_directory(path: str, *, like: os.stat_result) -> None:
    """Make a directory writable for its owner alone, and readable to whom `like` is."""
    _set_directory_mode(path, 0o700, like)


def _set_directory_mode(path: str, own: int, like: os.stat_result) -> None:
    if sys.platform != "win32":
        _carry_group(path, os.stat(path), like)
        os.chmod(path, own | (stat.S_IMODE(like.st_mode) & 0o055))


def _carry_group(path: str, status: os.stat_result, like: os.stat_result) -> None:
    if sys.platform != "win32" and status.st_gid != like.st_gid:
        with contextlib.suppress(PermissionError):
            os.chown(path, -1, like.st_gid)


def _is_writable_by_others(status: os.stat_result, *, like: os.stat_result) -> bool:
    """Tell whether another user of a shared store could write the file."""
    is_shared = like.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return bool(is_shared and status.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def _is_readable(status: os.stat_result, *, like: os.stat_result) -> bool:
    """Tell whether everyone who may enter the directory `like` may read the file."""
    mode, wanted = stat.S_IMODE(status.st_mode), stat.S_IMODE(like.st_mode)
    everyone = bool(mode & stat.S_IROTH)
    the_group = bool(mode & stat.S_IRGRP) and status.st_gid == like.st_gid
    if wanted & stat.S_IROTH:
        return everyone
    return everyone or the_group or not wanted & stat.S_IRGRP


def unseal_tree(path: str) -> None:
    """Make every directory below `path` writable for its owner, so that the tree can be moved or removed."""
    for folder, _, _ in os.walk(path):
        os.chmod(folder, 0o700)


def may_change(folder: str) -> bool:
    """Tell whether this user may make files in a folder, and is root there only in what is root's.

    What root makes in another user's folder that user could not change any more.
    """
    if not os.access(folder, os.W_OK | os.X_OK):
        return False
    return sys.platform == "win32" or os.geteuid() != 0 or os.stat(folder).st_uid == 0


def may_remove(path: str) -> bool:
    """Tell whether this user may remove what is at `path`: its owner may, and who has power over others' files.

    A file also goes by who owns its folder, or may write it where it has no sticky bit; a folder must be opened.
    """
    if sys.platform == "win32":
        return os.access(path, os.W_OK)
    try:
        status, above = os.lstat(path), os.stat(os.path.dirname(path))
    except FileNotFoundError:
        return False
    if not os.access(os.path.dirname(path), os.W_OK | os.X_OK):
        return False
    if status.st_uid == os.geteuid() or os.access(path, os.W_OK):
        return True
    is_free = not above.st_mode & stat.S_ISVTX or above.st_uid == os.geteuid()
    return is_free and not stat.S_ISDIR(status.st_mode)


def obstacle_to_changing(folder: str) -> str:
    """Return in a sentence why this user can't make and remove files in an existing folder, empty if they can.

    The system is asked for what it would say, so that access lists, capabilities and read-only disks count.
    """
    if os.access(folder, os.W_OK | os.X_OK):
        return ""
    return _reason(folder)


def obstacle_to_removing(path: str) -> str:
    """Return in a sentence why this user can't remove or move what is at `path` from a folder that they may change.

    Empty if they can, or if nothing is there.
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
        return f"{path} belongs to {_name_of(status.st_uid)}, and its folder lets owners alone remove files"
    is_special = not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode))
    if not is_special and not os.access(path, os.W_OK) and _is_fixed(path):
        return f"{path} is marked as immutable"
    return ""


def _reason(path: str) -> str:
    if sys.platform == "win32":
        return f"no permission to write {path}"
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return f"{path} is on a disk that is read-only"
    if _is_fixed(path):
        return f"{path} is marked as immutable"
    owner = os.lstat(path).st_uid
    whose = "" if owner == os.geteuid() else f", which belongs to {_name_of(owner)}"
    return f"no permission to write {path}{whose}"


def other_owner(path: str) -> str:
    """Return the name of the user to whom something belongs, empty if that is this user or nobody can tell."""
    owner = os.lstat(path).st_uid
    return "" if sys.platform == "win32" or owner == os.geteuid() else _name_of(owner)


def _name_of(user_id: int) -> str:
    if sys.platform == "win32":
        return str(user_id)
    import pwd

    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return f"user {user_id}"


def _is_fixed(path: str) -> bool:
    """Tell whether a file or folder has the flag that lets nobody change or remove it, or only add to it."""
    if sys.platform == "win32":
        return False
    if sys.platform != "linux":
        fixed = stat.UF_IMMUTABLE | stat.SF_IMMUTABLE | stat.UF_APPEND | stat.SF_APPEND
        return bool(getattr(os.lstat(path), "st_flags", 0) & fixed)
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
    return bool(flags & _FIXED)


_GET_FLAGS = 0x80086601 if sys.maxsize > 1 << 32 else 0x80046601  # ioctl_iflags(2)
_FIXED = 0x10 | 0x20  # FS_IMMUTABLE_FL, FS_APPEND_FL
