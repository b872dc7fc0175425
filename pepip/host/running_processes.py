"""Processes that use a folder: their program, one of their libraries, or their current folder lies in it."""

from __future__ import annotations

import os
import sys

from pepip.fast_namedtuple import NamedTuple
from pepip.host import links

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


class Process(NamedTuple):
    """A running process: its number, and the name of its program."""

    number: int
    name: str


def can_be_listed() -> bool:
    """Tell whether `users_of` can find anything on this system."""
    return sys.platform == "linux" and os.path.isdir("/proc/self")


def users_of(folders: Collection[str]) -> dict[str, list[Process]]:
    """Return the processes that use each of `folders` (absolute paths), without this process.

    Empty except on Linux. Of another user's process only the command line can be read.
    """
    found: dict[str, list[Process]] = {}
    wanted = set(folders)
    if not can_be_listed() or not wanted:
        return found
    for name in os.listdir("/proc"):
        if not name.isdecimal() or int(name) == os.getpid():
            continue
        used = {folder for place in _places(name) if (folder := _holder(place, wanted))}
        for folder in used:
            found.setdefault(folder, []).append(Process(int(name), _name(name)))
    return found


def _holder(place: str, folders: set[str]) -> str:
    """Return the folder of `folders` that holds a path, empty if none does."""
    while place and place != "/":
        if place in folders:
            return place
        place = place.rpartition("/")[0]
    return ""


def _places(process: str) -> Iterator[str]:
    """Yield the paths that a process uses: program, current folder, start of its command line, mapped files."""
    yield from (links.read_link(f"/proc/{process}/{link}") for link in ("exe", "cwd"))
    words = _read(process, "cmdline").split("\0")
    yield from (word for word in words[:2] if word.startswith("/"))
    seen = set()
    for line in _read(process, "maps").splitlines():
        place = line[line.find("/") :] if "/" in line else ""
        if place and place not in seen:
            seen.add(place)
            yield place


def _name(process: str) -> str:
    return _read(process, "comm").strip() or "a process"


def _read(process: str, name: str) -> str:
    try:
        with open(f"/proc/{process}/{name}", encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""
