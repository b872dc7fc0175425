"""Making, reading and removing links. Nothing else in pepip makes one.

Directories are linked by a symbolic link, on Windows by a junction (which needs no privilege). Files are hard
links where source and link share a file system that allows it: a hard link costs no inode, and its real path is the
environment's. What stands for a file elsewhere may be a copy: its bytes tell.
"""

from __future__ import annotations

import errno
import os
import stat
import sys

from pepip import paths
from pepip.errors import VenvError

# EXDEV: another file system. EPERM: a file system without hard links, or protected_hardlinks on a file of
# another user. EMLINK: ext4 allows 65,000 links, NTFS 1,023. EACCES and ENOTSUP: some network file systems.
_NO_HARD_LINK = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP}
_NO_SYMBOLIC_LINK = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
_BLOCK_BYTES = 1 << 20
_PRIVILEGE_NOT_HELD = 1314  # Windows: symbolic links want Developer Mode


def link_directory(target: str, path: str, *, ready: str = "") -> None:
    """Make `path` a link to the directory `target`. Raises FileExistsError if something is there already.

    `ready` may be a symbolic link to the same, of which `path` becomes another name where it can.
    """
    if ready and share_inode(ready, path):
        return
    if sys.platform == "win32":
        import _winapi

        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        _winapi.CreateJunction(target.replace("/", "\\"), path.replace("/", "\\"))
    else:
        symbolic_link(target, path)


def link_file(target: str, path: str) -> bool:
    """Make `path` a hard link to the file `target`. Returns False, with nothing made, where there can be none.

    Raises FileExistsError if something is there already.
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
    """Tell whether two folders are on one device: else there is no hard link from one into the other."""
    try:
        return os.stat(folder).st_dev == os.stat(other).st_dev
    except FileNotFoundError:
        return False


def share_inode(source: str, path: str) -> bool:
    """Make `path` another name of the file or symbolic link `source`.

    Returns False, with nothing made, where that can't be had. Raises FileExistsError if something is at `path`.
    """
    try:
        os.link(source, path, follow_symlinks=False)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):
        return False
    return True


def symbolic_link(target: str, path: str) -> None:
    """Make `path` a symbolic link. Raises VenvError where the file system has none, or the system refuses them."""
    try:
        os.symlink(target, path)
    except OSError as error:
        if error.errno not in _NO_SYMBOLIC_LINK and getattr(error, "winerror", 0) != _PRIVILEGE_NOT_HELD:
            raise
        raise VenvError(
            f"cannot link {path}: its file system has no links, or the system refuses them",
            hint="put the project on a file system with links; on Windows, put it on the drive of the store",
        ) from error


def link_name(target: str, path: str, *, ready: str = "") -> None:
    """Make `path` a symbolic link to the file `target`, so that the link names it; a hard link where it must.

    `ready` is as in `link_directory`. Windows refuses symbolic links to plain users without Developer Mode, hence the
    second way.
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
    """Return what a symbolic link or junction points to, empty if `path` is neither."""
    try:
        target = os.readlink(path)
    except OSError:
        return ""
    if sys.platform == "win32":
        return target.removeprefix("\\\\?\\").replace("\\", "/")
    return target


def is_link(child: os.DirEntry[str]) -> bool:
    """Tell whether a child of a scanned folder is a symbolic link, or a junction."""
    return child.is_symlink() or (sys.platform == "win32" and bool(read_link(child.path)))


def is_link_to(path: str, target: str) -> bool:
    """Tell whether `path` already is a link to `target`, of whichever kind."""
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
    """Tell whether `path` is a regular file that has the bytes of the file `target`."""
    try:
        found, wanted = os.lstat(path), os.lstat(target)
    except OSError:
        return False
    are_alike = stat.S_ISREG(found.st_mode) and stat.S_ISREG(wanted.st_mode) and found.st_size == wanted.st_size
    return are_alike and _starts_alike(path, target)


def is_begun_copy(path: str, target: str) -> bool:
    """Tell whether `path` is a hard link to the file `target`, or a copy of it, perhaps one that was not finished."""
    try:
        found, wanted = os.lstat(path), os.stat(target)
    except OSError:
        return False
    return os.path.samestat(found, wanted) or (stat.S_ISREG(found.st_mode) and _starts_alike(path, target))


def _starts_alike(path: str, target: str) -> bool:
    """Tell whether a file's bytes are the first ones, or all, of `target`."""
    try:
        with open(path, "rb") as one, open(target, "rb") as other:
            while block := one.read(_BLOCK_BYTES):
                if other.read(len(block)) != block:
                    return False
    except OSError:
        return False
    return True


def is_reached(root: str, path: str, is_real: dict[str, bool]) -> bool:
    """Tell whether no folder above the relative `path` is a link. `is_real` remembers what was asked before."""
    for folder in paths.ancestors(path):
        if folder not in is_real:
            is_real[folder] = not read_link(f"{root}/{folder}")
        if not is_real[folder]:
            return False
    return True


def leads_to(path: str, target: str) -> bool:
    """Tell whether `path` is the file or folder `target` by another name, or a link that ends there."""
    try:
        return os.path.samefile(path, target)
    except OSError:
        return False


def unlink(path: str) -> bool:
    """Remove the link `path` and never what it points to. Returns False if nothing was there."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    except (IsADirectoryError, PermissionError):
        if sys.platform != "win32":
            raise
        os.rmdir(path)  # a junction is removed as the directory that it pretends to be
    return True


def kinds(folder: str) -> list[str]:
    """Return which kinds of links the file system of `folder` has, by making one of each and removing it again."""
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
