"""Making, reading and removing links. No other module makes links, except `transfer`: hard links between files.

A folder is linked by a symbolic link, on Windows by a junction, which needs no privilege. A file is linked by a hard
link if source and link share a file system that allows it: a hard link costs no inode, and its real path lies in the
environment. On other file systems a file may be copied; then its bytes tell which file it is a copy of.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys

from pepip import paths
from pepip.errors import VenvError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# EXDEV: another file system. EPERM: a file system without hard links, or protected_hardlinks on a file of
# another user. EMLINK: ext4 allows 65,000 links, NTFS 1,023. EACCES and ENOTSUP: some network file systems.
_NO_HARD_LINK = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP}
_NO_SYMBOLIC_LINK = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
if sys.platform == "win32":  # Python has no other number for "too many links", "not supported", "no such function"
    _NO_HARD_LINK.add(errno.EINVAL)
    _NO_SYMBOLIC_LINK.add(errno.EINVAL)
_DISK_FAULTS = {errno.EIO, errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}  # a copy would fail, too
_BLOCK_BYTES = 1 << 20
_PRIVILEGE_NOT_HELD = 1314  # Windows: symbolic links need Developer Mode


def link_directory(target: str, path: str, *, ready: str = "") -> None:
    """Make `path` a link to the folder `target`. Raises FileExistsError if something is there already.

    `ready` may be a symbolic link to the same folder. If possible, `path` becomes a hard link to `ready`.
    """
    if ready and share_inode(ready, path):
        return
    if sys.platform == "win32":
        import _winapi

        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        try:
            _winapi.CreateJunction(target.replace("/", "\\"), path.replace("/", "\\"))
        except OSError:
            with contextlib.suppress(OSError):
                os.rmdir(path)  # the empty folder that is left where the file system has no junctions
            raise
    else:
        symbolic_link(target, path)


def link_file(target: str, path: str) -> bool:
    """Make `path` a hard link to the file `target`. Return False, with nothing made, if that is not possible.

    Raises FileExistsError if something is at `path` already.
    """
    try:
        os.link(target, path, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_HARD_LINK:
            raise
        return False
    return True


def share_device(folder: str, other: str) -> bool:
    """Tell whether two folders are on one device. If not, no hard link can lead from one into the other."""
    try:
        return os.stat(folder).st_dev == os.stat(other).st_dev
    except FileNotFoundError:
        return False


def share_inode(source: str, path: str) -> bool:
    """Make `path` a hard link to the file or symbolic link `source`.

    Return False, with nothing made, if that is not possible. Raises FileExistsError if something is at `path`, and
    OSError for a fault of the disk (EIO, ENOSPC).
    """
    try:
        os.link(source, path, follow_symlinks=False)
    except FileExistsError:
        raise
    except NotImplementedError:
        return False
    except OSError as error:
        if error.errno in _DISK_FAULTS:
            raise
        return False
    return True


def symbolic_link(target: str, path: str) -> None:
    """Make `path` a symbolic link. Raises VenvError if the file system has none, or the system refuses them."""
    try:
        os.symlink(target, path)
    except OSError as error:
        if error.errno not in _NO_SYMBOLIC_LINK and getattr(error, "winerror", 0) != _PRIVILEGE_NOT_HELD:
            raise
        raise VenvError(
            f"cannot link {path}: its file system has no links, or the system refuses them",
            hint="put the project on a file system with links; on Windows, put it on the drive of the store",
        ) from error


def link_by_name(target: str, path: str, *, ready: str = "") -> None:
    """Make `path` a symbolic link to the file `target`, or a hard link where a symbolic link is not possible.

    A symbolic link names its target, and a hard link does not. `ready` is as in `link_directory`. The hard link is
    for file systems without symbolic links, and for Windows without Developer Mode, where plain users can't make
    them.
    """
    if ready and share_inode(ready, path):
        return
    try:
        os.symlink(target, path)
    except FileExistsError:
        raise
    except OSError as error:
        if sys.platform != "win32" and error.errno not in {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP}:
            raise
        os.link(target, path)


def read_link(path: str) -> str:
    """Return the target of a symbolic link or junction, empty if `path` is neither."""
    try:
        target = os.readlink(path)
    except OSError:
        return ""
    if sys.platform == "win32":
        if target.startswith("\\\\?\\UNC\\"):  # a network share
            target = "\\" + target[7:]
        return target.removeprefix("\\\\?\\").replace("\\", "/")
    return target


def status_of(child: os.DirEntry[str]) -> os.stat_result:
    """Return the status of a child of a scanned folder. A link is not followed.

    On Windows, `DirEntry.stat` knows neither the inode nor the device nor the number of hard links.
    """
    return os.lstat(child.path) if sys.platform == "win32" else child.stat(follow_symlinks=False)


def inode_at(path: str) -> int:
    """Return the number of the inode at a path, 0 if nothing is there. A link is not followed."""
    try:
        return os.lstat(path).st_ino
    except FileNotFoundError:
        return 0


def is_folder(status: os.stat_result) -> bool:
    """Tell whether a status, from `lstat` or `status_of`, is that of a real folder. A junction of Windows is none."""
    if sys.platform == "win32" and status.st_reparse_tag == stat.IO_REPARSE_TAG_MOUNT_POINT:
        return False
    return stat.S_ISDIR(status.st_mode)


def walk(top: str, *, topdown: bool = True) -> Iterator[tuple[str, list[str], list[str]]]:
    """Walk as `os.walk` does, with `/` between the parts of each path, and enter no link.

    On Windows, `os.walk` enters junctions before Python 3.12. They are among the folders, as links are.
    """
    if sys.platform != "win32":
        return os.walk(top, topdown)
    return _walk_on_windows(top) if topdown else reversed(list(_walk_on_windows(top)))


def _walk_on_windows(top: str) -> Iterator[tuple[str, list[str], list[str]]]:
    for folder, folders, names in os.walk(top):
        entered = paths.slashed(folder)
        yield entered, folders, names
        folders[:] = [name for name in folders if not read_link(f"{entered}/{name}")]


def is_link(child: os.DirEntry[str]) -> bool:
    """Tell whether a child of a scanned folder is a symbolic link or a junction."""
    return child.is_symlink() or (sys.platform == "win32" and bool(read_link(child.path)))


def is_link_to(path: str, target: str) -> bool:
    """Tell whether `path` is a symbolic link, a junction or a hard link to `target`."""
    existing = read_link(path)
    if existing:
        return existing == target
    try:
        found, wanted = os.lstat(path), os.stat(target)
    except OSError:
        return False
    return os.path.samestat(found, wanted)


def stands_for(path: str, target: str) -> bool:
    """Tell whether `path` is a link to the file or folder `target`, or a copy of that file."""
    return is_link_to(path, target) or is_copy(path, target)


def is_copy(path: str, target: str) -> bool:
    """Tell whether `path` is a regular file with the same bytes as the file `target`."""
    try:
        found, wanted = os.lstat(path), os.lstat(target)
    except OSError:
        return False
    are_alike = stat.S_ISREG(found.st_mode) and stat.S_ISREG(wanted.st_mode) and found.st_size == wanted.st_size
    return are_alike and _starts_alike(path, target)


def may_be_copy_in_progress(path: str, target: str) -> bool:
    """Tell whether `path` is a hard link to the file `target`, or a complete or unfinished copy of it."""
    try:
        found, wanted = os.lstat(path), os.stat(target)
    except OSError:
        return False
    return os.path.samestat(found, wanted) or (stat.S_ISREG(found.st_mode) and _starts_alike(path, target))


def _starts_alike(path: str, target: str) -> bool:
    """Tell whether `target` begins with all bytes of the file `path`."""
    try:
        with open(path, "rb") as one, open(target, "rb") as other:
            while block := one.read(_BLOCK_BYTES):
                if other.read(len(block)) != block:
                    return False
    except OSError:
        return False
    return True


def is_below_real_folders(root: str, path: str, is_real: dict[str, bool]) -> bool:
    """Tell whether no folder between `root` and the relative `path` is a link. `is_real` caches answers by folder."""
    for folder in paths.ancestors(path):
        if folder not in is_real:
            is_real[folder] = not read_link(f"{root}/{folder}")
        if not is_real[folder]:
            return False
    return True


def leads_to(path: str, target: str) -> bool:
    """Tell whether `path` is the same file or folder as `target`, directly or by links."""
    try:
        return os.path.samefile(path, target)
    except OSError:
        return False


def unlink(path: str) -> bool:
    """Remove the link `path`, and never its target. Return False if nothing was there."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    except (IsADirectoryError, PermissionError):
        if sys.platform != "win32" or not stat.S_ISDIR(os.lstat(path).st_mode):
            raise  # on Windows, a file that a program has loaded can't be removed
        os.rmdir(path)  # a junction is removed like a folder
    return True


def kinds(folder: str) -> list[str]:
    """Return the kinds of links that the file system of `folder` has. Makes one of each, and removes it again."""
    source, path = f"{folder}/link-source", f"{folder}/link"
    with open(source, "w", encoding="utf-8"):
        pass
    found = []
    for kind, make in (("hard links", os.link), ("symbolic links", os.symlink)):
        try:
            make(source, path)
        except OSError:
            continue
        os.unlink(path)
        found.append(kind)
    os.unlink(source)
    return found
