"""The space that can be freed, in bundles: entries or environments that are freed together, and the loss.

This module changes nothing. `pepip.operations.prune` removes chosen bundles. Upgrades and adoptions are operations of
their own.
"""

from __future__ import annotations

import os

from packaging.version import InvalidVersion, Version

from pepip import humanized
from pepip.fast_namedtuple import NamedTuple
from pepip.host import freed_space
from pepip.operations import census, idle, prune
from pepip.store import registry, trash
from pepip.uv import cached_packages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pepip.environment.venv_id import Identity
    from pepip.host.freed_space import Gain
    from pepip.operations.adoption.preview import AdoptionPreview
    from pepip.operations.census import Census, KnownVenv
    from pepip.operations.prune import PrunePreview
    from pepip.store.listing import Stored
    from pepip.store.root import Store

UNUSED, TRASH, IDLE, UPGRADE, ADOPT = "unused", "trash", "idle", "upgrade", "adopt"

_FOR_GOOD = 4
"""The rank of the loss of things that nothing brings back."""

_DEFINITIONS = ("uv.lock", "pylock.toml", "poetry.lock", "pdm.lock", "requirements.txt", "Pipfile.lock")


class Bundle(NamedTuple):
    """Entries or environments that are freed together. `freed_bytes` are free when only this bundle goes.

    `key` names the bundle. `loss` is the loss in words, and `loss_rank` is its rank: 0 for no loss. A prune removes
    bundles of the kinds `unused` and `idle`. A prune that keeps nothing in the trash also empties the `trash`. For
    the kinds `upgrade` and `adopt`, `words` are the command that frees the space. `entry_ids` are the entries that
    nothing links afterwards. `environment` is the environment that goes, or the only one that links an outdated
    version.
    """

    kind: str
    key: str
    title: str
    loss: str
    loss_rank: int
    freed_bytes: int
    entry_ids: frozenset[str] = frozenset()
    environment: str = ""
    words: tuple[str, ...] = ()

    @property
    def goes_by_prune(self) -> bool:
        """Whether a prune removes it."""
        return self.kind in {UNUSED, IDLE}


class Reclaimable(NamedTuple):
    """All bundles, the least loss first, the preview of a prune of all unused entries, and the census.

    `identities` are those of the idle environments: see `prune.PruneOptions`. Those in `far` are on another disk than
    the store, so the trash can't keep them.
    """

    bundles: list[Bundle]
    preview: PrunePreview
    census: Census
    identities: Mapping[str, Identity | None] = {}
    far: frozenset[str] = frozenset()


def find(store: Store, seen: Census, *, idle_seconds: float, unshared: AdoptionPreview | None = None) -> Reclaimable:
    """Return all bundles. An environment counts as idle if it was not used for `idle_seconds`.

    `unshared` is the preview of an adoption of environments that other tools made.
    """
    preview = prune.preview(store, prune.PruneOptions(), seen)
    bundles = [*_unused(store, preview), *_in_trash(store)]
    if not preview.blocked:
        bundles += _idle(store, seen, idle_seconds)
        bundles += _upgrades(store, seen)
    bundles += _adoption(seen, unshared)
    bundles.sort(key=lambda bundle: bundle.loss_rank)
    identities = prune.identities_of(bundle.environment for bundle in bundles if bundle.kind == IDLE)
    return Reclaimable(bundles, preview, seen, identities, prune.on_other_disks(store, identities))


def _unused(store: Store, preview: PrunePreview) -> list[Bundle]:
    if not preview.orphans:
        return []
    trees = [orphan.stored.path for orphan in preview.orphans]
    title = humanized.count(len(trees), "unused entry", "unused entries")
    ids = frozenset(orphan.stored.id for orphan in preview.orphans)
    freed = freed_space.by_removing(trees, place=store.root).freed_bytes
    return [Bundle(UNUSED, UNUSED, title, "no environment links them", 0, freed, ids)]


