"""The removal of environments with the entries that only they link: one prune for all, with a preview."""

from __future__ import annotations

import os

from pepip.errors import StoreError
from pepip.fast_namedtuple import NamedTuple
from pepip.host import freed_space
from pepip.operations import idle, prune, reclaim, undo
from pepip.store import registry, trash
from pepip.tui import background, commands, formatting, jobs
from pepip.tui.catalog import name_of
from pepip.tui.job import Job, once
from pepip.tui.previews import GOES, Change, Preview, PreviewedAction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from pepip.environment.venv_id import Identity
    from pepip.host.running_processes import Process
    from pepip.operations.census import Census, KnownVenv
    from pepip.operations.prune import PruneOptions, PrunePreview
    from pepip.store.listing import Stored
    from pepip.store.root import Store


class Removal(NamedTuple):
    """The removal of environments.

    Those in `far` are on another disk than the store, where the trash can't keep them. They go first, for good. Those
    in `near` go into the trash for `keep_seconds`. If that is 0, all are in `near`, and go for good. `entries` maps
    the root of each environment to the entries that go with it: an entry that only these environments link goes with
    the last one of them. `identities` are those of the environments: see `prune.PruneOptions`.
    """

    store: Store
    census: Census
    far: tuple[KnownVenv, ...]
    near: tuple[KnownVenv, ...]
    keep_seconds: float
    identities: Mapping[str, Identity | None]
    entries: Mapping[str, Sequence[Stored]]

    @property
    def prunes(self) -> list[tuple[tuple[KnownVenv, ...], float]]:
        """For each prune, the environments that it removes, and the time for which the trash keeps them."""
        return [(part, seconds) for part, seconds in ((self.far, 0.0), (self.near, self.keep_seconds)) if part]

    def only(self, roots: Collection[str]) -> Removal:
        """Return the removal of those environments that have one of these roots."""
        far, near = (tuple(known for known in part if known.environment in roots) for part in (self.far, self.near))
        return self._replace(far=far, near=near, entries=_entries(self.census, [*far, *near]))

    def options(self, going: Sequence[KnownVenv], keep_seconds: float) -> PruneOptions:
        """Return the options of the prune that removes some of these environments."""
        roots = tuple(known.environment for known in going)
        ids = frozenset(item.id for root in roots for item in self.entries[root])
        return prune.PruneOptions(only=ids, environments=roots, keep_seconds=keep_seconds, identities=self.identities)

    def jobs(self, title: str = "") -> list[Job[PrunePreview]]:
        """Return the job of each prune. The default title counts the environments."""
        found = []
        for going, seconds in self.prunes:
            options = self.options(going, seconds)
            chosen = [item for item in self.census.stored if item.id in (options.only or ())]
            command = commands.prune(
                commands.patterns_of(chosen, self.census.stored),
                is_all=False,
                is_kept=bool(seconds),
                environments=options.environments,
            )
            named = title or f"remove {formatting.count(len(going), 'environment')}"
            found.append(jobs.reclaim(self.store, options, command, title=named))
        return found

    def gain(self) -> str:
        """Return in sentences the space that becomes free, and until when an undo is possible. Reads the disk."""
        near = _gain_of(self, self.near, self.keep_seconds) if self.near else ""
        if not self.far:
            return near
        are, them = ("is", "it") if len(self.far) == 1 else ("are", "them")
        count = formatting.count(len(self.far), "environment")
        far = f"{count} {are} on another disk than the store, so z can't bring {them} back: "
        return f"{far}{_gain_of(self, self.far, 0.0)}{' The rest: ' if near else ''}{near}"


