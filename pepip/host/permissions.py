"""Modes and groups: read-only files in a store, and the mode and group that new files of a team's store get."""

from __future__ import annotations

import contextlib
import os
import stat
import sys

from pepip.errors import StoreError
from pepip.host import links
from pepip.host.transfer import replace_by_copy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_WRITE_BITS = stat.S_IWUSR | _OTHERS_WRITE


def make_folder(path: str, *, root_stat: os.stat_result, is_private: bool = False) -> None:
    """Make the folder `path` with the mode and group of `root_stat`, whatever the umask is.

    A folder that others may write gets the sticky bit: each user may add entries, but can't rename or remove
    another user's. A folder that `is_private` is writable for this user alone, and as readable as `root_stat`. Raises
    FileExistsError if `path` exists.
    """
    os.mkdir(path)
    if sys.platform == "win32":
        return
    mode = stat.S_IMODE(root_stat.st_mode)
    if is_private:
        mode &= ~(_OTHERS_WRITE | stat.S_ISVTX)
    elif mode & _OTHERS_WRITE:
        mode |= stat.S_ISVTX
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        made = os.fstat(descriptor)
        if made.st_gid != root_stat.st_gid:
            try:
                os.fchown(descriptor, -1, root_stat.st_gid)
            except PermissionError:
                mode &= ~stat.S_ISGID  # this user is not in that group: the folder keeps this user's group
        if stat.S_IMODE(made.st_mode) != mode:
            os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def ensure_directory(path: str, *, mode: int, owner_id: int, group_id: int) -> None:
    """Make the folder `path` if it is missing, and set its mode, its owner, and its group (-1 keeps the group).

    Raises StoreError if `path` is no folder, or if it is another user's and this user is not root.
    """
    try:
        os.mkdir(path)
    except FileExistsError:
        kind = stat.S_IFMT(os.lstat(path).st_mode)
        if kind == stat.S_IFLNK:
            raise StoreError(f"{path} is a link", hint="name the folder itself") from None
        if kind != stat.S_IFDIR:
            raise StoreError(f"{path} is no folder", hint="remove it") from None
    if sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if status.st_uid != os.geteuid() and os.geteuid() != 0:
            raise StoreError(f"{path} is another user's", hint="root can change its owner")
        if status.st_uid != owner_id or group_id not in {-1, status.st_gid}:
            os.fchown(descriptor, owner_id, group_id)
        if stat.S_IMODE(status.st_mode) != mode:
            os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def close_folder(path: str) -> bool:
    """Make a folder if it is missing, and let only this user enter it. Return whether all users could write it."""
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        mode = os.stat(path).st_mode
        if sys.platform != "win32" and mode & 0o077:
            os.chmod(path, 0o700)
            return bool(mode & stat.S_IWOTH)
    return False


def make_file_readable(descriptor: int, *, root_stat: os.stat_result) -> None:
    """Let all users who may read the folder `root_stat` read an open file, whatever the umask is."""
    if sys.platform != "win32":
        os.fchmod(descriptor, 0o600 | (stat.S_IMODE(root_stat.st_mode) & 0o044))


def seal_file(path: str, *, root_stat: os.stat_result) -> None:
    """Make one of the store's own files read-only, and readable for all users who may read `root_stat`."""
    if sys.platform == "win32":
        return
    status = os.lstat(path)
    mode = _readable(status, root_stat) & ~_WRITE_BITS
    if stat.S_IMODE(status.st_mode) != mode:
        os.chmod(path, mode)
    _carry_group(path, status, root_stat)


def sealed_mode(*, root_stat: os.stat_result, is_executable: bool = False) -> int:
    """Return the mode for a new file that `seal_file` then need not change, unless the umask has removed bits.

    On Windows the file stays writable: the system removes no file that is read-only.
    """
    if sys.platform == "win32":
        return 0o666
    mode = stat.S_IRUSR | (stat.S_IMODE(root_stat.st_mode) & 0o044)
    return mode | mode >> 2 if is_executable else mode


def share_file(
    path: str, status: os.stat_result, *, root_stat: os.stat_result, shares_inode: bool, serves_others: bool
) -> bool:
    """Make a file of a wheel readable for all users who may read `root_stat`, and writable for its owner alone.

    uv, too, leaves files writable for their owner. A file that `shares_inode` with uv's cache has the mode of the
    file there, which follows from the umask. The file stays unchanged if all users of the store can read it, and if
    it is not `too_writable` for a store that `serves_others`. Otherwise a copy replaces it. `status` is the status of
    the file, or of its source. Return False if nothing had to be done. The answer is the same for all files with the
    same mode, group and `shares_inode`.
    """
    if sys.platform == "win32":
        return False
    if shares_inode:
        if is_readable(status, root_stat=root_stat) and not too_writable(status.st_mode, serves_others=serves_others):
            return False
        replace_by_copy(path)
    mode = (_readable(status, root_stat) | stat.S_IWUSR) & ~_OTHERS_WRITE
    is_changed = mode != stat.S_IMODE(status.st_mode) or shares_inode
    if is_changed:
        os.chmod(path, mode)
    may_have_other_group = status.st_gid != root_stat.st_gid or os.getegid() != root_stat.st_gid
    if may_have_other_group:
        _carry_group(path, os.lstat(path), root_stat)
    return is_changed or may_have_other_group


