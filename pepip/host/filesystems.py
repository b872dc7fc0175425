"""File systems: device, mount point and identity of a folder, flushing to disk, removing a tree."""

from __future__ import annotations

import errno
import os
import sys

from pepip import early_imports
from pepip.fast_namedtuple import NamedTuple

FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
"""The errno values of a disk that is full."""


def flush(path: str) -> None:
    """Write to disk everything that the file system of `path` still keeps in memory.

    One call for a staged batch costs far less than one call for each file. Without `syncfs`, all file systems are
    flushed; on Windows, none. Raises OSError if the disk did not take some of the data; Linux reports that only once.
    """
    if sys.platform == "linux":
        import ctypes

        descriptor = os.open(path, os.O_RDONLY)
        try:
            failed = ctypes.CDLL(None, use_errno=True).syncfs(descriptor)
            if failed and ctypes.get_errno() != errno.ENOSYS:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), path)
        except AttributeError:  # a C library without syncfs
            failed = 1
        finally:
            os.close(descriptor)
        if failed:
            os.sync()
    elif sys.platform != "win32":
        os.sync()


def prepare_to_flush() -> None:
    """Import the module that `flush` needs, so that a flushing thread never holds the lock of an import."""
    if sys.platform == "linux":
        early_imports.load("ctypes")


def memory_folder() -> str:
    """Return a folder in memory (tmpfs) where this user may make folders; empty if there is none, or too little room.

    Making and removing thousands of files there takes a tenth of the time that a disk takes.
    """
    place = "/dev/shm"
    if sys.platform != "linux" or not os.access(place, os.W_OK | os.X_OK):
        return ""
    try:
        with open("/proc/self/mountinfo", "rb") as file:
            is_memory = any(line.split()[4] == place.encode() and b" - tmpfs " in line for line in file)
        free = os.statvfs(place)
    except (OSError, IndexError):
        return ""
    return place if is_memory and free.f_favail and free.f_bavail * free.f_frsize > _LEAST_FREE_BYTES else ""


_LEAST_FREE_BYTES = 32 << 20


def free_share(path: str) -> float:
    """Return the share of the file system of `path` that is free for this user, 0 to 1. Quotas don't count.

    0 if the system does not tell it.
    """
    import shutil

    try:
        usage = shutil.disk_usage(path)
    except OSError:
        return 0.0
    return usage.free / usage.total if usage.total else 0.0


class Mount(NamedTuple):
    """A mount, as Linux lists it: mount point, root (the mounted folder of the file system), kind and source."""

    point: str
    root: str
    kind: str
    source: str


def mount_point(path: str) -> str:
    """Return the mount point of the file system that holds the existing folder `path`. Bind mounts count."""
    return _mount_of(os.path.realpath(path), _mounts()).point


def mount_points() -> list[str]:
    """Return the mount points of this process, sorted. Bind mounts count. Empty except on Linux."""
    return sorted(_mounts())


def kind_of(path: str) -> str:
    """Return the kind of the file system that holds the existing `path`, such as `ext4`. Empty except on Linux."""
    return _mount_of(os.path.realpath(path), _mounts()).kind


def may_be_remote(path: str, device: int) -> bool:
    """Tell whether other machines may see the folder `path`, which is on this device: a network file system, or FUSE.

    False except on Linux. Each device is looked up once.
    """
    if sys.platform != "linux" or os.major(device):  # a disk of this machine
        return False
    if device not in _remote:
        kind = _mount_of(os.path.realpath(path), _mounts()).kind
        _remote[device] = kind in _NETWORK_KINDS or kind.startswith("fuse.")
    return _remote[device]


def is_remote(folder: str) -> bool:
    """Tell whether other machines may see the existing `folder`. Then each call on a file may wait for them."""
    return may_be_remote(folder, os.stat(folder).st_dev)


_remote: dict[int, bool] = {}
_NETWORK_KINDS = frozenset(
    (
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "ceph",
        "lustre",
        "glusterfs",
        "9p",
        "virtiofs",
        "afs",
        "gpfs",
        "beegfs",
        "orangefs",
    )
)


def inode_bytes(path: str) -> int:
    """Return the bytes that an inode occupies beside its blocks on the file system of `path`, as `df` shows it.

    The number is 0 for most file systems: they reserve the space of inodes in advance. btrfs and XFS take the space
    on demand, and give it back. Removals of environments with small and large distributions gave the figures.
    """
    return {"btrfs": 450, "xfs": 400}.get(_mount_of(os.path.realpath(path), _mounts()).kind, 0)


def _mount_of(path: str, mounts: dict[str, Mount]) -> Mount:
    while path not in mounts and not os.path.ismount(path):
        path = os.path.dirname(path)
    return mounts.get(path) or Mount(path, "", "", "")


def identity(path: str) -> int:
    """Return a number that tells the file system of `path` from others on the same device, 0 if it has none."""
    return os.statvfs(path).f_fsid if hasattr(os, "statvfs") else 0


class Place(NamedTuple):
    """The place of a folder: the mount point of its file system, and its `location`, a text.

    All folders of one mount have the same location. Two locations are the same only if the same folder of the same
    file system is mounted at the same path, below the same root folder. Two disks, two containers, a chroot and the
    system around it, and two mounted folders of one disk have different locations. A location stays the same after a
    restart, except on a file system that has no lasting name, such as tmpfs.
    """

    mount_point: str
    location: str


