"""Replaces files and folders of an environment by others with the same content, while programs may be using them.

The replacements are prepared in a scratch folder of the environment, and then exchanged one by one. Where the system
can exchange two names in one step, no path is ever missing. A note of the steps is written before the first exchange
and removed after the last. If a run is killed in between, the next command takes its exchanges back.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys

from pepip import paths
from pepip.fast_namedtuple import NamedTuple
from pepip.host import disk_usage, exchange, files, filesystems, links
from pepip.host.disk_usage import Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_NOTE = "swap.json"
_MOST_BYTES = 1 << 26
_KEEPS_LOADED_FILES = sys.platform == "win32"
"""Whether the system refuses to remove a library that a program has loaded."""
_FRAME = ("Lib", "Scripts") if sys.platform == "win32" else ("lib", "lib64", "bin")
"""Folders of an environment that may be links."""


class _Step(NamedTuple):
    """One path, relative to the environment, and the number that names its replacement in the scratch folder.

    `inode` is the inode of the replacement. `is_new` is true if nothing was at the path before.
    """

    path: str
    number: int
    inode: int
    is_new: bool


class Swap:
    """The replacements to make in the environment at `root`. The caller holds the environment's lock."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._folder = paths.adopting(root)
        self._steps: list[_Step] = []
        filesystems.remove_tree(self._folder)
        os.mkdir(self._folder)

    def prepare(self, path: str, make: Callable[[str], None]) -> None:
        """Call `make` with a scratch path to make the replacement for `path`. Raises OSError; nothing is replaced."""
        number = len(self._steps)
        place = f"{self._folder}/{number}"
        make(place)
        is_new = not os.path.lexists(f"{self._root}/{path}")
        self._steps.append(_Step(path, number, os.lstat(place).st_ino, is_new))

    def carry_out(self, *, may_clone: bool = False) -> Usage:
        """Make all exchanges, and remove the old files. Return their disk usage, less the usage of the new files.

        `may_clone` is as in `disk_usage.freed_by_removing`. Raises OSError if an exchange fails; all exchanges
        are then taken back.
        """
        note = f"{self._folder}/{_NOTE}"
        try:
            files.write_whole(note, json.dumps(self._steps).encode(), unfinished=f"{note}.new")
        except BaseException:
            self.give_up()
            raise
        try:
            for step in self._steps:
                place, prepared = f"{self._root}/{step.path}", f"{self._folder}/{step.number}"
                if step.is_new:
                    os.rename(prepared, place)
                else:
                    exchange.exchange(prepared, place)
        except BaseException:
            take_back(self._root)
            raise
        os.unlink(note)
        before = [f"{self._folder}/{step.number}" for step in self._steps if not step.is_new]
        after = [f"{self._root}/{step.path}" for step in self._steps]
        freed = disk_usage.freed_by_removing(before, may_clone=may_clone)
        taken = disk_usage.freed_by_removing(after, may_clone=may_clone)
        _remove(self._folder)
        return Usage(freed.allocated_bytes - taken.allocated_bytes, freed.inodes - taken.inodes)

    def give_up(self) -> None:
        """Remove the scratch folder with all prepared replacements."""
        filesystems.remove_tree(self._folder)


def is_begun(root: str) -> bool:
    """Tell whether a run began a swap and has neither completed it nor taken it back."""
    return os.path.lexists(paths.adopting(root))


def take_back(root: str) -> None:
    """Take back all exchanges of an unfinished swap. Idempotent. Raises OSError if one can't be taken back.

    The note may come with another person's checkout, so nothing is changed outside the environment or through a link.
    """
    folder = paths.adopting(root)
    if links.read_link(folder):
        links.unlink(folder)
        return
    for step in reversed(_noted(folder)):
        place, prepared = f"{root}/{step.path}", f"{folder}/{step.number}"
        exchange.restore(prepared, place)
        if not os.path.lexists(place) or os.lstat(place).st_ino != step.inode:
            continue
        if step.is_new:
            os.rename(place, prepared)
        elif os.path.lexists(prepared):
            exchange.exchange(prepared, place)
    if os.path.lexists(f"{folder}/{_NOTE}"):
        os.unlink(f"{folder}/{_NOTE}")
    if os.path.lexists(folder):
        _remove(folder)


def _remove(folder: str) -> None:
    """Remove the scratch folder. Where a program may hinder that, the rest stays for the next command."""
    with contextlib.suppress(PermissionError) if _KEEPS_LOADED_FILES else contextlib.nullcontext():
        filesystems.remove_tree(folder)


def _noted(folder: str) -> list[_Step]:
    """Return the steps in a note. The list is empty if there is no note, or if any step is invalid."""
    try:
        rows = files.load_json(files.read_regular(f"{folder}/{_NOTE}", most_bytes=_MOST_BYTES))
    except (OSError, ValueError):
        return []
    if not isinstance(rows, list) or not all(isinstance(row, list) and len(row) == 4 for row in rows):
        return []
    steps = [_Step._make(row) for row in rows]
    root, is_real = os.path.dirname(folder), dict.fromkeys(_FRAME, True)
    is_ours = all(
        isinstance(step.path, str)
        and paths.is_inside(step.path)
        and isinstance(step.number, int)
        and isinstance(step.inode, int)
        and links.is_below_real_folders(root, step.path, is_real)
        for step in steps
    )
    return steps if is_ours else []
