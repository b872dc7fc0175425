"""The space that a removal of trees frees, as `df` will see it.

A file's blocks are free when its last name goes, and blocks that it shares with clones when the last clone goes.
"""

from __future__ import annotations

import stat

from pepip.fast_namedtuple import NamedTuple
from pepip.host import disk_usage, filesystems, reflinks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class Gain(NamedTuple):
    """The bytes that a removal frees, and those that it does not, since other files have them, too."""

    freed_bytes: int
    kept_bytes: int


def by_removing(trees: Iterable[str], *, place: str) -> Gain:
    """Return the space that a removal of all `trees` together frees. `place` is a folder of their file system.

    Blocks that several of the files share count as freed, although a clone outside the trees may keep them.
    """
    names, statuses, places = disk_usage.names_in(trees)
    may_clone = reflinks.may_clone(filesystems.mount_point(place))
    inode_bytes = filesystems.inode_bytes(place)
    freed = kept = 0
    shared: dict[tuple[int, int], int] = {}
    for inode, status in statuses.items():
        allocated = disk_usage.allocated_of(status)
        if not stat.S_ISDIR(status.st_mode) and names[inode] < status.st_nlink:
            kept += allocated
            continue
        freed += allocated + inode_bytes
        if may_clone and stat.S_ISREG(status.st_mode) and status.st_size:
            for extent in reflinks.shared_extents(places[inode]):
                shared[extent] = shared.get(extent, 0) + 1
    for (_, length), count in shared.items():
        freed -= length * (count if count == 1 else count - 1)
        kept += length if count == 1 else 0
    return Gain(max(0, freed), kept)
