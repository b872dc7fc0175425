"""Modes and groups: what is read-only in a store, and what a team's store carries to all that is made in it."""

from __future__ import annotations

import contextlib
import os
import stat
import sys

from pepip.errors import StoreError
from pepip.host import folders
from pepip.host.transfer import replace_by_copy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_WRITE_BITS = stat.S_IWUSR | _OTHERS_WRITE


def make_directory(path: str, *, like: os.stat_result, is_private: bool = False) -> None:
    """Make the directory `path` with the mode and group of `like`, whatever the umask says.

    One that a group may write gets the sticky bit: each user adds entries, none can rename or remove another's. One
    that `is_private` can be read by all, and only this user writes it. Raises FileExistsError if it exists.
    """
    os.mkdir(path)
    if sys.platform == "win32":
        return
    mode = stat.S_IMODE(like.st_mode)
    if is_private:
        mode &= ~(_OTHERS_WRITE | stat.S_ISVTX)
    elif mode & _OTHERS_WRITE:
        mode |= stat.S_ISVTX
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        made = os.fstat(descriptor)
        if made.st_gid != like.st_gid:
            try:
                os.fchown(descriptor, -1, like.st_gid)
            except PermissionError:
                mode &= ~stat.S_ISGID  # not a member of that group: the directory stays this user's own
        if stat.S_IMODE(made.st_mode) != mode:
            os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def found_directory(path: str, *, mode: int, owner_id: int, group_id: int) -> None:
    """Make the directory `path`, with a mode, an owner, and a group unless that is below zero.

    One that is there stays. Raises StoreError if a link is, or if it is another user's and can't be given away.
    """
    try:
        os.mkdir(path)
    except FileExistsError:
        if stat.S_ISLNK(os.lstat(path).st_mode):
            raise StoreError(f"{path} is a link", hint="name the folder itself") from None
    if sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if status.st_uid != os.geteuid() and os.geteuid() != 0:
            raise StoreError(f"{path} is another user's", hint="root can make it the owner's")
        if status.st_uid != owner_id or group_id not in {-1, status.st_gid}:
            os.fchown(descriptor, owner_id, group_id)
        if stat.S_IMODE(status.st_mode) != mode:
            os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def make_file_readable(descriptor: int, *, like: os.stat_result) -> None:
    """Let everyone who may read the directory `like` read an open file, whatever the umask says."""
    if sys.platform != "win32":
        os.fchmod(descriptor, 0o600 | (stat.S_IMODE(like.st_mode) & 0o044))


def seal_file(path: str, *, like: os.stat_result) -> None:
    """Make a file of the store's own read-only, and readable to whom `like` is."""
    if sys.platform == "win32":
        return
    status = os.lstat(path)
    os.chmod(path, _readable(status, like) & ~_WRITE_BITS)
    _carry_group(path, status, like)


def share_file(path: str, status: os.stat_result, *, like: os.stat_result, shares_inode: bool) -> bool:
    """Make a file of a wheel readable to whom `like` is, and writable for its owner alone, as uv makes it.

    One that `shares_inode` with uv's cache shares its mode with it, too: it is left as it is, unless another user of
    the store could not read it, or could write it. Then the store takes a copy. `status` is that of the file, or of
    the one it was made from. Returns False if nothing was to be done, as for all files of the same mode and group
    that came in the same way.
    """
    if sys.platform == "win32":
        return False
    if shares_inode:
        if is_readable(status, like=like) and not _is_writable_by_others(status, like=like):
            return False
        replace_by_copy(path)
    mode = (_readable(status, like) | stat.S_IWUSR) & ~_OTHERS_WRITE
    is_changed = mode != stat.S_IMODE(status.st_mode) or shares_inode
    if is_changed:
        os.chmod(path, mode)
    may_have_other_group = status.st_gid != like.st_gid or os.getegid() != like.st_gid
    if may_have_other_group:
        _carry_group(path, os.lstat(path), like)
    return is_changed or may_have_other_group


def _readable(status: os.stat_result, like: os.stat_result) -> int:
    """Return a file's mode with what lets those read it who may read `like`, and run it if its owner may."""
    mode = stat.S_IMODE(status.st_mode) | stat.S_IRUSR | (stat.S_IMODE(like.st_mode) & 0o044)
    return mode | (mode & 0o044) >> 2 if mode & stat.S_IXUSR else mode


def seal_directory(path: str, *, like: os.stat_result) -> None:
    """Make a directory read-only, and readable to whom `like` is."""
    _set_directory_mode(path, 0o500, like)


