"""Changing what an environment links: what it has is told apart first, into links of ours and files of its own."""

from __future__ import annotations

from pepip.environment import contents, linking
from pepip.errors import CorruptEntryError
from pepip.store import entries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pepip.environment.metadata import Installation
    from pepip.model import Entry, Environment, Installed
    from pepip.store.home import Store


def relink(
    store: Store,
    environment: Environment,
    present: Sequence[Installed],
    additions: list[Installation],
    going: Collection[str],
    *,
    reserved: Collection[str] = (),
) -> list[Installed]:
    """Link `additions` in place of what has their names, and remove what `going` names. Returns what is there then.

    The caller holds the environment's lock. `reserved` as in `linking.change`.
    """
    names = {*going, *(addition.entry.name for addition in additions)}
    if names or reserved:
        removals = [item for item in present if item.name in names]
        change_links(store, environment, present, additions, removals, reserved=reserved)
        for addition in additions:
            entries.note_linked(store, addition.entry)
    linked = (contents.distribution_of(item.entry.dist_info, item.entry.id) for item in additions)
    return sorted([*(item for item in present if item.name not in names), *linked])


def change_links(
    store: Store,
    environment: Environment,
    present: Sequence[Installed],
    additions: list[Installation],
    removals: list[Installed],
    *,
    reserved: Collection[str] = (),
    is_recovery: bool = False,
) -> None:
    """Tell what the environment links from what has files of its own, and change its links."""
    found = {item.name: entry_of(store, item) for item in present}
    linked = {name: entry for name, entry in found.items() if entry is not None}
    linking.change(
        environment,
        store.homes,
        linked=linked,
        additions=additions,
        removals=removals,
        foreign=[item for item in present if item.name not in linked],
        reserved=reserved,
        is_recovery=is_recovery,
    )


def entry_of(store: Store, distribution: Installed) -> Entry | None:
    """Return the entry that a distribution is linked from, None if it has files of its own or the store lost it."""
    if not distribution.entry_id:
        return None
    try:
        return entries.read(store, distribution.entry_id)
    except (FileNotFoundError, CorruptEntryError):
        return None