def of(store: Store, census: Census, going: Sequence[KnownVenv]) -> Removal:
    """Return the removal of environments. Reads their disks. Raises PepipError or OSError."""
    keep_seconds = undo.default_trash_seconds(store, os.environ)
    identities = prune.identities_of(known.environment for known in going)
    roots = prune.on_other_disks(store, identities) if keep_seconds else ()
    far = [known for known in going if known.environment in roots]
    near = [known for known in going if known.environment not in roots]
    entries = _entries(census, [*far, *near])
    return Removal(store, census, tuple(far), tuple(near), keep_seconds, identities, entries)


def _entries(census: Census, going: Sequence[KnownVenv]) -> dict[str, list[Stored]]:
    """Return the entries that go with each of these environments, by its root."""
    places = {known.environment: number for number, known in enumerate(going)}
    users, left = census.users(), reclaim.linked_only_by(census, places)
    found: dict[str, list[Stored]] = {root: [] for root in places}
    for item in census.stored:
        if item.id in left:
            found[max(users[item.id], key=places.__getitem__)].append(item)
    return found


def _gain_of(removal: Removal, going: Sequence[KnownVenv], keep_seconds: float) -> str:
    store = removal.store
    trees = [known.environment for known in going]
    trees += [file for known in going for file in registry.files_of(known.registration)]
    trees += [item.path for known in going for item in removal.entries[known.environment]]
    kept = [] if keep_seconds else [grave.path for grave in trash.kept(store)]
    gain = freed_space.by_removing([*trees, *kept], place=store.root)
    if keep_seconds:
        them = "it" if len(going) == 1 else "them"
        return f"{formatting.waiting(*gain, keep_seconds)}; z brings {them} back until then."
    emptied = freed_space.by_removing(kept, place=store.root).freed_bytes if kept else 0
    return f"{formatting.gain(*gain)}.{formatting.emptying(emptied)}"


def remove(store: Store, census: Census, known: KnownVenv) -> PreviewedAction:
    """Return the action that removes one environment. Reads its disk."""
    removal = of(store, census, [known])
    title = _title(known)
    (job,) = removal.jobs(title)
    ((going, seconds),) = removal.prunes

    def look() -> Preview:
        prune.preview(store, removal.options(going, seconds), census)  # refuses an environment in use
        entries = removal.entries[known.environment]
        gone = Change(GOES, formatting.short_path(known.environment), "the environment")
        return _preview(entries, "only it links", f": {removal.gain()}", [gone])

    preview = Job(title, job.command, once(look), is_listed=False)
    return PreviewedAction(title, "Remove", preview, job, is_destructive=True)


def remove_with_others(
    removal: Removal, known: KnownVenv, processes: Callable[[], Mapping[str, Sequence[Process]]]
) -> PreviewedAction:
    """Return the part of one environment in the removal of several, with its preview. `removal.jobs` carry it out.

    `processes` returns the processes that run from each environment.
    """
    title = _title(known)

    def look() -> Preview:
        if reason := obstacle(known, processes()):
            raise StoreError(reason)
        return _preview(removal.entries.get(known.environment, ()), "no other environment links", ".", [])

    preview = Job(title, "", once(look), is_listed=False)
    return PreviewedAction(title, "Remove", preview, preview, is_destructive=True)


def obstacle(known: KnownVenv, processes: Mapping[str, Sequence[Process]]) -> str:
    """Return why an environment may not be removed, empty if it may be. Reads its disk."""
    try:
        return idle.obstacle(known, processes.get(known.environment, ()))
    except OSError as error:  # it was deleted meanwhile
        return background.reason_of(error)


def _title(known: KnownVenv) -> str:
    return f"remove the environment of {name_of(known).removesuffix('/.venv')}"


def _preview(entries: Sequence[Stored], reason: str, end: str, changes: Sequence[Change]) -> Preview:
    only = f", with {formatting.count(len(entries), 'entry', 'entries')} that {reason}" if entries else ""
    rows = [Change(GOES, f"{item.name} {item.version}", f"{reason} this entry") for item in entries]
    return Preview(f"The environment goes{only}{end}", [*changes, *rows], has_work=True)
