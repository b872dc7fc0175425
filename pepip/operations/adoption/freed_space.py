"""The space that sharing would free, counted by inode: copies may already be hard links of the same files.

One of several equal copies becomes the entry, unless the store already has an equal entry. The space of the other
copies is freed, unless their inodes have names elsewhere: in uv's cache, or in an environment that is left alone.
"""

from __future__ import annotations

from pepip.fast_namedtuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pepip.environment.survey import Unlinked

_BLOCK_BYTES = 4096
_LONGEST_SYMLINK_INSIDE = 59  # ext4 stores a longer target in a block of its own
_ROW_BYTES = 210  # the space of one file's rows in the entry's document and RECORD


class Candidate(NamedTuple):
    """A distribution that would be linked, the number of its environment, and the device that holds it."""

    environment: int
    device: int
    copy: Unlinked


class Disk(NamedTuple):
    """The place of the store: its folder, its device, and the bytes that a small folder itself occupies there.

    `inode_bytes` are as in `filesystems.inode_bytes`, by device.
    """

    home: str
    device: int
    folder_bytes: int
    inode_bytes: Mapping[int, int]


class Freed(NamedTuple):
    """Bytes and inodes that would be free. They are negative if an entry costs more than it saves."""

    size_bytes: int = 0
    inodes: int = 0

    def __add__(self, other: object) -> Freed:
        """Return the sum of two."""
        if not isinstance(other, Freed):
            return NotImplemented
        return Freed(self.size_bytes + other.size_bytes, self.inodes + other.inodes)

    def with_inodes(self, inode_bytes: int) -> Freed:
        """Return the same with the bytes that the inodes themselves occupy."""
        return Freed(self.size_bytes + self.inodes * inode_bytes, self.inodes)


class FreedSpace(NamedTuple):
    """The space that would be free, by environment and in total.

    `copied_bytes` would be added to a store on another disk. `shared` is the number of distributions that are equal
    in several environments. `sources` has the names of distributions whose copies become entries, by environment.
    """

    by_environment: dict[int, Freed]
    total: Freed
    copied_bytes: int
    shared: int
    sources: dict[int, set[str]]


def measure(candidates: Iterable[Candidate], *, stored: set[str], disk: Disk) -> FreedSpace:
    """Return the space that linking all `candidates` would free. `stored` has the `Copy.content` of all entries."""
    by_content: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        by_content.setdefault(candidate.copy.content, []).append(candidate)
    by_environment: dict[int, Freed] = {}
    sources: dict[int, set[str]] = {}
    copied = 0
    for content, equal in by_content.items():
        chosen = None if content in stored else _chosen(equal, disk.device)
        if content not in stored:
            cost = _cost(equal[0].copy, disk)
            source = chosen or equal[0]
            sources.setdefault(source.environment, set()).add(source.copy.name)
            if chosen is None:
                copied += equal[0].copy.size_bytes + equal[0].copy.folders[0] - cost.size_bytes
            else:
                by_environment[source.environment] = by_environment.get(source.environment, Freed()) + cost
        gone: dict[int, int] = {}
        for candidate in equal:
            for group in candidate.copy.inodes:
                gone[group.mark] = gone.get(group.mark, 0) + 1
        for candidate in equal:
            if candidate is not chosen:
                freed = _freed(candidate.copy, chosen, gone)
                if candidate.device != disk.device:
                    freed += _links(candidate.copy, disk)
                by_environment[candidate.environment] = by_environment.get(candidate.environment, Freed()) + freed
    devices = {candidate.environment: candidate.device for equal in by_content.values() for candidate in equal}
    for environment, freed in by_environment.items():
        by_environment[environment] = freed.with_inodes(disk.inode_bytes.get(devices[environment], 0))
    total = sum(by_environment.values(), Freed())
    shared = sum(len({item.environment for item in equal}) > 1 for equal in by_content.values())
    return FreedSpace(by_environment, total, copied, shared, sources)


def _chosen(equal: Sequence[Candidate], device: int) -> Candidate | None:
    """Return the copy that becomes the entry, None if the store is on another disk than all copies.

    The best copy is the one whose inodes have the most names, since removing that copy would free least.
    """
    near = [item for item in equal if item.device == device]
    return max(near, key=lambda item: max((group.names for group in item.copy.inodes), default=0), default=None)


def _freed(copy: Unlinked, chosen: Candidate | None, gone: dict[int, int]) -> Freed:
    """Return the space that the removal of a copy frees. Copies with the same inodes get equal parts of it."""
    kept = {group.mark for group in chosen.copy.inodes} if chosen else set()
    size_bytes = copy.folders[0] + copy.bytecode[0]
    inodes = copy.folders[1] + copy.bytecode[1]
    for group in copy.inodes:
        if group.names == 1:
            size_bytes, inodes = size_bytes + group.size_bytes, inodes + group.number
        elif group.mark not in kept and gone[group.mark] >= group.names:
            size_bytes += group.size_bytes // gone[group.mark]
            inodes += group.number // gone[group.mark]
    return Freed(size_bytes, inodes)


def _cost(copy: Unlinked, disk: Disk) -> Freed:
    """Return, as a negative `Freed`, the space that an entry needs beside the files and folders of its copy."""
    files = sum(group.number for group in copy.inodes)
    ready = _links(copy, disk)
    folders = 3 + copy.new_folders  # of the entry, of its metadata, and of the links that it keeps ready
    # Btrfs keeps small files in its metadata, and folders take no blocks there. The 2 was fitted to
    # one set of wheels.
    texts = -(-files * _ROW_BYTES // _BLOCK_BYTES) + (4 if disk.folder_bytes else 2)
    size_bytes = texts * _BLOCK_BYTES + folders * disk.folder_bytes
    return ready + Freed(-size_bytes, -(folders + 5))


def _links(copy: Unlinked, disk: Disk) -> Freed:
    """Return, as a negative `Freed`, the space of the links to an entry's folders and to its METADATA.

    The store keeps them ready, and all environments on its disk share them. On another disk each has its own.
    """
    number = copy.links + 1
    longest = len(disk.home) + len("/packages/cpython-312-linux-x86_64/") + 2 * len(copy.name) + len(copy.version)
    # Some file systems store any target in the inode. They are those on which folders take no blocks.
    takes_block = longest > _LONGEST_SYMLINK_INSIDE and disk.folder_bytes
    return Freed(-number * _BLOCK_BYTES if takes_block else 0, -number)