def place(path: str) -> Place:
    """Return the place of the existing folder `path`."""
    folder = os.path.realpath(path)
    mounts = _mounts()
    mount = _mount_of(folder, mounts)
    top = os.path.abspath(os.sep) if sys.platform != "win32" else os.path.splitdrive(folder)[0] + "\\"
    above = f"{_identity_text(top, _mount_of(top, mounts))} {os.stat(top).st_ino}"
    if mount.point == top:
        return Place(top, above)
    return Place(mount.point, f"{above} {_identity_text(folder, mount)} {mount.root} {mount.point}")


def _identity_text(path: str, mount: Mount) -> str:
    """Return a text that tells a file system from all others: its UUID, its server, or a number.

    The number of some file systems changes at a restart.
    """
    if sys.platform != "linux":
        return f"{identity(path):x}.{os.stat(path).st_dev:x}"
    uuid = _uuid(path)
    if uuid:
        return uuid
    if ":" in mount.source or mount.source.startswith("//"):
        return f"{mount.kind} {mount.source}"  # a network file system
    if mount.kind in _WITH_LASTING_NUMBERS:
        return f"{identity(path):x}"
    return f"{_until_restart()}.{os.stat(path).st_dev:x}"


_WITH_LASTING_NUMBERS = {"ext2", "ext3", "ext4", "btrfs", "zfs", "f2fs"}  # the number is made from the UUID
_GET_UUID = 0x80111500  # FS_IOC_GETFSUUID, since Linux 6.9: a length, and up to 16 bytes
_XFS_GEOMETRY = 0x80705864  # XFS_IOC_FSGEOMETRY_V1: 112 bytes, with the UUID at 64


def _uuid(path: str) -> str:
    """Return the UUID of a file system in hexadecimal digits, empty if the system does not tell it."""
    if sys.platform == "win32":
        return ""
    import fcntl

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        for request, size, start in ((_GET_UUID, 17, 1), (_XFS_GEOMETRY, 112, 64)):
            try:
                found = fcntl.ioctl(descriptor, request, bytes(size))[start : start + 16]
            except OSError:
                continue
            if any(found):
                return found.hex()
    finally:
        os.close(descriptor)
    return ""


def _until_restart() -> str:
    """Return a text that only this boot and this mount namespace have."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            boot = file.read().strip()
        return f"{boot}.{os.stat('/proc/self/ns/mnt').st_ino}"
    except OSError:
        return ""


def _mounts() -> dict[str, Mount]:
    """Return all mounts that Linux lists, by mount point. `ismount` does not see bind mounts within one device."""
    try:
        with open("/proc/self/mountinfo", "rb") as file:
            lines = [line.split() for line in file]
        rows = [(line[4], line[3], *line[line.index(b"-") + 1 :][:2]) for line in lines]
    except (OSError, IndexError, ValueError):
        return {}
    return {mount.point: mount for mount in (Mount(*map(_unescaped, row)) for row in rows)}


def _unescaped(name: bytes) -> str:
    return os.fsdecode(name.decode("unicode_escape").encode("latin-1") if b"\\" in name else name)


def remove_tree(path: str) -> None:
    """Remove a tree, in which folders may be read-only. Removes a file or a link at `path`, too.

    Does nothing if `path` does not exist. Files in it may vanish meanwhile: a program may rename its new bytecode.
    """
    try:
        os.rmdir(path)  # the cheapest call, if it is empty or does not exist
    except FileNotFoundError:
        return
    except NotADirectoryError:
        os.unlink(path)
        return
    except OSError:
        pass
    else:
        return
    try:
        try:
            _remove_folder(path)
        except PermissionError:
            from pepip.host.permissions import unseal_tree

            unseal_tree(path)
            _remove_folder(path)
    except FileNotFoundError:
        return


_REAL_FOLDER = os.O_RDONLY
for _name in ("O_DIRECTORY", "O_NOFOLLOW", "O_CLOEXEC"):
    _REAL_FOLDER |= getattr(os, _name, 0)


def _remove_folder(path: str) -> None:
    """Remove a folder with all its contents. Never follows a link, even if one replaces a folder meanwhile.

    `shutil.rmtree` does the same, and is used on Windows, which can't open folders. Its import takes longer than the
    removal of the few files that a change leaves behind.
    """
    if sys.platform == "win32":
        import shutil

        shutil.rmtree(path)
        return
    folder = os.open(path, _REAL_FOLDER)
    try:
        _remove_children(folder)
    finally:
        os.close(folder)
    os.rmdir(path)


def _remove_children(folder: int) -> None:
    with os.scandir(folder) as children:
        rows = [(child.name, child.is_dir(follow_symlinks=False)) for child in children]
    for name, is_folder in rows:
        try:
            if not is_folder:
                os.unlink(name, dir_fd=folder)
                continue
            inner = os.open(name, _REAL_FOLDER, dir_fd=folder)
            try:
                _remove_children(inner)
            finally:
                os.close(inner)
            os.rmdir(name, dir_fd=folder)
        except FileNotFoundError:  # another process has removed or renamed it
            continue


def remove(path: str) -> None:
    """Remove a file, a link, or a tree. Raises FileNotFoundError if `path` does not exist."""
    if os.path.isdir(path) and not os.path.islink(path):
        remove_tree(path)
    else:
        os.unlink(path)
