"""Carries out a change to the links of an environment. Only the links that differ are changed.

A killed change can be repeated: a link that is already right is kept, or made anew on a network file system.
"""

from __future__ import annotations

import contextlib
import os

from pepip import paths
from pepip.environment import (
    access,
    change_plan,
    contents,
    journal,
    metadata,
    prepared_metadata,
    provenance,
    removal,
    set_aside,
    without_record,
)
from pepip.environment.placement import placer_for
from pepip.environment.tree import Tree
from pepip.host import filesystems, links

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from pepip.environment.change_plan import LinkChange, LinkState, PlannedChange
    from pepip.environment.metadata import Installation
    from pepip.environment.placement import Placer
    from pepip.model import Environment, Installed, Link, StoreRoots


_MANY_LINKS = 400  # from this number on, a second process saves more time than its start takes


def change(environment: Environment, store_roots: StoreRoots, state: LinkState, wanted: LinkChange) -> None:
    """Add and remove linked distributions. The caller holds the environment's lock.

    If uv will install private distributions afterwards, the journal is kept. Raises VenvError before anything is
    changed: as `change_plan.plan` does, or if this user lacks a permission. Any other error leaves the journal
    behind if something was changed.
    """
    planned = change_plan.plan(environment, store_roots, state, wanted)
    access.check(environment, planned)
    run = _Run(environment, store_roots, planned)
    run.begin()
    run.prepare_metadata()
    run.remove()
    run.make_links()
    run.finish()


def begin(
    environment: Environment,
    additions: Iterable[Installation],
    removals: Iterable[Installed],
    private: Collection[str],
) -> None:
    """Note a change in the environment's journal."""
    rows = tuple(journal.Addition(item.entry.id, *item[1:]) for item in additions)
    gone = tuple(sorted(item.dist_info for item in removals))
    journal.begin(environment.root, journal.Journal(rows, gone, tuple(sorted(private))))


