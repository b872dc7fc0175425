"""Pruning: removing the entries that no environment links.

The links of environments are the roots. They are read while every run that links has to wait. An orphan is first
renamed into the trash as a whole, and deleted there. So a killed run leaves no part of an entry where it could be
linked.
"""

from __future__ import annotations

import contextlib
import os
import time

from pepip import humanized, paths
from pepip.errors import StoreError
from pepip.fast_namedtuple import NamedTuple
from pepip.host import disk_usage, filesystems, permissions
from pepip.model import Progress
from pepip.names import normalize_name
from pepip.operations import census, registering
from pepip.store import entries, growth_log, leases, registry, staging, trash

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable

    from pepip.model import Stored
    from pepip.operations.census import Census, KnownVenv
    from pepip.store.root import Store


class PruneOptions(NamedTuple):
    """The choice of orphans that may go.

    `patterns` and `keep` are shell patterns of names. `older_than_seconds` counts from the last link. Orphans go only
    until the store is no larger than `max_bytes`; below zero there is no such limit. `only` has the ids that were
    chosen from a preview. An entry among them that is no orphan any more stays.
    """

    patterns: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    older_than_seconds: float = 0
    max_bytes: int = -1
    only: frozenset[str] | None = None


class Orphan(NamedTuple):
    """An entry that no environment links, and the bytes of all its files, even of those with names elsewhere."""

    stored: Stored
    allocated_bytes: int


class PrunePreview(NamedTuple):
    """The result of a prune, or of its preview.

    `shared_bytes` stay on disk because the same files have names elsewhere (uv's cache). `gone` are environments that
    were deleted, and environments of deleted scripts: these are removed, too. `unreachable` ones keep the entries
    that they linked last. `found` are environments that were not registered. `blocked` says why nothing at all may be
    removed, and `hint` how to change that. `refused` are orphans of another user. `leased` are the ids of entries
    that only leases of a layer's readers keep.
    """

    orphans: list[Orphan]
    freed_bytes: int
    shared_bytes: int
    gone: list[KnownVenv]
    unreachable: list[KnownVenv]
    found: list[str]
    blocked: str
    refused: list[Orphan]
    hint: str = ""
    leased: frozenset[str] = frozenset()


def preview(store: Store, options: PruneOptions, seen: Census | None = None) -> PrunePreview:
    """Return what a prune would do now. Changes nothing. `seen` is a census that was taken before."""
    return _decide(store, options, seen or census.take(store))


def freed_by(store: Store, orphans: Iterable[Orphan], gone: list[KnownVenv]) -> tuple[int, int]:
    """Return the bytes that removing these orphans frees, and those that stay because uv's cache has the files, too.

    The first number includes the trash and the registry's files on the environments in `gone`: they are removed, too.
    """
    trees = [orphan.stored.path for orphan in orphans]
    return disk_usage.freed_by_removing([*trees, *_removable(store, gone)])


def freed_by_entry(stored: Stored) -> tuple[int, int]:
    """Return the same as `freed_by` for one entry alone."""
    return disk_usage.freed_by_removing([stored.path])


