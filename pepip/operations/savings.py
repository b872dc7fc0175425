"""The space that sharing saves, measured on disk. Each inode counts once, and the store counts, too."""

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

    from pepip.operations.census import Census, KnownVenv
    from pepip.store.listing import Stored
    from pepip.store.root import Store
    from pepip.store.scan_cache import ScanCache


class VenvShare(NamedTuple):
    """The bytes that one environment needs. A clone counts as a copy, even if it shares blocks.

    `own_bytes` are on disk for this environment alone. It would need `alone_bytes` with copies instead of links.
    """

    known: KnownVenv
    own_bytes: int
    alone_bytes: int


class Savings(NamedTuple):
    """The sums over the store and its environments.

    `on_disk_bytes` is the size of all entries and of all environments that can be reached. `without_sharing_bytes` is
    the size with copies in every environment. `with_hard_links_bytes` is the size with uv's hard links, and with uv's
    cache on the same file system: files count once, but folders and bytecode count in every environment. Files that
    environments have of their own count in all three. `prunable_bytes` is the size of the trash and of the
    entries that no environment links. `layer_bytes` is the size of the `layer_entries`, which environments link from
    layers: they don't count as this user's bytes on disk, and no prune frees them.
    """

    on_disk_bytes: int
    without_sharing_bytes: int
    with_hard_links_bytes: int
    prunable_bytes: int
    entries: int
    projects: int
    layer_bytes: int = 0
    layer_entries: int = 0

    @property
    def saved_bytes(self) -> int:
        """The bytes that sharing saves against copies."""
        return self.without_sharing_bytes - self.on_disk_bytes


class Measurer:
    """Measures entries and environments. An inode counts for the entry that has it, otherwise for its environment.

    `memory` answers for entries and environments that have not changed. In an entry, only the times of its root and
    of its bytecode folders are compared: new or removed bytecode changes these times, and all other folders are
    sealed.
    """

    def __init__(self, store: Store, memory: ScanCache | None = None) -> None:
        self._store = store
        self._memory = memory
        self._weights: dict[str, disk_usage.Weight] = {}
        self._overheads: dict[str, int] = {}
        self._inodes: dict[str, set[disk_usage.Inode]] = {}
        self._marks: dict[str, set[disk_usage.Mark]] = {}
        self.shared: dict[str, dict[disk_usage.Inode, int]] = {}

    @property
    def remembers(self) -> bool:
        """Whether `memory` may answer, so that some inodes are not read."""
        return self._memory is not None

    def entry(self, entry_id: str) -> disk_usage.Weight:
        """Return the bytes that an entry occupies, zero if the store has lost it."""
        if entry_id not in self._weights:
            self._weights[entry_id] = self._recalled(entry_id) or self._weigh(entry_id)
        return self._weights[entry_id]

    def inodes(self, entry_id: str) -> set[disk_usage.Inode]:
        """Return the inodes of an entry."""
        if entry_id not in self._inodes:
            self._weights[entry_id] = self._weigh(entry_id)
        return self._inodes[entry_id]

    def share(self, known: KnownVenv) -> VenvShare:
        """Return the share of an environment."""
        own = instead = 0
        if known.state not in {census.MISSING, census.UNREACHABLE}:
            own, instead = self._own(known)
        linked = sum(self._alone(entry_id) for entry_id in known.linked)
        return VenvShare(known, own, own - instead + linked)

    def _alone(self, entry_id: str) -> int:
        """Return the bytes that a copy of an entry would take, without folders and files that only a store has."""
        return self.entry(entry_id).total - self._overheads[entry_id]

    def _recalled(self, entry_id: str) -> disk_usage.Weight | None:
        folders = self._memory.evidence("weights", entry_id) if self._memory else None
        path = self._store.path_of(entry_id)
        if self._memory is None or folders is None or not disk_usage.are_unchanged(path, folders):
            return None
        *weight, self._overheads[entry_id] = self._memory.recall("weights", entry_id, folders)
        return disk_usage.Weight(*weight)

    def _weigh(self, entry_id: str) -> disk_usage.Weight:
        path = self._store.path_of(entry_id)
        weight, self._inodes[entry_id], self._marks[entry_id], times, unused = disk_usage.weigh(path)
        self._overheads[entry_id] = _overhead(path) + unused
        if self._memory:
            evidence = [[name, time] for name, time in times if not name or str(name).endswith(paths.PYCACHE)]
            self._memory.note("weights", entry_id, evidence, [*weight, self._overheads[entry_id]])
        return weight

    def _own(self, known: KnownVenv) -> tuple[int, int]:
        """Return an environment's own bytes, and the bytes to subtract before the sizes of linked entries are added.

        The second number is the size of the symbolic links, and of the copies of linked entries' files: full copies
        of these entries would take their place. It is smaller by the size of the files that a distribution with real
        files has as hard links into the store: without sharing, the environment would have these bytes of its own. So
        the number may be negative.
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
    """Return the bytes of an entry that a copy would not have, or that an environment always has of its own.

    These are the entry's root, its document, the `.dist-info` folder, RECORD, and the links that lie ready in the
    entry, with their folder. Metadata files that lie ready are not among them: environments take these as
    hard links, so they don't count as the environment's own, and a copy would have them.
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
    """Return the savings, and each environment's share. Changes nothing.

    `memory` may tell which entries are linked; every size is measured now.
    """
    return of_census(store, census.take(store, memory=memory), Measurer(store))