def _in_trash(store: Store) -> list[Bundle]:
    graves = trash.contents(store)
    if not graves:
        return []
    freed = freed_space.by_removing(graves, place=store.root).freed_bytes
    loss = "prunes can no longer be undone" if trash.kept(store) else "no loss: no undo needs it"
    return [Bundle(TRASH, TRASH, "the trash", loss, 1, freed)]


def _idle(store: Store, seen: Census, idle_seconds: float) -> list[Bundle]:
    found = []
    for item in idle.find(seen.projects, longer_than_seconds=idle_seconds):
        root = item.known.environment
        definition = _definition_of(item.known)
        loss = f"{definition} describes it" if definition else "no file describes it"
        ids = linked_only_by(seen, {root})
        gain = freed_space.by_removing(_trees_of(seen, ids, [item.known]), place=store.root)
        title = f"idle for {humanized.duration(item.seconds)}"
        found.append(
            Bundle(IDLE, f"{IDLE}:{root}", title, loss, 2 if definition else _FOR_GOOD, gain.freed_bytes, ids, root)
        )
    return found


def _definition_of(known: KnownVenv) -> str:
    """Return the file that says which packages an environment has: a project's, or the script; empty if none does."""
    if known.purpose.script is not None:
        return os.path.basename(known.purpose.script.path)
    return next((name for name in _DEFINITIONS if os.path.isfile(f"{known.project}/{name}")), "")


def _upgrades(store: Store, seen: Census) -> list[Bundle]:
    """Return a bundle for each version that only one environment uses, if others use a newer one of its bucket."""
    users = seen.users()
    newest: dict[tuple[str, str], Stored] = {}
    for item in seen.stored:
        key = (item.name, item.bucket)
        if item.id in users and (key not in newest or _version(newest[key]) < _version(item)):
            newest[key] = item
    scripts = {known.environment: known.purpose.script.path for known in seen.projects if known.purpose.script}
    found = []
    for item in seen.stored:
        newer = newest.get((item.name, item.bucket))
        if len(users.get(item.id, ())) != 1 or newer is None or not _version(item) < _version(newer):
            continue
        (root,) = users[item.id]
        title = f"{item.name} {item.version}"
        others = humanized.count(len(users[newer.id]), "other has", "others have")
        loss = f"an upgrade removes it: {others} {newer.version}"
        gain = freed_space.by_removing([item.path], place=store.root)
        words = ("upgrade", item.name, "--projects", scripts.get(root, root))
        found.append(
            Bundle(
                UPGRADE, f"{UPGRADE}:{item.id}", title, loss, 3, gain.freed_bytes, frozenset([item.id]), root, words
            )
        )
    return found


def _version(item: Stored) -> Version:
    try:
        return Version(item.version)
    except InvalidVersion:
        return Version("0")


def _adoption(seen: Census, unshared: AdoptionPreview | None) -> list[Bundle]:
    """Return the bundle of all unregistered environments that could be adopted and from which no program runs."""
    known = {item.environment for item in seen.projects}
    venvs = unshared.venvs if unshared else []
    fit = [item for item in venvs if not (item.reason or item.processes or item.environment in known)]
    freed = sum(unshared.freed_by(item).size_bytes for item in fit) if unshared else 0
    if freed <= 0:
        return []
    title = f"{humanized.count(len(fit), 'environment')} to adopt"
    words = ("adopt", "--yes", *(item.environment for item in fit))
    return [Bundle(ADOPT, ADOPT, title, "files become links to one copy", 1, freed, words=words)]


class Choice(NamedTuple):
    """The keys of the chosen bundles. With `with_cache`, their packages go from uv's cache, too.

    With `at_once`, nothing stays in the trash.
    """

    keys: frozenset[str]
    with_cache: bool = False
    at_once: bool = True