def _readable(status: os.stat_result, root_stat: os.stat_result) -> int:
    """Return a file's mode with read permission for all who may read `root_stat`.

    If the owner may execute the file, all who may read it may execute it, too.
    """
    mode = stat.S_IMODE(status.st_mode) | stat.S_IRUSR | (stat.S_IMODE(root_stat.st_mode) & 0o044)
    return mode | (mode & 0o044) >> 2 if mode & stat.S_IXUSR else mode


def seal_folder(path: str, *, root_stat: os.stat_result, status: os.stat_result | None = None) -> None:
    """Make a folder read-only, and readable for all users who may read `root_stat`.

    If the caller knows the folder's mode and group, a `status` with these saves a system call.
    """
    _set_directory_mode(path, 0o500, root_stat, status)


@contextlib.contextmanager
def sealing(path: str, *, root_stat: os.stat_result) -> Iterator[None]:
    """After the body has renamed the folder at `path`, seal that folder. A new one at `path` is left alone."""
    if sys.platform == "win32":
        yield
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield
        _carry_group(descriptor, os.fstat(descriptor), root_stat)
        os.fchmod(descriptor, 0o500 | (stat.S_IMODE(root_stat.st_mode) & 0o055))
    finally:
        os.close(descriptor)


def unseal_folder(path: str, *, root_stat: os.stat_result, status: os.stat_result | None = None) -> None:
    """Make a folder writable for its owner alone, and readable for all users who may read `root_stat`.

    `status` is as in `seal_folder`.
    """
    _set_directory_mode(path, 0o700, root_stat, status)


def unsealed_mode(*, root_stat: os.stat_result) -> int:
    """Return the mode for a new folder that `unseal_folder` then need not change."""
    return 0o700 | (stat.S_IMODE(root_stat.st_mode) & 0o055)


def _set_directory_mode(path: str, own: int, root_stat: os.stat_result, status: os.stat_result | None) -> None:
    if sys.platform == "win32":
        return
    status = status or os.stat(path)
    _carry_group(path, status, root_stat)
    mode = own | (stat.S_IMODE(root_stat.st_mode) & 0o055)
    if stat.S_IMODE(status.st_mode) != mode or status.st_gid != root_stat.st_gid:
        os.chmod(path, mode)


def _carry_group(path: str | int, status: os.stat_result, root_stat: os.stat_result) -> None:
    if sys.platform != "win32" and status.st_gid != root_stat.st_gid:
        with contextlib.suppress(PermissionError):
            os.chown(path, -1, root_stat.st_gid)


def too_writable(mode: int, *, serves_others: bool) -> bool:
    """Tell whether users who must not change a file of an entry can write a file with this mode.

    In a store that `serves_others`, only the owner of a file may write it. In a store of one user, the user's group
    may write it, too: on many systems each user has a group of their own, and the umask lets that group write. A copy
    of each such file would take the space that the hard link saves.
    """
    if sys.platform == "win32":
        return False
    return bool(mode & (_OTHERS_WRITE if serves_others else stat.S_IWOTH))


def is_readable(status: os.stat_result, *, root_stat: os.stat_result) -> bool:
    """Tell whether all users who may read the folder `root_stat` may read the file."""
    mode, wanted = stat.S_IMODE(status.st_mode), stat.S_IMODE(root_stat.st_mode)
    everyone = bool(mode & stat.S_IROTH)
    the_group = bool(mode & stat.S_IRGRP) and status.st_gid == root_stat.st_gid
    if wanted & stat.S_IROTH:
        return everyone
    return everyone or the_group or not wanted & stat.S_IRGRP


def unseal_tree(path: str) -> None:
    """Make `path` and every folder below it writable for its owner, so that the tree can be moved or removed.

    On Windows every file, too: a wheel may hold files that are read-only, and the system removes none of these.
    Follows no link, even if somebody replaces a folder by one meanwhile.
    """
    if sys.platform == "win32":
        for folder, _, names in links.walk(path):
            os.chmod(folder, 0o700)
            for name in names:
                os.chmod(f"{folder}/{name}", 0o600)
        return
    for _, _, _, descriptor in os.fwalk(path):
        os.fchmod(descriptor, 0o700)


@contextlib.contextmanager
def writable(root: str, path: str) -> Iterator[None]:
    """Make the folder at `path` below `root` writable for its owner, so that the body can rename it.

    If the body fails, the mode is restored. Follows no link. Raises OSError if the folder is another user's.
    """
    if sys.platform == "win32":
        yield
        return
    from pepip.host import folders

    try:
        with folders.opened(root, path) as (name, above):
            descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
    except NotADirectoryError:
        yield  # a link or a file: its mode does not matter for a rename
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
