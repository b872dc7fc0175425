"""Changing what an environment links: what it has is told apart first, into links of ours and files of its own."""

from __future__ import annotations

import contextlib
import os

from pepip.environment import aside, contents, journal, legacy, linking
from pepip.errors import CorruptEntryError, PepipError, UvError
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
    """Tell what the environment links from what has files of its own, and change its links.

    If that fails, all is as it was; a recovery leaves the journal for `roll_back`.
    """
    found = {item.name: entry_of(store, item) for item in present}
    linked = {name: entry for name, entry in found.items() if entry is not None}
    leaving = _departure(environment, [item for item in removals if legacy.is_legacy(item)])
    try:
        linking.change(
            environment,
            store.homes,
            linked=linked,
            additions=additions,
            removals=removals,
            foreign=[item for item in present if item.name not in linked],
            reserved=reserved,
            leaving=leaving,
            is_recovery=is_recovery,
        )
    except (OSError, PepipError):
        if not is_recovery and journal.pending(environment.root) is not None:
            with contextlib.suppress(OSError, PepipError):  # then the next command tries, by the journal
                roll_back(store, environment, [addition.entry.id for addition in additions])
        raise


def roll_back(store: Store, environment: Environment, entry_ids: Collection[str]) -> None:
    """Take back what a change has done that can't be completed. The caller holds the environment's lock.

    `entry_ids` are those that it meant to link. What it had set aside is put back, and what was linked before is
    linked again. Raises OSError or PepipError; the journal is there then, and this can be done again.
    """
    before = aside.distributions(environment, store.homes)
    present = contents.installed(environment, store.homes)
    kept = {item.entry_id for item in before}
    came = [item for item in present if item.entry_id in entry_ids and item.entry_id not in kept]
    strays = []
    for entry_id in set(entry_ids) - kept:
        with contextlib.suppress(FileNotFoundError, CorruptEntryError):
            strays.append(entries.read(store, entry_id))
    owned = {path for item in present if item not in came for path in contents.files_of(environment, item)}
    linking.remove_strays(environment, store.homes, strays, came, owned)
    aside.restore(environment, store.homes)
    present = contents.installed(environment, store.homes)
    change_links(store, environment, present, [], [], is_recovery=True)


def _departure(environment: Environment, going: list[Installed]) -> legacy.Departure:
    """Ask uv what goes with distributions that have no RECORD. Raises UvError if it can't remove one."""
    if not going:
        return legacy.NOTHING
    import tempfile

    from pepip.uv import stage

    with tempfile.TemporaryDirectory(prefix="pepip-") as folder:
        twin = f"{folder}/site-packages"
        os.mkdir(twin)
        legacy.make_twin(environment.site_packages, going, twin)
        try:
            stage.uninstall_from(twin, environment.interpreter.executable, sorted({item.name for item in going}))
        except UvError as error:
            error.output = error.output.replace(twin, environment.site_packages)
            raise
        return legacy.departure(environment.site_packages, going, twin)


def entry_of(store: Store, distribution: Installed) -> Entry | None:
    """Return the entry that a distribution is linked from, None if it has files of its own or the store lost it."""
    if not distribution.entry_id:
        return None
    try:
        return entries.read(store, distribution.entry_id)
    except (FileNotFoundError, CorruptEntryError):
        return None
