"""What sharing saves: measured on disk, each inode counted once, the store included."""

from __future__ import annotations

import os

from pepip import paths
from pepip.fast_namedtuple import NamedTuple
from pepip.host import disk_usage
from pepip.host.transfer import LINK
from pepip.operations import census
from pepip.store import trash

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from pepip.model import Stored
    from pepip.operations.census import Census, KnownVenv
    from pepip.store.root import Store
    from pepip.store.scan_cache import ScanCache


class VenvShare(NamedTuple):
    """What one environment needs. `own_bytes` are on disk for it alone, `alone_bytes` it would need with copies.

    A clone counts as a copy: nothing tells which of its blocks are shared.
    """

    known: KnownVenv
    own_bytes: int
    alone_bytes: int


class Savings(NamedTuple):
    """The sums. `on_disk_bytes` are those of all entries and all environments that can be reached.

    `without_sharing_bytes` are what copies in every environment would take, `with_hard_links_bytes` what uv's hard
    links would, with its cache on the same file system: files once, but folders and bytecode in every environment.
    Environments that have files of their own count in both as they are.
    `prunable_bytes` are what no environment links.
    """

    on_disk_bytes: int
    without_sharing_bytes: int
    with_hard_links_bytes: int
    prunable_bytes: int
    entries: int
    projects: int

    @property
    def saved_bytes(self) -> int:
        """What sharing saves against copies."""
        return self.without_sharing_bytes - self.on_disk_bytes


class Scales:
    """Weighs entries and environments. An inode belongs to the entry that has it, else to its environment.

    `memory` answers for what has not changed: bytecode comes and goes with the time of its folder, and everything
    else of an entry is sealed.
    """

    def __init__(self, store: Store, memory: ScanCache | None = None) -> None:
        self._packages = paths.packages(store.root)
        self._memory = memory
        self._weights: dict[str, disk_usage.Weight] = {}
        self._overheads: dict[str, int] = {}
        self._inodes: dict[str, set[disk_usage.Inode]] = {}
        self._marks: dict[str, set[disk_usage.Mark]] = {}
        self.shared: dict[str, dict[disk_usage.Inode, int]] = {}

    @property
    def remembers(self) -> bool:
        """Whether a memory may answer, so that not every inode is looked at."""
        return self._memory is not None

    def entry(self, entry_id: str) -> disk_usage.Weight:
        """Return what an entry occupies, nothing if the store has lost it."""
        if entry_id not in self._weights:
            self._weights[entry_id] = self._recalled(entry_id) or self._weigh(entry_id)
        return self._weights[entry_id]

    def inodes(self, entry_id: str) -> set[disk_usage.Inode]:
        """Return the inodes of an entry."""
        if entry_id not in self._inodes:
            self._weights[entry_id] = self._weigh(entry_id)
        return self._inodes[entry_id]

    def share(self, known: KnownVenv) -> VenvShare:
        """Return what an environment needs."""
        own = instead = 0
        if known.state not in {census.MISSING, census.UNREACHABLE}:
            own, instead = self._own(known)
        linked = sum(self._alone(entry_id) for entry_id in known.linked)
        return VenvShare(known, own, own - instead + linked)

    def _alone(self, entry_id: str) -> int:
        """Return what an entry would take as a copy: without the folders and files that only a store has."""
        return self.entry(entry_id).total - self._overheads[entry_id]

    def _recalled(self, entry_id: str) -> disk_usage.Weight | None:
        folders = self._memory.evidence("weights", entry_id) if self._memory else None
        path = f"{self._packages}/{entry_id}"
        if self._memory is None or folders is None or not disk_usage.are_unchanged(path, folders):
            return None
        *weight, self._overheads[entry_id] = self._memory.recall("weights", entry_id, folders)
        return disk_usage.Weight(*weight)

    def _weigh(self, entry_id: str) -> disk_usage.Weight:
        path = f"{self._packages}/{entry_id}"
        weight, self._inodes[entry_id], self._marks[entry_id], times, unused = disk_usage.weigh(path)
        self._overheads[entry_id] = _overhead(path) + unused
        if self._memory:
            evidence = [[name, time] for name, time in times if not name or str(name).endswith(paths.PYCACHE)]
            self._memory.note("weights", entry_id, evidence, [*weight, self._overheads[entry_id]])
        return weight

    def _own(self, known: KnownVenv) -> tuple[int, int]:
        """Return the bytes that are an environment's own, and those of them that stand for what entries have.

        What it has hard links to, as files of its own, is taken off the second: copies would take it in addition.
        """
        root, memory = known.environment, self._memory
        folders = memory.evidence("own", root) if memory else None
        if memory and folders is not None and disk_usage.are_unchanged(root, folders):
            own, instead = memory.recall("own", root, folders)
            return own, instead
        linked = {inode for entry_id in known.linked for inode in self.inodes(entry_id)}
        borrowed = {inode for entry_id in known.copied for inode in self.inodes(entry_id)}
        copies = {mark for entry_id in known.linked for mark in self._marks[entry_id]}
        found = disk_usage.weigh_beside(root, linked, also=borrowed, copies=copies)
        self.shared[root] = found.shared
        instead = found.links - found.borrowed
        if memory:
            evidence = [[name, time] for name, time in found.times if not str(name).endswith(".dist-info")]
            memory.note("own", root, evidence, [found.own, instead])
        return found.own, instead


