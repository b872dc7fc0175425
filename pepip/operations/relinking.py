"""Changing the links of an environment. Tells its linked distributions from those with real files."""

from __future__ import annotations

import contextlib
import os

from pepip import paths
from pepip.environment import contents, journal, linking, removal, set_aside, without_record
from pepip.environment.change_plan import LinkChange, LinkState
from pepip.errors import CorruptEntryError, PepipError, StoreError, UvError
from pepip.host import locks
from pepip.operations import linked_entries
from pepip.store import entries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from pepip.environment.metadata import Installation
    from pepip.model import Environment, Installed
    from pepip.store.root import Store


def relink(
    store: Store,
    environment: Environment,
    present: Sequence[Installed],
    additions: list[Installation],
    going: Collection[str],
    *,
    reserved: Collection[str] = (),
    private: Collection[str] = (),
    installed: Collection[str] = (),
    foreign_files_stay: bool = False,
) -> list[Installed]:
    """Link `additions`, remove the distributions in `going`, and return those that are installed afterwards.

    An addition replaces the distribution of its name. Distributions named in `private` are removed, too: uv installs
    them anew, in `UnfinishedChange`. Those in `installed` stay: uv has installed them in this change, see `begin`.
    `reserved` and `foreign_files_stay` are as in `LinkChange`. The caller holds the environment's lock.
    """
    names = {*going, *private, *(addition.entry.name for addition in additions)}
    if names or reserved:
        removals = [item for item in present if item.name in names]
        change = LinkChange(
            additions,
            removals,
            reserved=reserved,
            private={*private, *installed},
            foreign_files_stay=foreign_files_stay,
            others_are_as_left=linked_entries.is_as_left(store, environment),
        )
        change_links(store, environment, present, change)
        if not private:  # otherwise uv is about to change the environment
            linked_entries.note_as_left(store, environment)
        new = [addition.entry for addition in additions]
        store.each(lambda entry: entries.note_linked(store, entry), new)
    if any(addition.mode for addition in additions):
        return contents.installed(environment, store.known_roots)
    linked = (contents.distribution_of(item.entry.dist_info, item.entry.id) for item in additions)
    return sorted([*(item for item in present if item.name not in names), *linked])


def change_links(store: Store, environment: Environment, present: Sequence[Installed], change: LinkChange) -> None:
    """Change an environment's links, given its distributions. uv names the files of removals without a RECORD.

    A change that fails is taken back. If that fails too, the next command tries it again. A recovery that fails
    leaves the journal for `roll_back`.
    """
    leaving = _departure(environment, [item for item in change.removals if without_record.lacks_record(item)])
    state = link_state(store, present)
    try:
        linking.change(environment, store.known_roots, state, change._replace(leaving=leaving))
    except (OSError, PepipError):
        if not change.is_recovery:
            _try_to_roll_back(store, environment)
        raise


def link_state(store: Store, present: Iterable[Installed]) -> LinkState:
    """Return the entries of linked distributions, and the distributions with files of their own."""
    found = {item: linked_entries.entry_of(store, item) for item in present}
    linked = {item.name: entry for item, entry in found.items() if entry is not None}
    return LinkState(linked, [item for item, entry in found.items() if entry is None])


def begin(
    store: Store, environment: Environment, additions: Sequence[Installation], private: Collection[str]
) -> UnfinishedChange:
    """Begin a change in which uv first installs `private` distributions. Then `relink` links the `additions`.

    The environment has no distributions yet. The caller holds its lock.
    """
    linking.begin(environment, additions, (), private)
    return UnfinishedChange(store, environment)


class UnfinishedChange:
    """A change in which uv installs private distributions. If anything fails in the body, all is taken back.

    Make it under the environment's lock, and enter it without that lock, because uv takes the lock itself. Meanwhile
    other runs see that the journal does not belong to a killed run. The store is not pruned in the body: a roll-back
    may need the entries that were linked before.
    """

    def __init__(self, store: Store, environment: Environment) -> None:
        self._store = store
        self._environment = environment
        self._locks = contextlib.ExitStack()
        self._locks.enter_context(locks.held(journal.installing(environment.root)))

    def __enter__(self) -> None:
        self._locks.enter_context(self._store.linking())

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        root = self._environment.root
        with self._locks, locks.held(paths.environment_lock(root)):
            if kind is None:
                journal.finish(root)
            else:
                _try_to_roll_back(self._store, self._environment)


