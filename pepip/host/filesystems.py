"""What a file system is and does: its device, its mount point, flushing it, removing a tree."""

from __future__ import annotations

import os
import sys


def flush(path: str) -> None:
    """Write what the file system that holds `path` still keeps in memory to its disk.

    One call for a whole staged batch costs far less than one for each of its files. Does nothing where the
    system has no such call. Raises OSError if the disk did not take what was written; Linux says so once.
    """
    if sys.platform == "linux":
        import ctypes
        import errno

        descriptor = os.open(path, os.O_RDONLY)
        try:
            failed = ctypes.CDLL(None, use_errno=True).syncfs(descriptor)
            if failed and ctypes.get_errno() != errno.ENOSYS:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), path)
        except AttributeError:  # a C library without it
            failed = 1
        finally:
            os.close(descriptor)
        if failed:
            os.sync()
    elif sys.platform != "win32":
        os.sync()


def memory_folder() -> str:
    """Return a folder of a file system in memory in which this user may make folders, empty if there is none.

    What is made there by the thousand, and removed again soon, costs a tenth of what it costs on a disk.
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


def mount_point(path: str) -> str:
    """Return the folder at which the file system of the existing folder `path` is mounted, bind mounts too."""
    path = os.path.realpath(path)
    mounts = _mounts()
    while path not in mounts and not os.path.ismount(path):
        path = os.path.dirname(path)
    return path


def identity(path: str) -> int:
    """Return a number that tells the file system of `path` from another on the same device, 0 if it has none."""
    return os.statvfs(path).f_fsid if hasattr(os, "statvfs") else 0


def _mounts() -> set[str]:
    """Return all mount points that Linux lists: `ismount` does not see those within one device."""
    try:
        with open("/proc/self/mountinfo", "rb") as file:
            places = [line.split()[4] for line in file]
    except (OSError, IndexError):
        return set()
    escaped = (place.decode("unicode_escape").encode("latin-1") if b"\\" in place else place for place in places)
    return set(map(os.fsdecode, escaped))


def remove_tree(path: str) -> None:
    """Remove a tree of which some directories may be read-only, or what stands in its place: a file, or a link.

    What is gone already is no error.
    """
    try:
        os.rmdir(path)  # it may be empty, or gone
    except FileNotFoundError:
        return
    except NotADirectoryError:
        os.unlink(path)
        return
    except OSError:
        pass
    else:
        return
    import shutil

    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        return
    except PermissionError:
        from pepip.host.permissions import unseal_tree

        unseal_tree(path)
        shutil.rmtree(path)


def remove(path: str) -> None:
    """Remove a file, a link, or a tree. Raises FileNotFoundError if nothing is there."""
    if os.path.isdir(path) and not os.path.islink(path):
        remove_tree(path)
    else:
        os.unlink(path)
