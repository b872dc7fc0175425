"""Publishing entries of the user's own store to a layer, from which others link them."""

from __future__ import annotations

import os

from pepip import paths
from pepip.errors import CorruptEntryError, StoreError, UsageError
from pepip.fast_namedtuple import NamedTuple
from pepip.host import filesystems
from pepip.operations.reporting import Progress
from pepip.store import check, entries, leases, listing, promotion, publish, staging
from pepip.store.root import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from pepip.store.listing import Stored


class Published(NamedTuple):
    """The entries that a layer got, and those that it had already, by their ids there."""

    layer: str
    published: tuple[str, ...]
    present: tuple[str, ...]


def publish_to(store: Store, patterns: Sequence[str], layer_root: str) -> Generator[Progress, None, Published]:
    """Copy entries that match `patterns` to the layer at `layer_root`, yielding progress, and return the result.

    A layer that does not exist yet is made. Raises UsageError or StoreError, before an entry is copied, if a pattern
    matches none, if one is damaged or unproven, or if this user may not write the layer. Each entry appears there
    whole or not at all; after a failure those published before stay.
    """
    if not os.path.isabs(layer_root):
        raise UsageError(f"'{layer_root}' is not an absolute path", hint="write a path that begins with /")
    layer = Store(paths.slashed(os.path.normpath(layer_root)))
    own = paths.real(store.root)
    if f"{paths.real(layer.root)}/".startswith(f"{own}/"):
        place = "is" if paths.real(layer.root) == own else "lies in"
        raise UsageError(f"{layer_root} {place} your own store", hint="name another store by `--to`")
    if own.startswith(f"{paths.real(layer.root)}/packages/"):
        raise UsageError(f"your own store, {store.root}, lies among the entries of {layer_root}", hint=_APART)
    chosen = _chosen(store, patterns)
    for number, item in enumerate(chosen):
        yield Progress("verify", f"{item.name} {item.version}", number, len(chosen))
        flaw = next(iter(check.inspect(item.path)), None)
        if flaw:
            state = "unproven" if flaw.kind == check.UNPROVEN else "damaged"
            raise StoreError(
                f"{item.id} is {state} and can't be published: {flaw.path}, {flaw.words}",
                hint="run `pepip store repair` first",
            )
    _make(layer)
    if os.name != "nt" and not layer.root_stat.st_mode & _OTHERS_READ:
        yield Progress("warning", f"only you can read the layer {layer.root}: {_OPENING.format(layer.root)}")
    staging.remove_abandoned(layer)
    published: list[str] = []
    present = []
    with layer.linking(), staging.area(layer) as area:
        prepared = []
        for number, item in enumerate(chosen):
            yield Progress("store", f"{item.name} {item.version}", number, len(chosen))
            known = _known(layer, item)
            if known:
                present.append(known)
            else:
                prepared.append(promotion.copy(layer, item.path, f"{area}/{number}"))
        filesystems.flush(area)
        published += [publish.publish(layer, one).id for one in prepared]
    return Published(layer.root, tuple(published), tuple(present))


def _chosen(store: Store, patterns: Sequence[str]) -> list[Stored]:
    """Return the entries that match. Raises StoreError if a pattern matches none."""
    stored = [item for item in listing.stored(store) if item.state == "ok" and store.trusts_entry(item.path)]
    for pattern in patterns:
        if not any(listing.matches(item, [pattern]) for item in stored):
            others = (item.layer for item in listing.stored_in_layers(store) if listing.matches(item, [pattern]))
            there = next(others, "")
            hint = f"the layer {there} has it: with PEPIP_HOME={there} it is published from there" if there else _LIST
            raise StoreError(f"the store has no entry {pattern}", hint=hint)
    return [item for item in stored if listing.matches(item, patterns)]


_APART = "set PEPIP_HOME to a folder outside of it"
_LIST = "`pepip store list` lists its entries"
_OPENING = "`chmod 755 {0}`, then `pepip store init --layer` and `pepip store repair` with PEPIP_HOME={0} open it"
_OTHERS_READ = 0o055


def _make(layer: Store) -> None:
    """Make the layer if it does not exist. A new store is marked as a layer. Raises StoreError."""
    is_new = not os.path.isdir(f"{layer.root}/packages")
    if is_new and layer.exists() and os.listdir(layer.root):
        raise StoreError(
            f"{layer.root} is not a store: it has no `packages` folder", hint="name an empty or a new folder"
        )
    try:
        layer.create()
    except StoreError as error:
        raise StoreError(error.message, hint="let `--to` name a folder that you may write") from error
    if not layer.is_writable():
        raise StoreError(f"you may not write {layer.root}", hint="its owner may publish to it")
    if is_new:
        try:
            leases.set_policy(layer.root, leases.Policy(takes_leases=False, days=leases.DAYS))
        except OSError as error:
            raise layer.refusal(layer.root, error) from error


def _known(layer: Store, item: Stored) -> str:
    """Return the id of the layer's undamaged entry of the same wheel, empty if it has none."""
    bucket = item.bucket.partition("~")[0]
    try:
        found = entries.find(layer, name=item.name, version=item.version, identity=item.identity, buckets=[bucket])
    except (OSError, CorruptEntryError):
        return ""
    return found.id if found else ""
