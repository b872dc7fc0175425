"""Reads from a Mach-O file, the kind of libraries on macOS, in which folders the loader looks for other libraries.

Source: mach-o/loader.h and mach-o/fat.h of macOS; dyld(1).
"""

from __future__ import annotations

import errno
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

_ORDERS_AND_HEADERS = {
    b"\xcf\xfa\xed\xfe": ("<", 32),
    b"\xce\xfa\xed\xfe": ("<", 28),
    b"\xfe\xed\xfa\xcf": (">", 32),
    b"\xfe\xed\xfa\xce": (">", 28),
}
"""By magic number: the order of bytes, and the size of the header, which is larger for 64 bits."""
_FAT = {b"\xca\xfe\xba\xbe": ("I", 20), b"\xca\xfe\xba\xbf": ("Q", 32)}
"""By magic number of a file for several architectures: the `struct` letter of an offset, and the size of a row."""
_RPATH = 0x8000001C
_LOADS = frozenset((0xC, 0x20, 0x80000018, 0x8000001F, 0x80000023))
"""LC_LOAD_DYLIB, LC_LAZY_LOAD_DYLIB, LC_LOAD_WEAK_DYLIB, LC_REEXPORT_DYLIB and LC_LOAD_UPWARD_DYLIB."""
_LARGEST_COMMANDS_BYTES = 1 << 20
_MOST_ARCHITECTURES = 16


def run_paths(file: BinaryIO) -> list[str]:
    """Return the folders of a library's run paths, and those of the libraries that it loads by their path.

    Empty if the file is no Mach-O file that can be read. Raises OSError if the disk fails.
    """
    try:
        return [path for start in _slices(file) for path in _of_slice(file, start)]
    except (struct.error, LookupError, ValueError, OverflowError):
        return []
    except OSError as error:
        if error.errno != errno.EINVAL:  # EINVAL: the headers name an offset that no file can have
            raise
        return []


def _slices(file: BinaryIO) -> list[int]:
    """Return where the part for each architecture begins."""
    file.seek(0)
    magic = file.read(4)
    if magic not in _FAT:
        return [0]
    letter, size = _FAT[magic]
    (count,) = struct.unpack(">I", file.read(4))
    rows = file.read(size * min(count, _MOST_ARCHITECTURES))
    return [struct.unpack_from(f">{letter}", rows, start + 8)[0] for start in range(0, len(rows), size)]


def _of_slice(file: BinaryIO, start: int) -> list[str]:
    file.seek(start)
    header = file.read(32)
    order, size = _ORDERS_AND_HEADERS[header[:4]]
    count, total = struct.unpack_from(f"{order}2I", header, 16)
    if total > _LARGEST_COMMANDS_BYTES:
        raise ValueError(total)
    file.seek(start + size)
    commands, at, found = file.read(total), 0, []
    for _ in range(count):
        kind, length = struct.unpack_from(f"{order}2I", commands, at)
        if kind == _RPATH or kind in _LOADS:
            (text_at,) = struct.unpack_from(f"{order}I", commands, at + 8)
            text = commands[at + text_at : at + length].partition(b"\0")[0].decode()
            found.append(text if kind == _RPATH else text.rpartition("/")[0])
        at += max(length, 8)
    return found