@contextlib.contextmanager
def sealing(path: str, *, like: os.stat_result) -> Iterator[None]:
    """Seal the directory `path` once the body has renamed it: that very directory, whatever is at its place then."""
    if sys.platform == "win32":
        yield
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield
        _carry_group(descriptor, os.fstat(descriptor), like)
        os.fchmod(descriptor, 0o500 | (stat.S_IMODE(like.st_mode) & 0o055))
    finally:
        os.close(descriptor)


def open_directory(path: str, *, like: os.stat_result) -> None:
    """Make a directory writable for its owner alone, and readable to whom `like` is."""
    _set_directory_mode(path, 0o700, like)


def _set_directory_mode(path: str, own: int, like: os.stat_result) -> None:
    if sys.platform != "win32":
        _carry_group(path, os.stat(path), like)
        os.chmod(path, own | (stat.S_IMODE(like.st_mode) & 0o055))


def _carry_group(path: str | int, status: os.stat_result, like: os.stat_result) -> None:
    if sys.platform != "win32" and status.st_gid != like.st_gid:
        with contextlib.suppress(PermissionError):
            os.chown(path, -1, like.st_gid)


def _is_writable_by_others(status: os.stat_result, *, like: os.stat_result) -> bool:
    """Tell whether another user of a shared store could write the file."""
    is_shared = like.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return bool(is_shared and status.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def is_readable(status: os.stat_result, *, like: os.stat_result) -> bool:
    """Tell whether everyone who may enter the directory `like` may read the file."""
    mode, wanted = stat.S_IMODE(status.st_mode), stat.S_IMODE(like.st_mode)
    everyone = bool(mode & stat.S_IROTH)
    the_group = bool(mode & stat.S_IRGRP) and status.st_gid == like.st_gid
    if wanted & stat.S_IROTH:
        return everyone
    return everyone or the_group or not wanted & stat.S_IRGRP


def unseal_tree(path: str) -> None:
    """Make every directory below `path` writable for its owner, so that the tree can be moved or removed.

    No link is followed, also if somebody puts one in a directory's place meanwhile.
    """
    if sys.platform == "win32":
        for folder, _, _ in os.walk(path):
            os.chmod(folder, 0o700)
        return
    for _, _, _, descriptor in os.fwalk(path):
        os.fchmod(descriptor, 0o700)


@contextlib.contextmanager
def writable(root: str, path: str) -> Iterator[None]:
    """Let the owner of the directory at `path` below `root` rename it in the body.

    Its mode is restored if that fails. No link is followed. Raises OSError if the directory is another user's.
    """
    if sys.platform == "win32":
        yield
        return
    try:
        with folders.opened(root, path) as (name, above):
            descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
    except NotADirectoryError:
        yield  # a link, or a file: it needs no mode to be renamed
        return
    try:
        mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
        os.fchmod(descriptor, mode | 0o200)
        try:
            yield
        except BaseException:
            os.fchmod(descriptor, mode)
            raise
    finally:
        os.close(descriptor)


def is_own(path: str) -> bool:
    """Tell whether a file or folder is this user's own, and no link."""
    return owns(path) and (sys.platform == "win32" or not os.path.islink(path))


def owns(path: str) -> bool:
    """Tell whether what is at a path is this user's own: of a link, the link itself."""
    if sys.platform == "win32":
        return os.access(path, os.W_OK)
    try:
        return os.lstat(path).st_uid == os.geteuid()
    except OSError:
        return False


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


def closed_to_others(path: str) -> str:
    """Return the topmost folder of a path that other users can't enter, empty if they can reach what is at `path`."""
    if sys.platform == "win32":
        return ""
    parts = os.path.realpath(path).split("/")
    folders = ("/".join(parts[:count]) for count in range(2, len(parts) + 1))
    return next((folder for folder in folders if not os.stat(folder).st_mode & stat.S_IXOTH), "")


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
        return f"{path} belongs to {name_of(status.st_uid)}, and its folder lets owners alone remove files"
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
    whose = "" if owner == os.geteuid() else f", which belongs to {name_of(owner)}"
    return f"no permission to write {path}{whose}"


def other_owner(path: str) -> str:
    """Return the name of the user to whom something belongs, empty if that is this user or nobody can tell."""
    owner = os.lstat(path).st_uid
    return "" if sys.platform == "win32" or owner == os.geteuid() else name_of(owner)


def name_of(user_id: int) -> str:
    """Return the name of a user, or words with the number of one who has none."""
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
