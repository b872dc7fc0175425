"""The disk usage of trees: allocated bytes and inodes. Read only; symbolic links are never followed."""

from __future__ import annotations

import contextlib
import os
import stat

from pepip.fast_namedtuple import NamedTuple
from pepip.host import reflinks
from pepip.host.links import is_folder as is_real_folder
from pepip.host.links import status_of
from pepip.paths import PYCACHE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

_BLOCK_BYTES = 512  # the unit of st_blocks on every file system

Inode = tuple[int, int]
"""A device, and the number of an inode on it."""

Mark = tuple[int, int]
"""The size and the modification time of a file. A copy has the mark of its source."""


class Usage(NamedTuple):
    """The disk usage of trees. Bytes are allocated bytes, and each inode is counted once.

    A symbolic link counts as a link, not as its target.
    """

    allocated_bytes: int = 0
    inodes: int = 0


class Weight(NamedTuple):
    """The bytes of a tree: its files, its folders, and its bytecode together with the `__pycache__` folders."""

    files: int
    folders: int
    bytecode: int

    @property
    def total(self) -> int:
        """The bytes of the whole tree."""
        return self.files + self.folders + self.bytecode


class Beside(NamedTuple):
    """The disk usage of a tree beside other trees. `own` are the bytes that the others lack.

    `links` are the bytes of symbolic links and of copies, which `own` includes. `borrowed` are the bytes of inodes
    that the tree borrows from others by hard links; `own` does not include them. `shared` has the bytes of each other
    inode with more than one name. `times` are the tree's folders with their modification times.
    """

    own: int
    links: int
    borrowed: int
    shared: dict[Inode, int]
    times: list[list[object]]


def measure(trees: Iterable[str]) -> Usage:
    """Return the disk usage of all trees together, with each inode counted once."""
    seen: dict[Inode, int] = {}
    for tree in trees:
        for _, status in _walk(tree):
            seen[status.st_dev, status.st_ino] = allocated_of(status)
    return Usage(sum(seen.values()), len(seen))


class Weighed(NamedTuple):
    """The bytes of a tree, its inodes, and its folders (relative to the tree) with their modification times.

    If a tree could not be read whole, its `times` are true of no tree, so `are_unchanged` is False. `marks` are the
    marks of all files that are not empty. `unused` are the bytes of `__pycache__` folders without a file.
    """

    weight: Weight
    inodes: set[Inode]
    marks: set[Mark]
    times: list[list[object]]
    unused: int


def weigh(tree: str) -> Weighed:
    """Return the disk usage of a tree."""
    files = folders = bytecode = 0
    unused: dict[str, int] = {}
    inodes: set[Inode] = set()
    marks: set[Mark] = set()
    times: list[list[object]] = []
    start = len(tree) + 1
    for path, status in _walk(tree, times):
        inode = (status.st_dev, status.st_ino)
        if inode in inodes:
            continue
        inodes.add(inode)
        if stat.S_ISREG(status.st_mode) and status.st_size:
            marks.add(_mark(status))
        is_folder = stat.S_ISDIR(status.st_mode)
        if is_folder:
            times.append([path[start:], status.st_mtime_ns])
        if PYCACHE in path:
            bytecode += allocated_of(status)
            if is_folder:
                unused[path] = allocated_of(status)
            else:
                unused.pop(os.path.dirname(path), None)
        elif is_folder:
            folders += allocated_of(status)
        else:
            files += allocated_of(status)
    return Weighed(Weight(files, folders, bytecode), inodes, marks, times, sum(unused.values()))


def weigh_beside(tree: str, others: set[Inode], *, also: set[Inode], copies: set[Mark]) -> Beside:
    """Return the disk usage of a tree without the inodes of `others`. Inodes in `also` count as borrowed.

    A file whose mark is in `copies` counts as a copy.
    """
    own = links = borrowed = 0
    seen: set[Inode] = set()
    shared: dict[Inode, int] = {}
    times: list[list[object]] = []
    start = len(tree) + 1
    for path, status in _walk(tree, times):
        inode = (status.st_dev, status.st_ino)
        is_folder = stat.S_ISDIR(status.st_mode)
        if is_folder:
            times.append([path[start:], status.st_mtime_ns])
        if inode in others or inode in seen:
            continue
        seen.add(inode)
        if inode in also:
            borrowed += allocated_of(status)
            continue
        own += allocated_of(status)
        if stat.S_ISLNK(status.st_mode) or (stat.S_ISREG(status.st_mode) and _mark(status) in copies):
            links += allocated_of(status)
        elif status.st_nlink > 1 and not is_folder:
            shared[inode] = allocated_of(status)
    return Beside(own, links, borrowed, shared, times)


