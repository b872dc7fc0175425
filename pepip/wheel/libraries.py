"""Shared libraries that look for others outside of their own distribution.

The loader takes `$ORIGIN` from the path by which a library was opened, and the kernel resolves `..` through a
directory link into the store. So the folders down to such a library must be real in an environment.
Source: ld.so(8), DT_RPATH and DT_RUNPATH.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

_ELF_MAGIC = b"\x7fELF"
_ORIGIN = b"ORIGIN"
_LONGEST_RUN_PATH = 4096
_PIECE_BYTES = 1 << 20


def escaping(root: str, files: Iterable[str]) -> list[str]:
    """Return the libraries among `files` (relative to `root`) with a run path that leaves the distribution.

    A run path leaves it if it names a folder, relative to the library, which the distribution doesn't hold.
    """
    candidates = [path for path in files if _is_library_name(path)]
    if not candidates:
        return []
    return [path for path in candidates if any(_leaves(root, path, entry) for entry in _run_paths(root, path))]


def _is_library_name(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name.endswith(".so") or ".so." in name


def _mentions_leaving(root: str, library: str, file: BinaryIO) -> bool:
    """Tell whether a library's bytes hold what as a run path would leave the distribution.

    Most do not, and to search the bytes takes far less time than to read the tables. They are read in pieces: some
    libraries are larger than the memory that an install may take.
    """
    held, is_last = b"", False
    while not is_last:
        piece = file.read(_PIECE_BYTES)
        held, is_last = held + piece, len(piece) < _PIECE_BYTES
        at = held.find(_ORIGIN)
        while at >= 0 and (is_last or at + _LONGEST_RUN_PATH <= len(held)):  # else its end is in the next piece
            start = at - (2 if held[at - 1 : at] == b"{" else 1)
            words = held[max(start, 0) : at + _LONGEST_RUN_PATH].partition(b"\0")[0].partition(b":")[0]
            if _leaves(root, library, words.decode("utf-8", "replace")):
                return True
            at = held.find(_ORIGIN, at + len(_ORIGIN))
        held = held[max(at - 2, 0) :] if at >= 0 else held[-len(_ORIGIN) - 2 :]
    return False


def _leaves(root: str, library: str, run_path: str) -> bool:
    for origin in ("$ORIGIN", "${ORIGIN}"):
        if run_path == origin or run_path.startswith(origin + "/"):
            folder = os.path.normpath(f"{os.path.dirname(library)}/{run_path[len(origin) :].lstrip('/')}")
            return folder.startswith("..") or not os.path.isdir(f"{root}/{folder}")
    return False


def _run_paths(root: str, library: str) -> list[str]:
    with open(f"{root}/{library}", "rb") as file:
        if file.read(4) != _ELF_MAGIC or not _mentions_leaving(root, library, file):
            return []
        file.seek(0)
        from elftools.common.exceptions import ELFError
        from elftools.elf.dynamic import DynamicSegment
        from elftools.elf.elffile import ELFFile

        try:
            elf = ELFFile(file)
            dynamic = next(elf.iter_segments("PT_DYNAMIC"), None)
            if not isinstance(dynamic, DynamicSegment):
                return []
            found: list[str] = []
            for tag in dynamic.iter_tags():
                kind = {"DT_RUNPATH": "runpath", "DT_RPATH": "rpath"}.get(tag.entry.d_tag)
                if kind:
                    found += getattr(tag, kind).split(":")
        except (ELFError, ValueError, KeyError, AttributeError, UnicodeDecodeError):
            return []  # a library that no tool can read is the wheel's own affair, as it is under uv
    return [entry for entry in found if entry]