def prune(store: Store, options: PruneOptions) -> Generator[Progress, None, PrunePreview]:
    """Remove orphans, yielding progress, and return what was done. Raises StoreError if nothing may be removed.

    Environments are read again while nobody links, so entries that were linked since a preview stay. A killed run
    leaves whole entries, in their place or in the trash. The next run empties the trash.
    """
    yield Progress("wait", "for running installs to finish")
    with store.pruning():
        seen = census.take(store)
        decided = _decide(store, options, seen)
        if decided.blocked:
            raise StoreError(decided.blocked, hint=decided.hint)
        unkept = [root for root, linked in seen.found.items() if not _is_registered(store, root, linked)]
        removed: list[Orphan] = []
        refused = list(decided.refused)
        # Without their registrations, environments beside them that are not registered would not be found again.
        gone = [] if unkept else decided.gone
        _remove_abandoned(gone)
        with trash.grave(store) if decided.orphans else contextlib.nullcontext("") as grave:
            for orphan in decided.orphans:
                yield Progress(
                    "prune", f"{orphan.stored.name} {orphan.stored.version}", len(removed), len(decided.orphans)
                )
                try:
                    trash.discard(store, orphan.stored.path, grave)
                except StoreError as error:
                    if not isinstance(error.__cause__, PermissionError):
                        raise
                    refused.append(orphan)
                else:
                    removed.append(orphan)
            freed, shared = disk_usage.freed_by_removing(_removable(store, gone, grave))
        for known in gone:
            with contextlib.suppress(OSError):  # the file belongs to another user
                registry.forget(known.registration)
    yield Progress("prune", "emptying the trash")
    trash.empty(store)
    staging.remove_abandoned(store)
    if removed:
        growth_log.add_prune(store, len(removed), freed)
    return decided._replace(orphans=removed, refused=refused, freed_bytes=freed, shared_bytes=shared)


def _remove_abandoned(gone: list[KnownVenv]) -> None:
    """Remove the environments of deleted scripts: uv must not find them with links that lead nowhere.

    An environment of another user stays.
    """
    for known in gone:
        if known.is_abandoned:
            with contextlib.suppress(OSError):
                os.unlink(f"{known.environment}/pyvenv.cfg")  # from now on the folder is no environment
                filesystems.remove_tree(known.environment)


def _is_registered(store: Store, root: str, linked: Collection[str]) -> bool:
    """Register an environment that was found. Return whether that worked: the disk may be full."""
    try:
        return registering.register(store, root, linked)
    except OSError:
        return False


_HINT_BLOCKED = "`pepip projects scan DIR` registers the environments below a folder; then remove the damaged file"


class Removed(NamedTuple):
    """An entry that was removed from the store, and the environments that this has broken."""

    entry_id: str
    freed_bytes: int
    broken: tuple[str, ...]


def remove(store: Store, named: str, *, force: bool) -> Removed:
    """Remove one entry, named by its id, as `name==version`, or by name if only one entry has that name.

    Raises StoreError if no entry matches or if several do. Without `force` also if environments link the entry, or if
    the registry can't be read.
    """
    name, _, version = named.partition("==")
    if not store.exists():
        raise StoreError(f"there is no store at {store.root}")
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
        if not force and _unreadable(store, seen):
            raise StoreError(_unreadable(store, seen), hint=_HINT_BLOCKED)
        policy = leases.policy_of(store.root)
        if policy and not force:
            readers = leases.users(store).get(chosen[0].id, [])
            if readers:
                raise StoreError(
                    f"{chosen[0].id} is leased by {humanized.listed(readers)}",
                    hint="`--force` removes it all the same",
                )
            if not policy.takes_leases:
                raise StoreError(_blocked_as_layer(store), hint="`--force` removes it all the same")
        if users and not force:
            raise StoreError(
                f"{chosen[0].id} is linked by {humanized.listed(users)}",
                hint="uninstall it there, or use `--force`, which breaks them",
            )
        freed, _ = disk_usage.freed_by_removing([chosen[0].path])
        trash.discard(store, chosen[0].path)
    trash.empty(store)
    return Removed(chosen[0].id, freed, tuple(users))


def _where_else(store: Store, named: str) -> str:
    """Return a hint for an entry that the store does not have: a layer may have it."""
    layer = next((item.layer for item in entries.stored_in_layers(store) if entries.matches(item, [named])), "")
    return (
        f"it is in the layer {layer}: only the layer's owner can remove it"
        if layer
        else "`pepip store list` shows all"
    )


