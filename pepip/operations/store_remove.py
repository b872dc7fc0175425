"""Removing one entry that the user names, even if environments link it."""

from __future__ import annotations

from pepip import humanized
from pepip.errors import NoStoreError, StoreError
from pepip.fast_namedtuple import NamedTuple
from pepip.names import normalize_name
from pepip.operations import census, prune
from pepip.store import leases, listing, trash

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.store.root import Store


class Removed(NamedTuple):
    """An entry that was removed from the store, and the environments that this has broken.

    `freed_bytes` are free now, or, if the entry is kept in the trash, when that is emptied.
    """

    entry_id: str
    freed_bytes: int
    broken: tuple[str, ...]


def remove(store: Store, named: str, *, force: bool, keep_seconds: float = 0) -> Removed:
    """Remove one entry, named by its id, as `name==version`, or by name if only one entry has that name.

    With `keep_seconds`, it stays in the trash for so long. Raises StoreError if no entry matches or if several do.
    Without `force`, raises StoreError also if environments link the entry, if a reader of the layer may link it, or
    if the registry can't be read.
    """
    name, _, version = named.partition("==")
    if not store.exists():
        raise NoStoreError(store.root)
    with store.pruning():
        seen = census.take(store)
        chosen = [
            item
            for item in seen.stored
            if item.id == named or (item.name == normalize_name(name) and version in {"", item.version})
        ]
        if len(chosen) != 1:
            ids = ", ".join(item.id for item in chosen)
            raise StoreError(
                f"several entries match {named}: {ids}" if chosen else f"the store has no entry {named}",
                hint="name one of them" if chosen else _where_else(store, named),
            )
        users = seen.users().get(chosen[0].id, [])
        if not force and prune.unreadable(store, seen):
            raise StoreError(prune.unreadable(store, seen), hint=prune.HINT_BLOCKED)
        policy = leases.policy_of(store.root)
        if policy and not force:
            readers = leases.users(store).get(chosen[0].id, [])
            if readers:
                raise StoreError(
                    f"{chosen[0].id} is leased by {humanized.listed(readers)}",
                    hint="`--force` removes it all the same",
                )
            if not policy.takes_leases:
                raise StoreError(prune.blocked_as_layer(store), hint="`--force` removes it all the same")
        if users and not force:
            raise StoreError(
                f"{chosen[0].id} is linked by {humanized.listed(users)}",
                hint="uninstall it there, or use `--force`, which breaks them",
            )
        freed, _ = prune.freed_by_entry(chosen[0])
        with trash.grave(store, keep_seconds=keep_seconds) as grave:
            trash.discard(store, chosen[0].path, grave)
    trash.empty(store)
    return Removed(chosen[0].id, freed, tuple(users))


def _where_else(store: Store, named: str) -> str:
    """Return a hint for an entry that the store does not have: a layer may have it."""
    layer = next((item.layer for item in listing.stored_in_layers(store) if listing.matches(item, [named])), "")
    if layer:
        return f"it is in the layer {layer}: only the layer's owner can remove it"
    return "`pepip store list` shows all"
