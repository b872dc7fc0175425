"""Bringing an environment back to what it should be, after a killed run or after the store lost entries."""

from __future__ import annotations

import contextlib

from pepip.environment import contents, copying, journal, linking, removal
from pepip.environment.metadata import Installation
from pepip.errors import CorruptEntryError, StoreError, UvError
from pepip.host import locks
from pepip.model import Change, Progress, Request
from pepip.operations import acquire
from pepip.operations.relinking import change_links, entry_of, relink
from pepip.records import NamedTuple
from pepip.store import entries, registry
from pepip.uv import resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator

    from pepip.model import Artifact, Entry, Environment, Installed
    from pepip.store.home import Store


class _Lost(NamedTuple):
    """A linked distribution whose entry is gone or was changed, and where it came from (PEP 610)."""

    installed: Installed
    direct_url: dict[str, object] | None


def is_needed(store: Store, environment: Environment) -> bool:
    """Tell whether a killed run left a change unfinished, or the store has lost what the environment links."""
    return (
        journal.is_there(environment.root)
        or copying.is_begun(environment.root)
        or any(
            _is_lost(store, item) or _is_moved(environment, item)
            for item in contents.installed(environment, store.homes)
        )
    )


def finish_copies(store: Store, environment: Environment) -> None:
    """Put a distribution that was copied aside in the place of its links. The caller holds the environment's lock.

    What a killed run had not copied whole is thrown away: its links are as they were.
    """
    copies = copying.pending(environment.root)
    if copies is None:
        copying.discard(environment.root)
        return
    present = contents.installed(environment, store.homes)
    current = next((item for item in present if item.name == copies.name), None)
    if current is not None and current.entry_id:
        relink(store, environment, present, [], [copies.name], reserved=copies.folders)
    elif current is not None and not copying.is_placed(environment, copies):
        copying.discard(environment.root)  # another tool has installed it since
        return
    copying.place(environment, copies)


def recover(store: Store, environment: Environment, request: Request) -> Generator[Progress, None, None]:
    """Complete what a killed run began, and store and link again what the store has lost.

    What can't be had again is taken out of the environment if nothing of it is left, so that uv sees it missing,
    and named in a warning.
    """
    with store.linking(), locks.held(f"{environment.root}/.lock"):
        unfinished = journal.pending(environment.root)
        if unfinished is not None:
            _redo(store, environment, *unfinished)
        journal.finish(environment.root)
        finish_copies(store, environment)
        present = contents.installed(environment, store.homes)
        if any(_is_moved(environment, item) and not _is_lost(store, item) for item in present):
            change_links(store, environment, present, [], [], is_recovery=True)
    lost = [
        _Lost(item, contents.direct_url(environment, item))
        for item in contents.installed(environment, store.homes)
        if _is_lost(store, item)
    ]
    if not lost:
        return
    names = ", ".join(item.installed.name for item in lost)
    yield Progress("warning", f"the store has lost {names}, or somebody changed it there: fetching it again")
    quiet = Request(everywhere=request.everywhere)
    artifacts = _locate(quiet, lost, environment)
    have: dict[str, Entry] = {}
    for artifact in artifacts:
        with contextlib.suppress(UvError, StoreError):  # it stays as it is, and is named below
            acquired = yield from acquire.acquire(store, quiet, [artifact], environment)
            have.update(acquired.entries)
    local = {artifact.name: artifact.local_path for artifact in artifacts}
    origins = {item.installed.name: item.direct_url for item in lost}
    additions = [Installation(entry, origins[name], local[name]) for name, entry in have.items()]
    missing = [item.installed for item in lost if item.installed.name not in have]
    with store.linking(), locks.held(f"{environment.root}/.lock"):
        present = contents.installed(environment, store.homes)
        linked = {item.entry_id for item in present if item.entry_id}
        registry.register(store, environment.root, linked | {entry.id for entry in have.values()})
        relink(store, environment, present, additions, ())
        for distribution in missing:
            if entry_of(store, distribution) is None:
                removal.remove(environment, distribution)
    if missing:
        names = ", ".join(item.name for item in missing)
        yield Progress("warning", f"{names} could not be fetched again: install it from where it came")


def is_stale(store: Store, environment: Environment) -> bool:
    """Tell whether a link of an environment does not lead to what the store has now: an entry was replaced."""
    present = contents.installed(environment, store.homes)
    found = {item.name: entry_of(store, item) for item in present}
    linked = {name: entry for name, entry in found.items() if entry is not None}
    return not linking.is_as_planned(environment, linked, [item for item in present if item.name not in linked])


def link_anew(store: Store, environment: Environment) -> None:
    """Make every link of an environment again that is not what it should be: entries may have been replaced."""
    with store.linking(), locks.held(f"{environment.root}/.lock"):
        change_links(store, environment, contents.installed(environment, store.homes), [], [], is_recovery=True)


def _locate(request: Request, lost: list[_Lost], environment: Environment) -> list[Artifact]:
    """Return the artifacts of what is lost, all at once, or one by one if one of them can't be found any more."""
    wanted = [_wanted(item) for item in lost]
    found = resolve.locate(request, wanted, environment)
    if not found and len(wanted) > 1:
        for change in wanted:
            found += resolve.locate(request, [change], environment)
    return [artifact for artifact in found if artifact.is_shared]


def _wanted(lost: _Lost) -> Change:
    distribution, origin = lost
    if origin is None:
        return Change(distribution.name, distribution.version, "")
    url, commit = str(origin.get("url", "")), origin.get("vcs_info")
    if isinstance(commit, dict):
        url = f"{commit.get('vcs', 'git')}+{url}@{commit.get('commit_id', '')}"
    if origin.get("subdirectory"):
        url += f"#subdirectory={origin['subdirectory']}"
    return Change(distribution.name, "", url)


def _is_moved(environment: Environment, distribution: Installed) -> bool:
    """Tell whether the links of a distribution lead to where the store was before it was moved."""
    return bool(distribution.entry_id) and contents.leads_nowhere(environment, distribution)


def _is_lost(store: Store, distribution: Installed) -> bool:
    if not distribution.entry_id:
        return False
    entry = entry_of(store, distribution)
    return entry is None or not entries.is_whole(entry)


def _redo(store: Store, environment: Environment, additions: list[journal.Addition], removals: list[str]) -> None:
    """Do again what a journal says. What another tool has installed since stays."""
    present = contents.installed(environment, store.homes)
    installations = []
    for addition in additions:
        try:
            entry = entries.read(store, addition.entry_id)
        except (FileNotFoundError, CorruptEntryError):
            continue  # pruned since: the request will bring it back
        expected = {*removals, entry.dist_info}
        if all(item.dist_info in expected for item in present if item.name == entry.name):
            installations.append(Installation(entry, *addition[1:]))
    gone = {*removals, *(installation.entry.dist_info for installation in installations)}
    stale = [item for item in present if item.dist_info in gone]
    change_links(store, environment, present, installations, stale, is_recovery=True)