def options_of(found: Reclaimable, choice: Choice) -> prune.PruneOptions:
    """Return the options of a prune that removes the chosen bundles, as far as a prune can."""
    chosen = _chosen(found, choice)
    environments = tuple(bundle.environment for bundle in chosen if bundle.kind == IDLE)
    return prune.PruneOptions(
        only=_entries_of(found, chosen),
        environments=environments,
        with_cache=choice.with_cache,
        identities=found.identities,
    )


def measure(store: Store, found: Reclaimable, choice: Choice) -> Gain:
    """Return the space that the chosen bundles free together, with that of the trash.

    Earlier removals that can be undone count only with `at_once`. Entries that only chosen environments link go, too.
    Space that would wait in the trash counts as free.
    `kept_bytes` stay occupied by uv's cache; they are 0 if the packages go from there, too.
    """
    chosen = _chosen(found, choice)
    roots = {bundle.environment for bundle in chosen}
    going = [
        known for known in found.census.projects if known.environment in roots and known.state in census.READABLE
    ]
    ids = _entries_of(found, chosen)
    trees = _trees_of(found.census, ids, going)
    trees += trash.contents(store, kept=choice.at_once)
    trees += [file for known in found.preview.gone for file in registry.files_of(known.registration)]
    if choice.with_cache:
        trees += cached_packages.trees_of({item.name for item in found.census.stored if item.id in ids})
    gain = freed_space.by_removing(trees, place=store.root)
    return gain._replace(kept_bytes=0) if choice.with_cache else gain


def pick(store: Store, found: Reclaimable, target_bytes: float, *, with_cache: bool) -> Choice:
    """Return the choice that frees at least `target_bytes` at once with the least loss.

    If entries are not enough, uv's cache goes next, then one environment after the other, the longest idle first. An
    environment that no file describes is never picked. If all together free less, all are returned.
    """
    keys = frozenset(bundle.key for bundle in found.bundles if bundle.kind == UNUSED)
    idle_ones = [bundle for bundle in found.bundles if bundle.kind == IDLE and bundle.loss_rank < _FOR_GOOD]
    choice = Choice(keys, with_cache)
    for bundle in (None, *idle_ones):
        choice = Choice(choice.keys | {bundle.key} if bundle else choice.keys, with_cache or bundle is not None)
        for wanted in (choice, choice._replace(with_cache=True)):
            if measure(store, found, wanted).freed_bytes >= target_bytes:
                return wanted
    return choice._replace(with_cache=True)


def _chosen(found: Reclaimable, choice: Choice) -> list[Bundle]:
    return [bundle for bundle in found.bundles if bundle.key in choice.keys and bundle.goes_by_prune]


def _entries_of(found: Reclaimable, chosen: Sequence[Bundle]) -> frozenset[str]:
    """Return the ids of the entries that go with the chosen bundles."""
    roots = {bundle.environment for bundle in chosen if bundle.kind == IDLE}
    unused = [bundle.entry_ids for bundle in chosen if bundle.kind == UNUSED]
    return frozenset().union(linked_only_by(found.census, roots), *unused)


def linked_only_by(seen: Census, roots: Collection[str]) -> frozenset[str]:
    """Return the ids of the store's entries that only these environments link.

    An environment of another container that has the path of one of these counts as another one.
    """
    going: set[str] = set()
    staying: set[str] = set()
    for known in seen.projects:
        is_going = known.environment in roots and known.state in census.READABLE
        (going if is_going else staying).update(known.entries or ())
    staying.update(*seen.unregistered.values())
    return frozenset({item.id for item in seen.stored} & going - staying)


def _trees_of(seen: Census, ids: Collection[str], going: Sequence[KnownVenv]) -> list[str]:
    """Return the trees of entries, and of environments with their registrations."""
    trees = [item.path for item in seen.stored if item.id in ids]
    trees += [known.environment for known in going]
    return trees + [file for known in going for file in registry.files_of(known.registration)]