class _Run:
    """A planned change while it is carried out. Each public method is one step, in this order.

    `_removed` are the paths, relative to the environment, of the distributions removed so far.
    """

    def __init__(self, environment: Environment, store_roots: StoreRoots, planned: PlannedChange) -> None:
        self._environment = environment
        self._store_roots = store_roots
        self._planned = planned
        self._change = planned.change
        self._tree = planned.tree
        self._placer = placer_for(environment, planned.entries.values())
        self._removed: set[str] = set()
        # Without a recovery, a journal is there only if uv has installed private distributions already.
        self._uv_came_first = journal.is_there(environment.root)

    def begin(self) -> None:
        """Write the journal. If the disk is full, a change that only removes first makes room for the journal."""
        try:
            self._write_journal()
        except OSError as error:
            if not self._makes_room(error):
                raise
            self._discard()
            self._write_journal()

    def prepare_metadata(self) -> None:
        """Write scripts and metadata into the scratch folder, where a full disk does no harm."""
        additions, whole = self._change.additions, self._planned.whole_after
        try:
            prepared_metadata.prepare(self._environment, additions, self._placer, folders=whole)
        except OSError:
            if not (self._change.is_recovery or self._uv_came_first):
                journal.finish(self._environment.root)  # nothing was changed: perhaps the disk is full
            raise

    def remove(self) -> None:
        """Remove distributions, and the links that the new plan does not have."""
        planned, environment = self._planned, self._environment
        kept = change_plan.links_with_files_of(environment, self._tree, planned.before, planned.staying_foreign)
        without = without_record.remove(environment, self._change.leaving)
        if without:
            self._note_removed(without)
        # Another tool may uninstall a distribution with changed folders meanwhile. So before any link changes, RECORD
        # must list the linked folders: the tool then removes links, and not the files behind them.
        self._list_folders(planned.whole_before, planned.whole_after)
        try:
            for distribution in self._change.removals:
                if not without_record.lacks_record(distribution):
                    spared = kept.keys() if self._change.foreign_files_stay else self._files_of_twins(distribution)
                    self._removed |= removal.remove(environment, self._tree, distribution, spared)
        except OSError as error:
            if not self._makes_room(error):
                raise
            self._discard()
        self._remove_stale_links(kept.keys())

    def make_links(self) -> None:
        """Make the folders and links of the new plan, then move scripts and metadata into place."""
        root, planned = self._environment.root, self._planned
        base = self._environment.interpreter.site_packages + "/"
        prepared = {f"{base}{item.entry.dist_info}/" for item in self._change.additions}

        def is_prepared(path: str) -> bool:
            return path[: path.find("/", len(base)) + 1] in prepared

        site_packages = self._environment.site_packages
        os.makedirs(site_packages, exist_ok=True)  # pip removes it with the last distribution
        # Otherwise the first import would make this folder, and change the time of site-packages. That time shows
        # whether another tool was at work: see `store.venv_times`.
        with contextlib.suppress(OSError):
            os.mkdir(f"{site_packages}/{paths.PYCACHE}")
        for folder in sorted(planned.after.directories):
            if not is_prepared(f"{folder}/"):
                self._tree.make_folder(folder)
        missing = [
            link
            for path, link in planned.after.links.items()
            if not ((planned.known.get(path) == link and path not in self._removed) or is_prepared(path))
        ]

        def place(link: Link) -> None:
            entry = planned.entries[link.owner]
            inside = link.target[len(entry.path) + 1 :]
            place = f"{root}/{link.path}"
            self._placer.place(entry, inside, place, is_directory=link.is_directory, mode=link.mode)

        _make_links(root, missing, place, self._placer)
        prepared_metadata.place(self._environment, self._change.additions, self._placer)

    def finish(self) -> None:
        """Correct metadata and scripts of the distributions that stay. Remove the journal, unless uv goes on."""
        environment, planned = self._environment, self._planned
        self._list_folders(planned.whole_after)
        prepared_metadata.restore_scripts(
            environment,
            planned.staying_entries,
            self._removed,
            self._placer,
            is_recovery=self._change.is_recovery,
        )
        provenance.tidy(environment.root, environment.site_packages)
        if not self._change.private:
            journal.finish(environment.root)

    def _write_journal(self) -> None:
        begin(self._environment, self._change.additions, self._change.removals, self._change.private)

    def _makes_room(self, error: OSError) -> bool:
        """Tell whether the disk is full, and the change itself makes room because it only removes distributions."""
        change = self._change
        adds = change.additions or change.private or change.leaving.metadata
        return error.errno in filesystems.FULL and bool(change.removals) and not (adds or change.is_recovery)

    def _discard(self) -> None:
        """Remove the distributions without setting anything aside, to make room on a full disk."""
        for distribution in self._change.removals:
            spared = self._files_of_twins(distribution)
            self._note_removed(removal.discard(self._environment, distribution, spared))

    def _files_of_twins(self, gone: Installed) -> set[str]:
        """Return the files of staying distributions that another tool installed over `gone`, under the same name."""
        twins = (item for item in self._planned.staying_foreign if item.name == gone.name)
        return {path for item in twins for path in contents.files_of(self._environment, item)}

    def _note_removed(self, removed: set[str]) -> None:
        """Note paths that were removed without `_tree`. The old tree may remember folders that are gone."""
        self._removed |= removed
        self._tree = Tree(self._environment)

    def _list_folders(self, *whole: dict[str, set[str]]) -> None:
        """Let the RECORD of each entry with changed folders begin with its linked folders.

        `whole` has, for each plan, the folders that the plan links whole, by distribution name.
        """
        for entry in self._planned.with_changed_folders:
            folders = set[str]().union(*(plan.get(entry.name, ()) for plan in whole))
            metadata.rewrite_leading_rows(self._environment, entry, folders)

    def _remove_stale_links(self, kept: Collection[str]) -> None:
        """Remove links that the new plan lacks, except at `kept` paths. Then remove folders that became empty."""
        before, after = self._planned.before, self._planned.after
        for path, link in before.links.items():
            if after.links.get(path) == link or path in kept or not self._tree.reaches(path):
                continue
            place = f"{self._environment.root}/{path}"
            if links.stands_for(place, link.target) or contents.linked_entry(place, self._store_roots):
                self._tree.unlink(path)
        removal.prune_folders(self._environment, self._tree, before.directories - after.directories)


def _make_links(root: str, missing: Sequence[Link], place: Callable[[Link], None], placer: Placer) -> None:
    """Make links. `place` makes one, and raises FileExistsError if something is in its place.

    On a network file system several threads share the work, elsewhere two processes if there are many links.
    """

    def make(some: Iterable[Link]) -> None:
        for link in some:
            try:
                place(link)
            except FileExistsError:  # noqa: PERF203 - each link is tried by itself
                if link.mode or not placer.is_placed(
                    f"{root}/{link.path}", link.target
                ):  # a real file is always made anew
                    _clear(root, link.path)
                    place(link)

    if filesystems.is_remote(root):
        from pepip.host import parallel

        occupied: list[Link] = []

        def place_or_note(link: Link) -> None:
            try:
                place(link)
            except FileExistsError:
                occupied.append(link)

        parallel.in_threads(place_or_note, missing)
        for link in occupied:
            # The system may remember a link for a second after another machine has removed it: then it refuses the
            # new link without asking the file server. A removal asks the server, and the system forgets the name.
            if not link.mode and placer.is_placed(f"{root}/{link.path}", link.target):
                links.unlink(f"{root}/{link.path}")
        make(occupied)
    elif len(missing) < _MANY_LINKS:
        make(missing)
    else:
        from pepip.host import parallel

        half = len(missing) * 11 // 20  # the second process begins later
        parallel.in_two(make, missing[:half], missing[half:])


def _clear(root: str, path: str) -> None:
    """Make room for a link. `obstacles.find` has checked that the file, folder or link at `path` may be removed."""
    place = f"{root}/{path}"
    if links.read_link(place):
        links.unlink(place)
    elif path.endswith("/" + paths.PYCACHE):
        filesystems.remove_tree(place)
    else:
        set_aside.put(root, path)
