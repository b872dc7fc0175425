"""Processes that use a folder: their program, one of their libraries, or their current folder lies in it.

Also finds installers that may be writing into an environment. Most of them take no lock, so only the list of
processes shows them.
"""

from __future__ import annotations

import os
import sys

from pepip import paths
from pepip.fast_namedtuple import NamedTuple
from pepip.host import files, links

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence


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


def user_without_access(number: int, folder: str) -> int | None:
    """Return the id of a process's user if that user may not read a folder, or not enter a folder above it.

    None if the user may. None also for a process of this user or of root, or with a capability to read all files.
    A part of `folder` that does not exist yet counts as readable. Access lists are ignored.
    """
    facts = dict(line.partition(":\t")[::2] for line in _read(str(number), "status").splitlines())
    try:
        user = int(facts["Uid"].split()[1])
        groups = {int(group) for group in (facts["Gid"].split()[3], *facts["Groups"].split())}
        reads_all = int(facts["CapEff"], 16) & _READS_ALL
    except (KeyError, ValueError, IndexError):  # the process has ended
        return None
    if user in {0, files.user_id()} or reads_all:
        return None
    for above in paths.upward(folder):
        try:
            status = os.stat(above)
        except OSError:
            continue
        shift = 6 if status.st_uid == user else 3 if status.st_gid in groups else 0
        wanted = 0o5 if above == folder else 0o1
        if status.st_mode >> shift & wanted != wanted:
            return user
    return None


_READS_ALL = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH


def installers_in(root: str) -> list[Process]:
    """Return the running installers that may be writing into the environment at `root` (an absolute path).

    They run its interpreter, name a path in it, or work in it. All but pip may also work in its project. uv is not
    among them, because it locks the environment. Empty except on Linux.
    """
    found = []
    for name in os.listdir("/proc") if can_be_listed() else ():
        if not name.isdecimal() or int(name) == os.getpid():
            continue
        words = _read(name, "cmdline").split("\0")
        installer = _installer(words)
        if installer:
            folder = links.read_link(f"/proc/{name}/cwd")
            active = [line[12:] for line in _read(name, "environ").split("\0") if line.startswith("VIRTUAL_ENV=")]
            places = [folder, *active, *(_real(folder, word.rpartition("=")[2]) for word in words if word)]
            if any(_holder(place, {root}) for place in places) or (
                installer != "pip" and _holder(folder, {os.path.dirname(root)})
            ):
                found.append(Process(int(name), installer))
    return found


_INSTALLERS = frozenset(
    ("pip", "pip-sync", "pipenv", "poetry", "pdm", "pipx", "hatch", "tox", "nox", "conda", "mamba")
)


def _installer(words: Sequence[str]) -> str:
    """Return the name of the installer that a command line starts, empty if it starts none."""
    start = list(words[:8])
    module = start[start.index("-m") + 1 :][:1] if "-m" in start else []
    for word in (*start[:2], *module):
        name = word.removesuffix("/__main__.py").removesuffix("/__pip-runner__.py").rpartition("/")[2]
        stem = name.removesuffix(".py").removesuffix(".pyz").rstrip("0123456789.")
        if stem in _INSTALLERS:
            return stem
    return ""


def _real(folder: str, word: str) -> str:
    """Return the path that a word may name in a folder, with the links on the way to it resolved."""
    head, name = os.path.split(os.path.join(folder, word))
    return f"{os.path.realpath(head)}/{name}"


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
    # An environment's interpreter is a link to the base Python, so `exe` does not lead to the environment: only the
    # first word of the command line does.
    folder = links.read_link(f"/proc/{process}/cwd")
    started = words[0] if "/" in words[0] else _found_on_path(process, words[0])
    if started:
        yield _real(folder, started)
    seen = set()
    for line in _read(process, "maps").splitlines():
        place = line[line.find("/") :] if "/" in line else ""
        if place and place not in seen:
            seen.add(place)
            yield place


def _found_on_path(process: str, name: str) -> str:
    """Return the file that the `PATH` of a process has for a name, empty if it has none."""
    variables = _read(process, "environ").split("\0")
    path = next((line[5:] for line in variables if line.startswith("PATH=")), "")
    places = (f"{folder}/{name}" for folder in path.split(":") if name and folder)
    return next(filter(os.path.lexists, places), "")


def _name(process: str) -> str:
    return _read(process, "comm").strip() or "a process"


def _read(process: str, name: str) -> str:
    try:
        with open(f"/proc/{process}/{name}", encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""