def _try_to_roll_back(store: Store, environment: Environment) -> None:
    """Take back a change that has begun. If that fails, the next command tries again, by the journal."""
    with contextlib.suppress(OSError, PepipError):
        unfinished = journal.pending(environment.root)
        if unfinished is not None:
            roll_back(store, environment, unfinished)


def has_private(store: Store, environment: Environment, unfinished: journal.Journal) -> bool:
    """Tell whether uv has completely installed all private distributions of a change."""
    names = {item.name for item in _installed_privately(store, environment, unfinished)}
    return names.issuperset(unfinished.private)


def _installed_privately(store: Store, environment: Environment, unfinished: journal.Journal) -> list[Installed]:
    """Return the distributions that uv has completely installed for a change.

    A distribution is complete once its RECORD names INSTALLER.
    """
    old = set(unfinished.removals) - {
        item.dist_info for item in set_aside.distributions(environment, store.known_roots)
    }
    return [
        item
        for item in contents.installed(environment, store.known_roots)
        if item.name in unfinished.private
        and item.dist_info not in old
        and any(path.endswith(f"/{item.dist_info}/INSTALLER") for path in contents.files_of(environment, item))
    ]


def roll_back(store: Store, environment: Environment, unfinished: journal.Journal) -> None:
    """Take back a change that can't be completed. The caller holds the environment's lock.

    Files that the change had set aside are put back, and the former entries are linked again. Raises OSError or
    PepipError. The journal then stays, and the next command can try again.
    """
    from pepip.environment import leftovers

    entry_ids = [addition.entry_id for addition in unfinished.additions]
    as_files = {addition.entry_id for addition in unfinished.additions if addition.mode}
    before = set_aside.distributions(environment, store.known_roots)
    old = set(unfinished.removals) - {item.dist_info for item in before}
    present = contents.installed(environment, store.known_roots)
    for item in present:
        if item.name in unfinished.private and item.dist_info not in old:
            removal.discard(environment, item)
    present = contents.installed(environment, store.known_roots)
    kept = {item.entry_id for item in (*before, *(item for item in present if item.dist_info in old))}
    away = store.layers_away()
    for root in {paths.layer_of(entry_id) for entry_id in kept} & away.keys():
        raise StoreError(f"the layer {root} {away[root]}, which has what was linked before")
    came = [
        item
        for item in present
        if (item.entry_id in entry_ids and item.entry_id not in kept)
        or (item.source_id in as_files and item.dist_info not in old)
    ]
    unwanted = []
    for entry_id in set(entry_ids) - kept:
        with contextlib.suppress(FileNotFoundError, CorruptEntryError):
            unwanted.append(entries.read(store, entry_id))
    lost = set(entry_ids) - kept - {entry.id for entry in unwanted}  # a layer may be gone
    owned = {path for item in present if item not in came for path in contents.files_of(environment, item)}
    leftovers.remove(environment, store.known_roots, unwanted, came, owned, lost=lost)
    set_aside.restore(environment, store.known_roots)
    present = contents.installed(environment, store.known_roots)
    change_links(store, environment, present, LinkChange(is_recovery=True))


def _departure(environment: Environment, going: list[Installed]) -> without_record.Departure:
    """Ask uv which files of distributions without a RECORD to remove. Raises UvError if uv can't remove one."""
    if not going:
        return without_record.NOTHING
    from pepip.host import temp_dirs
    from pepip.uv import stage

    with temp_dirs.folder() as folder:
        twin = f"{folder}/site-packages"
        os.mkdir(twin)
        without_record.make_twin(environment.site_packages, going, twin)
        try:
            stage.uninstall_from(twin, environment.interpreter.executable, sorted({item.name for item in going}))
        except UvError as error:
            error.output = error.output.replace(twin, environment.site_packages)
            raise
        return without_record.departure(environment.site_packages, going, twin)
