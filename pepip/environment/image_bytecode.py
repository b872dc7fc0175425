"""Bytecode in an image: the environment's own where that is valid, otherwise newly compiled.

Bytecode names the time and size of its source. In an image all files have one time, so bytecode gets that time: it is
valid at any mount path. Unchecked bytecode (PEP 552) would not be faster, since Python looks at the source all the
same. And if somebody edits a source in a copy of the image, unchecked bytecode would still count as valid.
Source: PEP 3147, PEP 552.
"""

from __future__ import annotations

import os
import struct

from pepip import paths
from pepip.host import files
from pepip.host.tar_stream import FILE, FOLDER, Member

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pepip.model import BaseInterpreter

_HEADER_BYTES = 16
_LIMIT = 0xFFFFFFFF


def settle(members: dict[str, Member], folders: Iterable[str], base: BaseInterpreter, time_seconds: int) -> list[str]:
    """Give valid bytecode the time `time_seconds`, and drop all other bytecode.

    Return the paths of the modules below `folders` that have no valid bytecode.
    """
    within = tuple(f"{folder}/" for folder in folders)
    kept, missing = set(), []
    for path in [path for path in members if path.endswith(".py")]:
        if members[path].kind == FILE and members[path].source:
            place = _place(path, base)
            if place in members and _keep(members, place, members[path].source, base, time_seconds):
                kept.add(place)
            elif path.startswith(within):
                missing.append(path)
    for path in [path for path in members if f"/{paths.PYCACHE}/" in path]:
        if path.endswith(".pyc") and path not in kept:
            del members[path]
    return missing


def take_compiled(
    members: dict[str, Member], compiled: Mapping[str, str], base: BaseInterpreter, time_seconds: int
) -> None:
    """Add bytecode to `members`. `compiled` has the files of bytecode, by the paths of their modules.

    Missing and invalid files are left out.
    """
    for path, file in compiled.items():
        place = _place(path, base)
        before = members.get(place)
        members[place] = Member(FILE, 0o644, file)
        if _keep(members, place, members[path].source, base, time_seconds):
            members.setdefault(os.path.dirname(place), Member(FOLDER, 0o755))
        elif before is None:
            del members[place]


def drop_empty_folders(members: dict[str, Member]) -> None:
    """Drop folders of bytecode that hold nothing."""
    full = {os.path.dirname(path) for path in members}
    for path in [path for path in members if path.endswith(f"/{paths.PYCACHE}") and path not in full]:
        del members[path]


def places(
    sources: Iterable[tuple[str, str]], base: BaseInterpreter, scratch: str, *, layers: Iterable[str]
) -> Iterator[str]:
    """Yield, for each pair of a module's path and source, the file to which its bytecode is to be compiled.

    This is the file that Python itself would write, if this user owns the folder of that file: the next image and
    import then find it. Otherwise, and for sources in `layers`, it is a file in `scratch`. `layers` are the roots of
    stores that are only read.
    """
    read_only = tuple(f"{os.path.realpath(layer)}/" for layer in layers)
    is_own: dict[str, bool] = {}
    for number, (_, source) in enumerate(sources):
        folder, _, name = source.rpartition("/")
        if folder not in is_own:
            is_own[folder] = _may_write(os.path.realpath(folder), read_only)
        tagged = f"{name.removesuffix('.py')}.{base.tag}.pyc"
        yield f"{folder}/{paths.PYCACHE}/{tagged}" if is_own[folder] else f"{scratch}/{number}.pyc"


def _may_write(folder: str, read_only: tuple[str, ...]) -> bool:
    if f"{folder}/".startswith(read_only):
        return False
    cache = f"{folder}/{paths.PYCACHE}"
    place = cache if os.path.lexists(cache) else folder
    try:
        is_own = files.owner_id(place) == files.user_id()
    except OSError:
        return False
    return is_own and os.path.isdir(place) and os.access(place, os.W_OK | os.X_OK)


def _place(path: str, base: BaseInterpreter) -> str:
    folder, _, name = path.rpartition("/")
    return f"{folder}/{paths.PYCACHE}/{name.removesuffix('.py')}.{base.tag}.pyc"


def _keep(members: dict[str, Member], place: str, source: str, base: BaseInterpreter, time_seconds: int) -> bool:
    """Tell whether the bytecode at `place` can stay: it is valid for `source`, or names no time of its source.

    Bytecode that names a time gets the image's time.
    """
    member = members[place]
    try:
        with open(files.open_regular(member.source, follows=True), "rb") as file:
            header = file.read(_HEADER_BYTES)
        status = os.stat(source)
    except OSError:
        return False
    if len(header) < _HEADER_BYTES or header[:4] != base.magic:
        return False
    flags, made_at, size = struct.unpack_from("<III", header, 4)
    if flags:  # Python compares a hash of the source (3), or checks nothing (1)
        return flags in {1, 3}
    if (made_at, size) != (int(status.st_mtime) & _LIMIT, status.st_size & _LIMIT):
        return False
    members[place] = member._replace(content=base.magic + struct.pack("<III", 0, time_seconds, size))
    return True
