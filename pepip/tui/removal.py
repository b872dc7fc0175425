"""The removal of one environment with the entries that only it links, as an action with a preview."""

from __future__ import annotations

import os

from pepip.host import freed_space
from pepip.operations import prune, reclaim, undo
from pepip.store import registry
from pepip.tui import commands, formatting, jobs
from pepip.tui.catalog import name_of
from pepip.tui.job_queue import Job, once
from pepip.tui.previews import GOES, Change, Preview, PreviewedAction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.operations.census import Census, KnownVenv
    from pepip.store.root import Store


def remove(store: Store, census: Census, known: KnownVenv) -> PreviewedAction:
    """Return the action that removes an environment. An undo brings it back as long as the trash keeps it."""
    root = known.environment
    ids = reclaim.linked_only_by(census, {root})
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

    def look() -> Preview:
        prune.preview(store, options, census)  # refuses an environment in use
        trees = [root, *registry.files_of(known.registration), *(item.path for item in entries)]
        gain = freed_space.by_removing(trees, place=store.root)
        how = formatting.gain(*gain)
        if options.keep_seconds and os.stat(root).st_dev != os.stat(store.root).st_dev:
            how += "; it is on another disk than the store, so z brings back only entries"
        elif options.keep_seconds:
            how = f"{formatting.waiting(*gain, options.keep_seconds)}; z brings it back until then"
        only = f", with {formatting.count(len(entries), 'entry', 'entries')} that only it links" if entries else ""
        changes = [Change(GOES, formatting.short_path(root), "the environment")]
        changes += [Change(GOES, f"{item.name} {item.version}", "only it links this entry") for item in entries]
        return Preview(f"The environment goes{only}: {how}.", changes, has_work=True)

    preview = Job(title, command, once(look), is_listed=False)
    return PreviewedAction(title, "Remove", preview, jobs.reclaim(store, options, command), is_destructive=True)
