"""Shared libraries that look for other libraries outside of their own distribution.

The loader takes `$ORIGIN` from the path by which a library was opened. If that path leads through a link into the
store, the kernel resolves a `..` after the link in the store. So the folders above such a library must be real in an
environment. On macOS, `@loader_path` is such an origin.
Source: ld.so(8), DT_RPATH and DT_RUNPATH; dyld(1).
"""

from __future__ import annotations

import errno
import itertools
import os
import struct
import sys

from pepip.host import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import BinaryIO

HAVE_OTHER_NAMES = sys.platform == "darwin"
"""Whether libraries may have other names than those with `.so`. Only macOS loads a `.dylib`."""
_ORIGINS = ("$ORIGIN", "${ORIGIN}", "@loader_path")
_ELF_MAGIC = b"\x7fELF"
_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_STRTAB = 5
_RUN_PATH_TAGS = {15, 29}  # DT_RPATH, DT_RUNPATH
_LARGEST_PIECE_BYTES = 1 << 20
_LONGEST_TEXT_BYTES = 1 << 16

# By ELF class (1: 32 bits, 2: 64 bits): the `struct` letter of a word; where the ELF header has the offset of the
# program headers, and where their size and count; where a program header has the offset and address of its segment,
# and where the size.
_ELF_CLASSES = {1: ("I", 28, 42, 4, 16), 2: ("Q", 32, 54, 8, 32)}


def escaping(root: str, files: Iterable[str]) -> list[str]:
    """Return the libraries among `files` (relative to `root`) with a run path that leaves the distribution."""
    return leaving(root, {path: run_paths(f"{root}/{path}") for path in files if is_library_name(path)})


def leaving(root: str, run_paths_of: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the libraries (relative to `root`) with a run path that leaves the distribution.

    Such a run path names a folder, relative to the library, that the distribution does not have. `run_paths_of` has
    all run paths of each library.
    """
    return [path for path, folders in run_paths_of.items() if any(_leaves(root, path, folder) for folder in folders)]


def is_library_name(path: str) -> bool:
    """Tell whether a file has the name of a shared library."""
    name = path.rpartition("/")[2]
    return name.endswith(".so") or ".so." in name or (HAVE_OTHER_NAMES and name.endswith(".dylib"))


def _plain_run_paths(file: BinaryIO) -> list[str] | None:
    """Return the run paths in the dynamic section of an ELF file, None if its headers can't be parsed.

    Takes a twentieth of the time of the full ELF reader. Source: elf(5).
    """
    header = file.read(64)
    try:
        word, table, sizes, offset, length = _ELF_CLASSES[header[4]]
        order = "<" if header[5] == 1 else ">"
        (table_at,) = struct.unpack_from(order + word, header, table)
        entry_bytes, count = struct.unpack_from(f"{order}HH", header, sizes)
        segments = _piece(file, table_at, entry_bytes * count)
        loaded, dynamic = [], b""
        for start in range(0, entry_bytes * count, entry_bytes):
            (kind,) = struct.unpack_from(f"{order}I", segments, start)
            at, address = struct.unpack_from(f"{order}2{word}", segments, start + offset)
            (size,) = struct.unpack_from(order + word, segments, start + length)
            if kind == _PT_LOAD:
                loaded.append((address, size, at))
            elif kind == _PT_DYNAMIC and not dynamic:
                dynamic = _piece(file, at, size)
        tags = list(itertools.takewhile(lambda tag: tag[0], struct.iter_unpack(f"{order}{word}{word}", dynamic)))
        named = [value for tag, value in tags if tag in _RUN_PATH_TAGS]
        if not named:
            return []
        strings = next(value for tag, value in tags if tag == _DT_STRTAB)
        place = next(at + strings - start for start, size, at in loaded if start <= strings < start + size)
        texts = [_text(file, place + value) for value in named]
    except (struct.error, LookupError, ValueError, OverflowError, StopIteration):
        return None
    except OSError as error:
        if error.errno != errno.EINVAL:  # EINVAL: the headers name an offset that no file can have
            raise
        return None
    return [path for text in texts for path in text.split(":") if path]


def _piece(file: BinaryIO, at: int, size: int) -> bytes:
    """Return a piece of a file. Raises ValueError if it is larger than any table of headers can be."""
    if size > _LARGEST_PIECE_BYTES:
        raise ValueError(size)
    file.seek(at)
    return file.read(size)


def _text(file: BinaryIO, at: int) -> str:
    """Return the text at a place of a file, up to a null byte. Raises ValueError if it is too long for a path."""
    file.seek(at)
    text, end, _ = file.read(_LONGEST_TEXT_BYTES).partition(b"\0")
    if not end:
        raise ValueError(at)
    return text.decode()


def _leaves(root: str, library: str, run_path: str) -> bool:
    for origin in _ORIGINS:
        if run_path == origin or run_path.startswith(origin + "/"):
            folder = os.path.normpath(os.path.join(os.path.dirname(library), run_path[len(origin) :].lstrip("/")))
            return folder.split(os.sep, 1)[0] == os.pardir or not os.path.isdir(f"{root}/{folder}")
    return False


def run_paths(library: str) -> list[str]:
    """Return the folders, as written in the library, in which the loader looks for other libraries.

    Empty if the file is neither a readable ELF file nor a readable Mach-O file. Raises OSError if the disk fails.
    """
    with open(files.open_regular(library), "rb") as file:
        if file.read(4) != _ELF_MAGIC:
            from pepip.wheel import mach_o

            return mach_o.run_paths(file)
        file.seek(0)
        plain = _plain_run_paths(file)
        if plain is not None:
            return plain
        file.seek(0)
        from elftools.elf.dynamic import DynamicSegment
        from elftools.elf.elffile import ELFFile

        found: list[str] = []
        try:
            elf = ELFFile(file)
            dynamic = next(elf.iter_segments("PT_DYNAMIC"), None)
            if not isinstance(dynamic, DynamicSegment):
                return []
            for tag in dynamic.iter_tags():
                kind = {"DT_RUNPATH": "runpath", "DT_RPATH": "rpath"}.get(tag.entry.d_tag)
                if kind:
                    found += getattr(tag, kind).split(":")
        except Exception as error:  # wrong headers make the reader raise a dozen kinds of errors
            if isinstance(error, OSError) and error.errno != errno.EINVAL:
                raise  # the disk fails; but pepip accepts an ELF file that no tool can read, as uv does
    return [entry for entry in found if entry]