def _mark(status: os.stat_result) -> Mark:
    return status.st_size, status.st_mtime_ns


def are_unchanged(root: str, folders: list[list[Any]]) -> bool:
    """Tell whether all folders, given relative to `root` with their modification times, still have these times."""
    try:
        return all(os.lstat(f"{root}/{name}" if name else root).st_mtime_ns == time for name, time in folders)
    except OSError:
        return False


def freed_by_removing(trees: Iterable[str], *, may_clone: bool) -> Usage:
    """Return the space that a removal of `trees` frees. If files `may_clone`, shared blocks do not count."""
    names, statuses, places = names_in(trees)
    size_bytes = inodes = 0
    for inode, status in statuses.items():
        if stat.S_ISDIR(status.st_mode) or names[inode] >= status.st_nlink:
            shared = reflinks.shared_bytes(places[inode]) if may_clone and stat.S_ISREG(status.st_mode) else 0
            size_bytes += max(0, allocated_of(status) - shared)
            inodes += 1
    return Usage(size_bytes, inodes)


def names_in(trees: Iterable[str]) -> tuple[dict[Inode, int], dict[Inode, os.stat_result], dict[Inode, str]]:
    """Return how many names each inode has in `trees`, its status, and one of its names."""
    names: dict[Inode, int] = {}
    statuses: dict[Inode, os.stat_result] = {}
    places: dict[Inode, str] = {}
    for tree in trees:
        for path, status in _walk(tree):
            inode = (status.st_dev, status.st_ino)
            names[inode] = names.get(inode, 0) + 1
            statuses[inode] = status
            places[inode] = path
    return names, statuses, places


_UNKNOWN: list[object] = ["", -1]
"""An item of `times` that is true of no tree: no folder has this time."""


def _walk(tree: str, times: list[list[object]] | None = None) -> Iterator[tuple[str, os.stat_result]]:
    """Yield every path of a tree, its root first.

    Paths that vanish meanwhile or can't be read are left out. Then `times` gets the item `_UNKNOWN`, so that the tree
    is read again next time: a disk may be away for a moment.
    """
    times = [] if times is None else times
    try:
        root = os.lstat(tree)
    except OSError:
        times.append(_UNKNOWN)
        return
    yield tree, root
    pending = [tree] if stat.S_ISDIR(root.st_mode) else []
    while pending:
        try:
            children = os.scandir(pending.pop())
        except OSError:
            times.append(_UNKNOWN)
            continue
        with children:
            for child in children:
                try:
                    status = status_of(child)
                except OSError:
                    times.append(_UNKNOWN)
                    continue
                if is_real_folder(status):
                    pending.append(child.path)
                yield child.path, status


class Branch(NamedTuple):
    """A file or folder of a tree. `size_bytes` are allocated, those of a folder with all that it holds.

    Each inode counts once. `file_count` is 1 for a file. `children` begin with the largest; a file has none.
    """

    name: str
    size_bytes: int
    file_count: int
    is_folder: bool
    children: tuple[Branch, ...] = ()


def branch(tree: str) -> Branch:
    """Return a tree with the disk usage of each file and folder. Of an inode with several names, the first counts.

    Paths that vanish meanwhile or can't be read are left out. Raises OSError if the tree itself is not there.
    """
    return _branch(tree, os.path.basename(tree), os.lstat(tree), set())


def _branch(path: str, name: str, status: os.stat_result, seen: set[Inode]) -> Branch:
    inode = (status.st_dev, status.st_ino)
    own = 0 if inode in seen else allocated_of(status)
    seen.add(inode)
    if not is_real_folder(status):
        return Branch(name, own, 1, is_folder=False)
    found = []
    with contextlib.suppress(OSError), os.scandir(path) as children:
        for child in sorted(children, key=lambda child: child.name):
            with contextlib.suppress(OSError):
                found.append(_branch(child.path, child.name, status_of(child), seen))
    found.sort(key=lambda item: -item.size_bytes)
    size_bytes, files = sum(item.size_bytes for item in found), sum(item.file_count for item in found)
    return Branch(name, own + size_bytes, files, is_folder=True, children=tuple(found))


def allocated(path: str) -> int:
    """Return the bytes of one file or folder, without the content of the folder; 0 if it does not exist."""
    try:
        return allocated_of(os.lstat(path))
    except OSError:
        return 0


def allocated_of(status: os.stat_result) -> int:
    """Return the bytes that a file of this status occupies."""
    blocks: int = getattr(status, "st_blocks", -(-status.st_size // _BLOCK_BYTES))
    return blocks * _BLOCK_BYTES
