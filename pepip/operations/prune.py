"""Pruning: removing the entries that no environment links.

The links of all environments are read while every run that links has to wait. An orphan is first
renamed into the trash as a whole, and deleted there. So a killed run leaves no part of an entry where it could be
linked. A removal that is kept in the trash can be taken back (`pepip.operations.undo`).
"""

from __future__ import annotations

import contextlib
import os
import time

from pepip import paths
from pepip.environment import venv_id
from pepip.errors import StoreError
from pepip.fast_namedtuple import NamedTuple
from pepip.host import disk_usage, filesystems, freed_space, rights, running_processes
from pepip.operations import census, idle, registering
from pepip.operations.reporting import Progress
from pepip.store import buried, entries, growth_log, leases, listing, registry, staging, trash
from pepip.uv import cached_packages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable, Mapping

    from pepip.environment.venv_id import Identity
    from pepip.operations.census import Census, KnownVenv
    from pepip.store.listing import Stored
    from pepip.store.root import Store


class PruneOptions(NamedTuple):
    """The choice of orphans that may go.

    `patterns` and `keep` are as in `listing.matches`. `older_than_seconds` counts from `Stored.last_used_at`. Orphans
    go only until the store is no larger than `max_bytes`; below zero there is no such limit. `only` has the ids that
    were chosen from a preview. An entry among them that is no orphan any more stays. With `keep_seconds`, the removed
    entries stay in the trash for so long. Without it, the space is free at once, and the whole trash is emptied.
    `environments` are the paths of registered environments that go, too. If the identity of one of them is among
    `identities` and is another one now, nothing is removed: somebody has replaced the environment that was chosen.
    With `with_cache`, the packages of removed entries go from uv's cache, in all versions.
    """

    patterns: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    older_than_seconds: float = 0
    max_bytes: int = -1
    only: frozenset[str] | None = None
    keep_seconds: float = 0
    environments: tuple[str, ...] = ()
    with_cache: bool = False
    identities: Mapping[str, Identity | None] = {}


class Orphan(NamedTuple):
    """An entry that no environment links, and the bytes of all its files, even of those with names elsewhere."""

    stored: Stored
    allocated_bytes: int


class PrunePreview(NamedTuple):
    """The result of a prune, or of its preview.

    `shared_bytes` stay on disk because uv's cache has the same files. `gone` are the environments whose links do not
    count: deleted ones, those of deleted scripts, and chosen ones. The prune removes the last two. `unreachable`
    environments keep the entries that they linked last. `unregistered` environments were found beside known ones.
    `blocked` is the reason why nothing at all may be removed, and `hint` the remedy. `refused` are orphans that this
    user may not remove. `leased` are the ids of entries that only leases of a layer's readers keep. `trashed_bytes`
    stay in the trash, and are free when it is emptied; `freed_bytes` does not include them. `kept_until` is the time
    until which the trash keeps the removed entries, in seconds since 1970; 0 if it keeps none. `emptied_bytes` is the
    part of `freed_bytes` that was in the trash before the prune, and `restorable_bytes` the part of `emptied_bytes`
    that an undo could have brought back before the prune.
    """

    orphans: list[Orphan]
    freed_bytes: int
    shared_bytes: int
    gone: list[KnownVenv]
    unreachable: list[KnownVenv]
    unregistered: list[str]
    blocked: str
    refused: list[Orphan]
    hint: str = ""
    leased: frozenset[str] = frozenset()
    trashed_bytes: int = 0
    kept_until: int = 0
    emptied_bytes: int = 0
    restorable_bytes: int = 0


def identities_of(environments: Iterable[str]) -> dict[str, Identity | None]:
    """Return the present identities of environments, for the options of a later prune."""
    return {root: venv_id.identity(root) for root in environments}


def on_other_disks(store: Store, identities: Mapping[str, Identity | None]) -> frozenset[str]:
    """Return the environments that are on another disk than the store, where the trash can't keep them."""
    device = os.stat(store.root).st_dev
    return frozenset(root for root, found in identities.items() if found is not None and found.device != device)


def preview(store: Store, options: PruneOptions, seen: Census | None = None) -> PrunePreview:
    """Return the result that a prune would have now. Changes nothing. `seen` is a census that was taken before."""
    return _decide(store, options, seen or census.take(store))


def measure(
    store: Store, orphans: Iterable[Orphan], gone: list[KnownVenv], options: PruneOptions
) -> tuple[int, int, int]:
    """Return the bytes that removing these orphans frees, those that other files keep, and those left in the trash.

    Counts the chosen environments among `gone`, and uv's cache if the options name it.
    """
    orphans = list(orphans)
    entry_trees = [orphan.stored.path for orphan in orphans]
    cached = cached_packages.trees_of(_names(orphans)) if options.with_cache else []
    others = [*cached, *_removable(store, gone, options)]
    waiting = [*entry_trees]
    device = os.stat(store.root).st_dev
    for known in gone:
        if known.reason == _CHOSEN and rights.may_remove(known.environment):
            is_near = os.stat(known.environment).st_dev == device
            (waiting if is_near else others).append(known.environment)
            waiting += registry.files_of(known.registration) if is_near and options.keep_seconds else []
    everything = freed_space.by_removing([*waiting, *others], place=store.root)
    if not options.keep_seconds:
        return (*everything, 0)
    freed, _ = freed_space.by_removing(others, place=store.root)
    return freed, everything.kept_bytes, everything.freed_bytes - freed


