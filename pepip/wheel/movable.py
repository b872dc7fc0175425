"""ELF files of a folder that is moved: the libraries they need, and run paths that name the folder's old place.

A run path is changed in its place in the file, as chrpath and CMake do: the new text is no longer than the old one.
Source: elf(5), ld.so(8).
"""

from __future__ import annotations

import io
import os

from pepip.errors import ImageError
from pepip.fast_namedtuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from elftools.elf.dynamic import DynamicSegment

MAGIC = b"\x7fELF"


class Moved(NamedTuple):
    """An ELF file as it is after the move.

    `needed` are the names of the libraries it needs, and `run_paths` the folders in which the loader looks for them.
    `content` is empty if the file needs no change.
    """

    needed: tuple[str, ...]
    run_paths: tuple[str, ...]
    content: bytes


def moved(path: str, content: bytes, prefix: str) -> Moved:
    """Return an ELF file with run paths that stay right wherever the folder `prefix` is moved.

    `path` is the file's absolute path, below `prefix`, and `content` its bytes.
    Raises ImageError if a new run path does not fit, or if the file can't be read as ELF.
    """
    from elftools.elf.dynamic import DynamicSegment
    from elftools.elf.elffile import ELFFile

    try:
        dynamic = next(ELFFile(io.BytesIO(content)).iter_segments("PT_DYNAMIC"), None)
        if not isinstance(dynamic, DynamicSegment):
            return Moved((), (), b"")
        return _moved(path, content, prefix, dynamic)
    except ImageError:
        raise
    except Exception as error:  # wrong headers make the reader raise a dozen kinds of errors
        raise ImageError(f"cannot read {path} as a program or library: {error}") from error


def _moved(path: str, content: bytes, prefix: str, dynamic: DynamicSegment) -> Moved:
    needed, run_paths = [], []
    changed = bytearray()
    _, table = dynamic.get_table_offset("DT_STRTAB")
    for tag in dynamic.iter_tags():
        kind = tag.entry.d_tag
        if kind == "DT_NEEDED":
            needed.append(tag.needed)
        if kind not in {"DT_RPATH", "DT_RUNPATH"}:
            continue
        old = tag.rpath if kind == "DT_RPATH" else tag.runpath
        folders = [_relative(path, folder, prefix) for folder in old.split(":") if folder]
        run_paths += folders
        new = ":".join(dict.fromkeys(folders))
        if new == old:
            continue
        start, length = table + tag.entry.d_val, len(old.encode())
        if len(new.encode()) > length:
            raise ImageError(
                f"cannot move {path}: its run path {old} has no room for {new}",
                hint="take a Python that `uv python install` provides",
            )
        if _name_begins_in(dynamic, tag.entry.d_val, tag.entry.d_val + length):
            raise ImageError(f"cannot move {path}: its run path {old} is also the end of a symbol's name")
        changed = changed or bytearray(content)
        changed[start : start + length] = new.encode().ljust(length, b"\0")
    return Moved(tuple(needed), tuple(run_paths), bytes(changed))


def _name_begins_in(dynamic: DynamicSegment, start: int, end: int) -> bool:
    """Tell whether the name of a symbol begins inside this part of the table of strings.

    Linkers let a name share the bytes of a longer text that ends in this name.
    """
    return any(start < symbol.entry.st_name < end for symbol in dynamic.iter_symbols())


def _relative(path: str, folder: str, prefix: str) -> str:
    """Return a folder of a run path, relative to the file at `path` if the folder lies below `prefix`."""
    normal = os.path.normpath(folder)
    if normal != prefix and not normal.startswith(f"{prefix}/"):
        return folder
    inside = os.path.relpath(normal, os.path.dirname(path))
    return "$ORIGIN" if inside == "." else f"$ORIGIN/{inside}"
