"""The overview of a store: its entries with their sizes and users, and the savings."""

from __future__ import annotations

import operator
import os

from pepip import paths
from pepip.fast_namedtuple import NamedTuple
from pepip.host import disk_usage
from pepip.host.transfer import LINK
from pepip.operations import census, savings
from pepip.store.listing import Stored
from pepip.store.registry_file import Registration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.operations.census import Census
    from pepip.operations.savings import Savings, VenvShare
    from pepip.store.root import Store
    from pepip.store.scan_cache import ScanCache


class Overview(NamedTuple):
    """A census, with the bytes on disk of each entry by its id, each environment's share, and the sums.

    Entries of layers are in the census, too, and have sizes.
    """

    census: Census
    sizes: dict[str, int]
    shares: list[VenvShare]
    savings: Savings


def take(store: Store, memory: ScanCache | None = None) -> Overview:
    """Read the disk, and return the overview. `memory` may answer for unchanged entries and environments."""
    seen = census.take(store, memory=memory, with_layers=bool(store.layers))
    measurer = savings.Measurer(store, memory)
    sums, shares = savings.of_census(store, seen, measurer)
    sizes = {item.id: measurer.entry(item.id).total for item in (*seen.stored, *seen.layered)}
    return Overview(seen, sizes, shares, sums)


def recall(store: Store, memory: ScanCache) -> Overview | None:
    """Return the overview that `memory` holds from the last scan, without reading the disk. None if it holds none.

    The answer comes at once and may be outdated. Only the paths, the entries and the sizes of environments are
    known, and all environments count as whole.
    """
    rows_of_weights = memory.remembered("weights").items()
    weights = {name: disk_usage.Weight._make(row[1][:3]) for name, row in rows_of_weights}
    alone_bytes = {name: weights[name].total - row[1][3] for name, row in rows_of_weights}
    stored = [
        _stored(store, entry_id, row[0], row[1])
        for entry_id, row in memory.remembered("entries").items()
        if entry_id in weights
    ]
    if not stored:
        return None
    stored.sort(key=lambda item: (item.name, item.version, item.id))
    own_ids = {entry_id for entry_id in weights if not paths.is_layered(entry_id)}
    own = {root: row[1] for root, row in memory.remembered("own").items()}
    entry_of, source_of = operator.attrgetter("entry_id"), operator.attrgetter("source_id")
    shares: list[VenvShare] = []
    used: list[str] = []
    for root, (_, rows) in sorted(memory.remembered("packages").items()):
        packages = census.recalled(memory, rows)
        linked = frozenset(filter(None, map(entry_of, packages)))
        used += linked & own_ids
        has = linked.union(filter(None, map(source_of, packages)))
        registration = Registration("", root, os.path.dirname(root), 0, "", ())
        known = census.KnownVenv(root, registration.project, "", census.OK, "", (), has, registration)
        own_bytes, instead = own.get(root, (0, 0))
        alone = sum(filter(None, map(alone_bytes.get, linked)))
        shares.append(savings.VenvShare(known, own_bytes, own_bytes - instead + alone))
    borrowed = {item.source_id for item in memory.made.values() if item.mode == LINK}
    seen = census.Census(stored, [share.known for share in shares], [], {})
    sums = savings.sum_up(
        {item.id: weights[item.id] for item in stored},
        shares,
        used,
        borrowed,
        kept=frozenset().union(*(share.known.entries or () for share in shares)),
        trashed_bytes=0,
    )
    return Overview(seen, {item.id: weights[item.id].total for item in stored}, shares, sums)


def _stored(store: Store, entry_id: str, changed_at: int, row: list[object]) -> Stored:
    name, version, identity, origin, file_count, stored_at = row
    return Stored(
        id=entry_id,
        path=f"{paths.packages(store.root)}/{entry_id}",
        name=str(name),
        version=str(version),
        identity=str(identity),
        origin=str(origin),
        file_count=int(str(file_count)),
        stored_at=int(str(stored_at)),
        last_linked_at=changed_at // 1_000_000_000,
        state="ok",
    )