def refusal(orphan: Orphan) -> str:
    """Return in words why this user may not remove an orphan among the `refused` ones."""
    return "lies in a store that is read-only" if rights.is_own(orphan.stored.path) else "belongs to another user"


def freed_by_entry(stored: Stored) -> tuple[int, int]:
    """Return the bytes that the removal of one entry frees, and the bytes that other files keep."""
    return freed_space.by_removing([stored.path], place=os.path.dirname(stored.path))


def prune(store: Store, options: PruneOptions) -> Generator[Progress, None, PrunePreview]:
    """Remove orphans, yielding progress, and return the result. Raises StoreError if nothing may be removed.

    Environments are read again while nobody links, so entries that were linked since a preview stay. A killed run
    leaves whole entries, in their place or in the trash. The next run empties the trash, except for kept graves if
    it has `keep_seconds`.
    """
    yield Progress("wait", "for running installs to finish")
    with store.pruning():
        seen = census.take(store)
        decided = _decide(store, options, seen)
        if decided.blocked:
            raise StoreError(decided.blocked, hint=decided.hint)
        unkept = [root for root, linked in seen.unregistered.items() if not _register_found(store, root, linked)]
        removed: list[Orphan] = []
        refused = list(decided.refused)
        # If an environment found beside `gone` ones could not be registered, only their registrations lead to it.
        gone = [known for known in decided.gone if not unkept or known.reason == _CHOSEN]
        keep_seconds = options.keep_seconds
        is_any = decided.orphans or options.environments
        making = trash.grave(store, keep_seconds=keep_seconds) if is_any else contextlib.nullcontext("")
        with making as grave:
            _remove_environments(gone, grave if keep_seconds else "")
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
        for known in gone:
            with contextlib.suppress(OSError):  # the file belongs to another user
                registry.forget(known.registration)
    yield Progress("prune", "emptying the trash")
    trash.empty(store, kept=not keep_seconds)
    staging.remove_abandoned(store)
    if options.with_cache and removed:
        yield Progress("prune", "removing the packages from uv's cache")
        cached_packages.clean(_names(removed))
    done = decided._replace(orphans=removed, refused=refused)
    left = freed_space.by_removing([item.stored.path for item in refused[len(decided.refused) :]], place=store.root)
    if keep_seconds:
        is_empty = not (removed or options.environments)
        done = done._replace(
            trashed_bytes=decided.trashed_bytes - left.freed_bytes,
            kept_until=0 if is_empty else int(time.time() + keep_seconds),
        )
    else:
        freed = decided.freed_bytes + decided.trashed_bytes - left.freed_bytes
        done = done._replace(freed_bytes=freed, trashed_bytes=0, kept_until=0)
    if removed:
        growth_log.add_prune(store, len(removed), done.freed_bytes + done.trashed_bytes)
    return done


def _names(orphans: Iterable[Orphan]) -> set[str]:
    return {orphan.stored.name for orphan in orphans}


_CHOSEN = "it goes, too"
"""The reason of an environment that the user has chosen. Another one may have the same path, in another container."""


def _remove_environments(gone: list[KnownVenv], grave: str) -> None:
    """Remove the chosen environments, and environments of deleted scripts.

    A chosen one is moved into the `grave` if there is one and it is on the same disk. All others go for good: uv must
    not find the environment of a script with links that lead nowhere. An environment of another user stays.
    """
    for known in gone:
        is_chosen = known.reason == _CHOSEN
        if not (known.is_abandoned or is_chosen) or not rights.may_remove(known.environment):
            continue
        try:
            if is_chosen and grave and buried.bury(known.environment, known.registration, grave):
                continue
            os.unlink(f"{known.environment}/pyvenv.cfg")  # from now on the folder is no environment
            filesystems.remove_tree(known.environment)
        except OSError as error:
            if is_chosen:  # without an error, the entries that it links would go, and it would stay
                raise StoreError(f"cannot remove {known.environment}: {error.strerror}") from error


def _register_found(store: Store, root: str, linked: Collection[str]) -> bool:
    """Register an environment that was found. Return whether that worked: the disk may be full."""
    try:
        return registering.register(store, root, linked)
    except OSError:
        return False


HINT_BLOCKED = (
    "`pepip projects scan DIR` registers the environments below a folder; then remove the damaged file, if any"
)


