"""Writes folders, links and files as a stream in the tar format.

All members belong to root, and the caller gives their time, so that the same members give the same bytes. Names may
be any bytes. Knows nothing of the program that reads the stream.
"""

from __future__ import annotations

import errno
import os
import tarfile

from pepip.errors import ImageError
from pepip.fast_namedtuple import NamedTuple
from pepip.host import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO

FOLDER, LINK, FILE = "folder", "link", "file"
_BLOCK_BYTES = 1 << 20
_UNIT = tarfile.BLOCKSIZE


class Member(NamedTuple):
    """A folder, a symbolic link to `target`, or a file with the bytes of the file `source`, or with `content`.

    If both are given, `content` replaces as many bytes at the beginning of the source.
    """

    kind: str
    mode: int = 0o644
    source: str = ""
    content: bytes = b""
    target: str = ""


def write(stream: IO[bytes], path: str, member: Member, time_seconds: int) -> int:
    """Write one member to `stream`, and return the size of its content.

    Raises ImageError if the file became shorter while it was read, OSError if it can't be read.
    """
    info = tarfile.TarInfo(path)
    info.mtime, info.mode = time_seconds, member.mode
    info.uname = info.gname = "root"
    if member.kind == FOLDER:
        info.type = tarfile.DIRTYPE
    elif member.kind == LINK:
        info.type, info.linkname = tarfile.SYMTYPE, member.target
    elif not member.source:
        info.size = len(member.content)
        stream.write(_header(info) + member.content + _padding(info.size))
        return info.size
    else:
        return _write_source(stream, info, member)
    stream.write(_header(info))
    return 0


def end(stream: IO[bytes]) -> None:
    """Write the two empty blocks that end a stream."""
    stream.write(bytes(2 * _UNIT))


def _header(info: tarfile.TarInfo) -> bytes:
    # The format of GNU tar holds names of any length and any bytes; pax names must be UTF-8.
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def _padding(size: int) -> bytes:
    return bytes(-size % _UNIT)


def _write_source(stream: IO[bytes], info: tarfile.TarInfo, member: Member) -> int:
    descriptor = files.open_regular(member.source, follows=True)
    try:
        info.size = os.fstat(descriptor).st_size
        rest = info.size
        block = os.read(descriptor, min(rest, _BLOCK_BYTES)) if rest else b""
        block = member.content + block[len(member.content) :]
        rest -= len(block)
        stream.write(_header(info) + block)
        while rest > 0:
            block = os.read(descriptor, min(rest, _BLOCK_BYTES))
            if not block:
                raise ImageError(f"{member.source} became shorter while it was read", hint="run the command again")
            stream.write(block)
            rest -= len(block)
    except OSError as error:
        if error.errno != errno.EPIPE:
            error.filename = error.filename or member.source
        raise
    finally:
        os.close(descriptor)
    stream.write(_padding(info.size))
    return info.size