def _decide(store: Store, options: PruneOptions, seen: Census) -> PrunePreview:
    unreachable = [known for known in seen.projects if known.state == census.UNREACHABLE]
    gone = [known for known in seen.projects if known.state == census.MISSING]
    found = sorted(seen.found)
    blocked = _unreadable(store, seen)
    unknown = [known for known in unreachable if known.entries is None]
    if unknown and not blocked:
        blocked = f"{unknown[0].environment} can't be reached, and the registry does not say which entries it links"
    hint = _HINT_BLOCKED
    policy = leases.policy_of(store.root)
    if policy and not blocked and not policy.takes_leases and not options.older_than_seconds:
        blocked, hint = _blocked_as_layer(store), _HINT_LAYER
    if blocked:
        return PrunePreview([], 0, 0, gone, unreachable, found, blocked, [], hint)
    users = seen.users().keys()
    leased = leases.users(store).keys() - users if policy else frozenset()
    chosen = _choose(options, seen, {*users, *leased})
    orphans = [orphan for orphan in chosen if permissions.may_remove(orphan.stored.path)]
    refused = [orphan for orphan in chosen if orphan not in orphans]
    freed, shared = freed_by(store, orphans, gone)
    return PrunePreview(orphans, freed, shared, gone, unreachable, found, "", refused, leased=frozenset(leased))


def _blocked_as_layer(store: Store) -> str:
    return f"{store.root} is a layer, and takes no leases: nobody knows who links it"


_HINT_LAYER = "--older-than 90d removes by age; `pepip store init --layer --lease-days 60` lets readers take leases"


def _removable(store: Store, gone: list[KnownVenv], own_grave: str = "") -> list[str]:
    """Return the paths that a prune removes beside orphans: the trash, and registry files on deleted environments.

    Paths that this user may not remove are left out.
    """
    files = [file for known in gone for file in registry.files_of(known.registration)]
    files += [known.environment for known in gone if known.is_abandoned]
    return [path for path in (*trash.contents(store, own=own_grave), *files) if permissions.may_remove(path)]


def _unreadable(store: Store, seen: Census) -> str:
    """Return in a sentence why the registry may lack environments, empty if it is complete."""
    if seen.stored and not os.path.isdir(paths.projects(store.root)):
        return f"the registry {paths.projects(store.root)} is gone, so nobody knows which environments there are"
    if os.path.lexists(paths.registry_lost(store.root)):
        return f"the registry {paths.projects(store.root)} was lost once, so nobody knows all environments"
    if seen.damaged:
        damaged = seen.damaged[0]
        return (
            f"the registry file {damaged.file} can't be read ({damaged.damage}), "
            "so nobody knows what its environment links"
        )
    return ""


def _choose(options: PruneOptions, seen: Census, kept: Collection[str]) -> list[Orphan]:
    """Return the orphans that match the options, the least recently linked first."""
    now = time.time()
    candidates = [
        item
        for item in seen.stored
        if item.id not in kept
        and (options.only is None or item.id in options.only)
        and (not options.patterns or entries.matches(item, options.patterns))
        and not entries.matches(item, options.keep)
        and (not options.older_than_seconds or now - _linked_at(item) >= options.older_than_seconds)
    ]
    candidates.sort(key=lambda item: (_linked_at(item), item.id))
    orphans = [_orphan(item) for item in candidates]
    if options.max_bytes < 0:
        return orphans
    excess = disk_usage.measure([item.path for item in seen.stored]).allocated_bytes - options.max_bytes
    chosen = []
    for orphan in orphans:
        if excess <= 0:
            break
        chosen.append(orphan)
        excess -= orphan.allocated_bytes
    return chosen


def _linked_at(stored: Stored) -> int:
    """Return when an entry was last linked, or stored if that is later, in seconds since 1970.

    Links are noted to the minute.
    """
    return max(stored.last_linked_at, stored.stored_at)


def _orphan(stored: Stored) -> Orphan:
    return Orphan(stored, disk_usage.measure([stored.path]).allocated_bytes)