def of_census(store: Store, seen: Census, measurer: Measurer) -> tuple[Savings, list[VenvShare]]:
    """Return the same as `measure` for a census that was taken before, measured by `measurer`."""
    weights = {item.id: measurer.entry(item.id) for item in seen.stored}
    found = [measurer.share(known) for known in seen.projects]
    used = [entry_id for share in found for entry_id in share.known.linked if entry_id in weights]
    borrowed = {item.source_id for share in found for item in share.known.packages if item.mode == LINK}
    trashed = disk_usage.measure(trash.contents(store)).allocated_bytes
    twice = 0 if measurer.remembers else _counted_twice(seen, measurer)
    sums = sum_up(weights, found, used, borrowed, kept=seen.users(), trashed_bytes=trashed, counted_twice_bytes=twice)
    return _with_layers(sums, found, measurer), found


def _with_layers(sums: Savings, found: Sequence[VenvShare], measurer: Measurer) -> Savings:
    """Return sums that count the entries of layers as far as environments link them."""
    used = [entry_id for share in found for entry_id in share.known.linked if paths.is_layered(entry_id)]
    weights = {entry_id: measurer.entry(entry_id) for entry_id in used}
    files = sum(weight.files for weight in weights.values())
    in_each = sum(weights[entry_id].folders + weights[entry_id].bytecode for entry_id in used)
    return sums._replace(
        with_hard_links_bytes=sums.with_hard_links_bytes + files + in_each,
        layer_bytes=sum(weight.total for weight in weights.values()),
        layer_entries=len(weights),
    )


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
    """Return the sums over the `weights` of entries and over `found`, the shares of environments.

    `used` has the id of an entry once for each environment that links it. `borrowed` are the ids of entries to whose
    files environments have hard links of their own. `kept` are the ids that a prune leaves.
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


def _counted_twice(seen: Census, measurer: Measurer) -> int:
    """Return the bytes that were counted too often.

    Several environments may have hard links to one file, or an environment to a file of an entry that it is not known
    to use. Each further name of such a file was counted again.
    """
    counted = {inode for item in seen.stored for inode in measurer.inodes(item.id)}
    twice = 0
    for shared in measurer.shared.values():
        for inode, allocated in shared.items():
            if inode in counted:
                twice += allocated
            counted.add(inode)
    return twice


def shares(store: Store, memory: ScanCache | None = None) -> list[VenvShare]:
    """Return the share of each known environment, ordered by path."""
    measurer = Measurer(store, memory)
    return [measurer.share(known) for known in census.take(store, memory=memory).projects]


def sizes(store: Store, chosen: Iterable[Stored], memory: ScanCache | None = None) -> dict[str, int]:
    """Return the bytes that each entry occupies on disk, folders and bytecode included, by the entry's id."""
    measurer = Measurer(store, memory)
    return {item.id: measurer.entry(item.id).total for item in chosen}
