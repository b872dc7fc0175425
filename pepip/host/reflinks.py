"""Clones (reflinks): files that share blocks with other files, as far as the file system reports it.

Only btrfs, XFS and bcachefs on Linux both share blocks and report it.
"""

from __future__ import annotations

import os
import sys

_FIEMAP = 0xC020660B  # ioctl_fiemap: _IOWR('f', 11, struct fiemap)
_SHARED, _LAST = 0x2000, 0x1
_HEAD, _EXTENT = 32, 56
_MOST_EXTENTS = 64
_CLONING = {"btrfs", "xfs", "bcachefs"}


def may_clone(mount_point: str) -> bool:
    """Tell whether files of the file system at `mount_point` may share blocks, and whether it reports that."""
    if sys.platform != "linux":
        return False
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.split() for line in file]
    except OSError:
        return False
    kinds = [fields[fields.index("-") + 1] for fields in lines if "-" in fields and fields[4] == mount_point]
    return bool(kinds) and kinds[-1] in _CLONING


def shared_bytes(path: str) -> int:
    """Return how many bytes of a file lie in blocks that it shares with other files; 0 if that is unknown."""
    return sum(length for _, length in shared_extents(path))


def shared_extents(path: str) -> list[tuple[int, int]]:
    """Return the runs of blocks that a file shares with other files, as places on the disk and lengths in bytes.

    Empty if that is unknown.
    """
    if sys.platform != "linux":
        return []
    import fcntl
    import struct

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return []
    found: list[tuple[int, int]] = []
    start = 0
    try:
        while True:
            head = struct.pack("=QQLLLL", start, (1 << 63) - 1, 0, 0, _MOST_EXTENTS, 0)
            answer = bytearray(head + bytes(_EXTENT * _MOST_EXTENTS))
            fcntl.ioctl(descriptor, _FIEMAP, answer)
            count = struct.unpack_from("=L", answer, 20)[0]
            for number in range(count):
                extent = struct.unpack_from("=QQQQQL", answer, _HEAD + number * _EXTENT)
                logical, physical, length, _, _, flags = extent
                if flags & _SHARED:
                    found.append((physical, length))
                start = logical + length
                if flags & _LAST:
                    return found
            if count < _MOST_EXTENTS:
                return found
    except OSError:
        return []
    finally:
        os.close(descriptor)
