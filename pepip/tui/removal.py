"""The removal of one environment with the entries that only it links, as an action with a preview."""

from __future__ import annotations

import os

from pepip.errors import StoreError
from pepip.fast_namedtuple import NamedTuple
from pepip.host import freed_space
from pepip.operations import idle, prune, reclaim, undo
from pepip.store import registry, trash
from pepip.tui import commands, formatting, jobs
from pepip.tui.catalog import name_of
from pepip.tui.job import Job, once
from pepip.tui.previews import GOES, Change, Preview, PreviewedAction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from pepip.host.running_processes import Process
    from pepip.operations.census import Census, KnownVenv
    from pepip.store.root import Store


class OneOfMany(NamedTuple):
    """The part of one environment in the removal of several.

    `ids` are the entries that go with this one. If another environment links one of them when the job runs, the entry
    stays. `processes` returns the processes that run from each of the environments.
    """

    ids: frozenset[str]
    processes: Callable[[], Mapping[str, Sequence[Process]]]


def remove(store: Store, census: Census, known: KnownVenv, part: OneOfMany | None = None) -> PreviewedAction:
    """Return the action that removes an environment. An undo brings it back as long as the trash keeps it.

    Without a `part`, the entries that only this environment links go, too.
    """
    root = known.environment
    ids = reclaim.linked_only_by(census, {root}) if part is None else part.ids
    entries = [item for item in census.stored if item.id in ids]
    options = prune.PruneOptions(
        only=ids, environments=(root,), keep_seconds=undo.default_trash_seconds(store, os.environ)
    )
    command = commands.prune(
        commands.patterns_of(entries, census.stored),
        is_all=False,
        is_kept=bool(options.keep_seconds),
        environments=[root],
    )
    title = f"remove the environment of {name_of(known).removesuffix('/.venv')}"
    whose = "only it links" if part is None else "no other environment links"

    def look() -> Preview:
        if part is None:
            prune.preview(store, options, census)  # refuses an environment in use
        elif reason := idle.obstacle(known, part.processes().get(root, ())):
            raise StoreError(reason)
        only = f", with {formatting.count(len(entries), 'entry', 'entries')} that {whose}" if entries else ""
        changes = [Change(GOES, f"{item.name} {item.version}", f"{whose} this entry") for item in entries]
        if part is None:
            changes.insert(0, Change(GOES, formatting.short_path(root), "the environment"))
        how = f": {gain_of(store, census, [known], {root: ids})}" if part is None else "."
        return Preview(f"The environment goes{only}{how}", changes, has_work=True)

    preview = Job(title, command, once(look), is_listed=False)
    return PreviewedAction(title, "Remove", preview, jobs.reclaim(store, options, command), is_destructive=True)


def gain_of(store: Store, census: Census, going: Sequence[KnownVenv], ids: Mapping[str, Collection[str]]) -> str:
    """Return in a sentence the space that the removal of environments frees, and until when an undo is possible.

    `ids` has the entries that go with each environment, by its root.
    """
    keep_seconds = undo.default_trash_seconds(store, os.environ)
    trees = [known.environment for known in going]
    trees += [file for known in going for file in registry.files_of(known.registration)]
    gone = {entry_id for known in going for entry_id in ids[known.environment]}
    trees += [item.path for item in census.stored if item.id in gone]
    kept = [] if keep_seconds else [grave.path for grave in trash.kept(store)]
    gain = freed_space.by_removing([*trees, *kept], place=store.root)
    if not keep_seconds:
        emptied = freed_space.by_removing(kept, place=store.root).freed_bytes if kept else 0
        return f"{formatting.gain(*gain)}.{formatting.emptying(emptied)}"
    store_disk = os.stat(store.root).st_dev
    far = [known for known in going if os.stat(known.environment).st_dev != store_disk]
    if far:
        them = "it is on another disk than the store" if len(going) == 1 else f"{len(far)} are on another disk"
        return f"{formatting.gain(*gain)}; {them}, so z brings back only entries."
    again = "z brings it back" if len(going) == 1 else "z brings them back, one after the other,"
    return f"{formatting.waiting(*gain, keep_seconds)}; {again} until then."