def _overhead(path: str) -> int:
    """Return what an entry has that a copy in an environment has not, or has of its own: its root, and metadata.

    The metadata that lies ready in it is the environment's.
    """
    names = ["", f"/{paths.ENTRY_METADATA}"]
    folder = next((name for name in _children(path) if name.endswith(".dist-info")), "")
    if folder:
        names += [f"/{folder}", f"/{folder}/RECORD"]
    ready = f"/{paths.READY}"
    links = (f"{ready}/{name}" for name in _children(path + ready))
    names += [ready, *(name for name in links if os.path.islink(path + name))]
    return sum(disk_usage.allocated(f"{path}{name}") for name in names)


def _children(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def measure(store: Store, memory: ScanCache | None = None) -> tuple[Savings, list[VenvShare]]:
    """Return what sharing saves, and each environment's share. Changes nothing.

    `memory` may say who links what; every size is measured now.
    """
    return of_census(store, census.take(store, memory=memory), Scales(store))


def of_census(store: Store, seen: Census, scales: Scales) -> tuple[Savings, list[VenvShare]]:
    """Return the same for a census that was taken before, weighed by `scales`."""
    weights = {item.id: scales.entry(item.id) for item in seen.stored}
    found = [scales.share(known) for known in seen.projects]
    used = [entry_id for share in found for entry_id in share.known.linked if entry_id in weights]
    borrowed = {item.source_id for share in found for item in share.known.packages if item.mode == LINK}
    trashed = disk_usage.measure(trash.contents(store)).allocated_bytes
    twice = 0 if scales.remembers else _counted_twice(seen, scales)
    sums = sum_up(weights, found, used, borrowed, kept=seen.users(), trashed_bytes=trashed, counted_twice_bytes=twice)
    return sums, found


def sum_up(
    weights: Mapping[str, disk_usage.Weight],
    found: Sequence[VenvShare],
    used: Sequence[str],
    borrowed: Collection[str],
    *,
    kept: Collection[str],
    trashed_bytes: int,
    counted_twice_bytes: int = 0,
) -> Savings:
    """Return the sums, from each entry's weight, each environment's share, and the ids that environments link.

    `borrowed` are the ids to whose files they have hard links of their own, `kept` those that a prune leaves.
    """
    own = sum(share.own_bytes for share in found) - counted_twice_bytes
    return Savings(
        on_disk_bytes=sum(weight.total for weight in weights.values()) + own,
        without_sharing_bytes=sum(share.alone_bytes for share in found),
        with_hard_links_bytes=sum(weights[entry_id].files for entry_id in {*used, *borrowed} & weights.keys())
        + sum(weights[entry_id].folders + weights[entry_id].bytecode for entry_id in used)
        + own,
        prunable_bytes=sum(weight.total for entry_id, weight in weights.items() if entry_id not in kept)
        + trashed_bytes,
        entries=len(weights),
        projects=len(found),
    )


def _counted_twice(seen: Census, scales: Scales) -> int:
    """Return the bytes of inodes that several environments have, or an environment and an entry it does not name."""
    counted = {inode for item in seen.stored for inode in scales.inodes(item.id)}
    twice = 0
    for shared in scales.shared.values():
        for inode, allocated in shared.items():
            if inode in counted:
                twice += allocated
            counted.add(inode)
    return twice


def shares(store: Store, memory: ScanCache | None = None) -> list[VenvShare]:
    """Return what each known environment needs, by its path."""
    scales = Scales(store, memory)
    return [scales.share(known) for known in census.take(store, memory=memory).projects]


def sizes(store: Store, chosen: Iterable[Stored], memory: ScanCache | None = None) -> dict[str, int]:
    """Return what each entry occupies on disk, in bytes, folders and bytecode included, by its id."""
    scales = Scales(store, memory)
    return {item.id: scales.entry(item.id).total for item in chosen}