def _decide(store: Store, options: PruneOptions, seen: Census) -> PrunePreview:
    seen = _as_if_deleted(seen, options)
    unreachable = [known for known in seen.projects if known.state == census.UNREACHABLE]
    gone = [known for known in seen.projects if known.state == census.MISSING]
    unregistered = sorted(seen.unregistered)
    blocked = unreadable(store, seen)
    unknown = [known for known in unreachable if known.entries is None]
    if unknown and not blocked:
        blocked = f"{unknown[0].environment} can't be reached, and the registry does not say which entries it links"
    hint = HINT_BLOCKED
    policy = leases.policy_of(store.root)
    if policy and not blocked and not policy.takes_leases and not options.older_than_seconds:
        blocked, hint = blocked_as_layer(store), _HINT_LAYER
    if blocked:
        return PrunePreview([], 0, 0, gone, unreachable, unregistered, blocked, [], hint)
    users = seen.users().keys()
    leased = leases.users(store).keys() - users if policy else frozenset()
    chosen = _choose(options, seen, {*users, *leased})
    orphans = [orphan for orphan in chosen if rights.may_remove(orphan.stored.path)]
    refused = [item for item in chosen if item not in orphans and os.path.lexists(item.stored.path)]
    freed, shared, trashed = measure(store, orphans, gone, options)
    kept_until = int(time.time() + options.keep_seconds) if options.keep_seconds and trashed else 0
    graves = trash.contents(store, kept=not options.keep_seconds)
    emptied = freed_space.by_removing(graves, place=store.root).freed_bytes if graves else 0
    kept = {grave.path for grave in trash.kept(store)} if graves else set()
    restorable = [path for path in graves if path in kept]
    return PrunePreview(
        orphans,
        freed,
        shared,
        gone,
        unreachable,
        unregistered,
        "",
        refused,
        leased=frozenset(leased),
        trashed_bytes=trashed,
        kept_until=kept_until,
        emptied_bytes=emptied,
        restorable_bytes=freed_space.by_removing(restorable, place=store.root).freed_bytes if restorable else 0,
    )


def _as_if_deleted(seen: Census, options: PruneOptions) -> Census:
    """Return a census in which the chosen environments are as if they were deleted.

    Raises StoreError for an unfit one, and for one that has another identity than when it was chosen.
    """
    environments = options.environments
    if not environments:
        return seen
    here = {item.environment: item for item in seen.projects if item.state in census.READABLE}
    known = {item.environment: item for item in seen.projects} | here
    users = running_processes.users_of(environments)
    for root in environments:
        reason = idle.obstacle(known.get(root), users.get(root, ()))
        if reason:
            raise StoreError(f"{root} can't be removed: {reason}", hint="leave this environment out")
        if root in options.identities and venv_id.identity(root) != options.identities[root]:
            raise StoreError(
                f"{root} was replaced by another environment, so nothing was removed", hint="choose again what goes"
            )
    projects = [
        item._replace(state=census.MISSING, reason=_CHOSEN, packages=(), entries=frozenset())
        if item.environment in environments and item.state in census.READABLE
        else item
        for item in seen.projects
    ]
    return seen._replace(projects=projects)


def blocked_as_layer(store: Store) -> str:
    """Return in a sentence why nothing can be removed from a layer without leases."""
    return f"{store.root} is a layer, and takes no leases: the environments that link it are not known"


_HINT_LAYER = "--older-than 90d removes by age; `pepip store init --layer --lease-days 60` lets readers take leases"


def _removable(store: Store, gone: list[KnownVenv], options: PruneOptions) -> list[str]:
    """Return the paths that a prune removes for good, apart from orphans and chosen environments.

    These are the trash, registrations of environments that are gone, and environments of deleted scripts. Paths that
    this user may not remove are left out. With `keep_seconds`, kept graves in the trash stay.
    """
    going = [known for known in gone if known.reason != _CHOSEN or not options.keep_seconds]
    files = [file for known in going for file in registry.files_of(known.registration)]
    files += [known.environment for known in going if known.is_abandoned]
    graves = trash.contents(store, kept=not options.keep_seconds)
    return [path for path in (*graves, *files) if rights.may_remove(path)]


def unreadable(store: Store, seen: Census) -> str:
    """Return in a sentence why the registry may lack environments, empty if it is complete."""
    if seen.stored and not os.path.isdir(paths.projects(store.root)):
        return f"the registry {paths.projects(store.root)} is gone, so the environments are not known"
    if os.path.lexists(paths.registry_lost(store.root)):
        return f"the registry {paths.projects(store.root)} was lost once, so some environments may not be known"
    if seen.damaged:
        damaged = seen.damaged[0]
        return (
            f"the registry file {damaged.file} can't be read ({damaged.damage}), "
            "so the entries that its environment links are not known"
        )
    return ""


def _choose(options: PruneOptions, seen: Census, kept: Collection[str]) -> list[Orphan]:
    """Return the orphans that match the options, the least recently linked first."""
    now, lag_seconds = time.time(), entries.NOTE_SECONDS  # the last link may be later than its note by so much
    candidates = [
        item
        for item in seen.stored
        if item.id not in kept
        and (options.only is None or item.id in options.only)
        and (not options.patterns or listing.matches(item, options.patterns))
        and not listing.matches(item, options.keep)
        and (not options.older_than_seconds or now - item.last_used_at >= options.older_than_seconds + lag_seconds)
    ]
    candidates.sort(key=lambda item: (item.last_used_at, item.id))
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


def _orphan(stored: Stored) -> Orphan:
    return Orphan(stored, disk_usage.measure([stored.path]).allocated_bytes)
