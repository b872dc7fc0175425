"""Recovering an environment after a killed run, or after the store lost entries that the environment links."""

from __future__ import annotations

import contextlib
import os

from pepip import paths
from pepip.environment import contents, journal, plan_on_disk
from pepip.environment.change_plan import LinkChange
from pepip.environment.metadata import Installation
from pepip.errors import CorruptEntryError, PepipError, StoreError, UvError, VenvError
from pepip.fast_namedtuple import NamedTuple
from pepip.host import folder_use, rights
from pepip.host.transfer import LINK
from pepip.operations import acquire, losses, registering, venvs
from pepip.operations.linked_entries import entry_of, have_losses, is_lost, is_moved
from pepip.operations.relinking import change_links, has_private, link_state, relink, roll_back
from pepip.operations.reporting import Progress
from pepip.store import entries, registry
from pepip.uv import resolve
from pepip.uv.dry_run_output import Change
from pepip.uv.request import Request
from pepip.wheel import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable, Iterator, Sequence

    from pepip.model import Artifact, Entry, Environment, Installed
    from pepip.store.root import Store


class _Lost(NamedTuple):
    """A linked distribution whose entry is gone or was changed, and its origin (PEP 610)."""

    installed: Installed
    direct_url: dict[str, object] | None


def is_needed(store: Store, environment: Environment) -> bool:
    """Tell whether a killed run left a change unfinished, entries are lost, or the store was moved."""
    return journal.is_unfinished(environment.root) or have_losses(
        store, environment, contents.installed(environment, store.known_roots)
    )


def finish_copies(store: Store, environment: Environment) -> None:
    """Put the prepared copies of a distribution's files in the place of its links. The caller holds the lock.

    Copies that a killed run had not completed are discarded: the links are as they were. If another tool
    has installed the distribution since, its copies are discarded, too.
    """
    from pepip.environment import detached_copies

    copies = detached_copies.pending(environment.root)
    if copies is None:
        detached_copies.discard(environment.root)
        return
    present = contents.installed(environment, store.known_roots)
    current = next((item for item in present if item.name == copies.name), None)
    if current is not None and current.store_id:
        try:
            relink(store, environment, present, [], [copies.name], reserved=copies.folders)
        except (OSError, PepipError):
            if journal.pending(environment.root) is None:
                detached_copies.discard(environment.root)  # the links are as they were
            raise
    elif current is not None and not detached_copies.is_placed(environment, copies):
        detached_copies.discard(environment.root)  # another tool has installed the distribution since
        return
    detached_copies.place(environment, copies)


def complete_interrupted(store: Store, root: str) -> str:
    """Complete or take back the change that a killed run began in the environment at `root`, and do nothing else.

    Returns a sentence if the change was taken back, otherwise an empty string. Raises OSError or PepipError if
    neither can be done.
    """
    if not journal.is_unfinished(root):
        return ""
    environment = venvs.open_environment(root, store)
    venvs.check_writable(environment)
    store.create_unless_layered()
    with folder_use.in_use(root), _undisturbed(store, root):
        return complete(store, environment)


@contextlib.contextmanager
def _undisturbed(store: Store, root: str) -> Iterator[None]:
    """Hold the locks of a change, at a time when uv installs no private distributions into the environment."""
    while True:
        journal.wait(root)
        with venvs.locked(store, root):
            if not journal.is_in_use(root):
                yield
                return


def complete(store: Store, environment: Environment) -> str:
    """Complete or take back the change of a killed run: see `complete_interrupted`. The caller holds the locks."""
    from pepip.environment import swap

    sentence = ""
    if swap.is_begun(environment.root):
        swap.take_back(environment.root)
        sentence = f"an adoption in {environment.root} was interrupted: its incomplete part is taken back"
    unfinished = journal.pending(environment.root)
    if unfinished is not None:
        try:
            if not has_private(store, environment, unfinished):
                names = ", ".join(unfinished.private)
                raise VenvError(f"{names} had not been installed")
            _redo(store, environment, unfinished)
        except (OSError, PepipError) as error:
            try:
                roll_back(store, environment, unfinished)
            except (OSError, PepipError) as failure:
                raise _stuck(environment.root, failure) from error
            sentence = f"a change to {environment.root} was interrupted, and is taken back: {_reason(error)}"
    journal.finish(environment.root)
    finish_copies(store, environment)
    return sentence


def _stuck(root: str, error: OSError | PepipError) -> VenvError:
    return VenvError(
        f"a change to {root} was interrupted, and can be neither completed nor taken back: {_reason(error)}",
        hint="remove the cause, let the owner run the command, or make the environment anew",
    )


def _reason(error: OSError | PepipError) -> str:
    if isinstance(error, PepipError):
        return error.message
    return f"{error.strerror or error}: {error.filename2 or error.filename or ''}".rstrip(": ")


def recover(
    store: Store, environment: Environment, request: Request, *, without_layers: bool = False
) -> Generator[Progress, None, list[tuple[str, str]]]:
    """Complete or take back the change of a killed run. Then store and link again the entries that the store lost.

    If entries are lost because their layer can't be used now, the layer may come back. So this raises StoreError.
    With `without_layers`, such entries are stored anew in the user's own store. If some can't be fetched, their links
    stay, and StoreError names them. A warning names any other distribution that can't be fetched again. If its entry
    is gone or can't be read, that distribution is removed from the environment, so that uv sees it as missing. The
    result has the names and versions of the removed ones. But if the entry is still there, in a layer that the user
    no longer names, its links stay, and StoreError names it.
    """
    with _undisturbed(store, environment.root):
        sentence = complete(store, environment)
        if sentence:
            yield Progress("warning", sentence)
        present = contents.installed(environment, store.known_roots)
        if any(is_moved(environment, item) and not is_lost(store, item) for item in present):
            change_links(store, environment, present, LinkChange(is_recovery=True))
    lost = [
        _Lost(item, contents.direct_url(environment, item))
        for item in contents.installed(environment, store.known_roots)
        if is_lost(store, item)
    ]
    if not lost:
        return []
    if not without_layers:
        losses.refuse_without_layers(store, environment, [item.installed for item in lost])
    for sentence in losses.sentences(store, [item.installed for item in lost]):
        yield Progress("warning", sentence)
    quiet = Request(common_options=request.common_options)
    artifacts = _locate(store, quiet, lost, environment)
    have = yield from _fetch(store, quiet, artifacts, environment)
    for item in lost:
        entry = have.get(item.installed.name)
        if entry is not None and not _is_the_same(entry, environment, item.installed):
            del have[item.installed.name]  # the entry may come from an index that the project does not use
    local = {artifact.name: artifact.local_path for artifact in artifacts}
    origins = {item.installed.name: item.direct_url for item in lost}
    additions = [Installation(entry, origins[name], local[name]) for name, entry in have.items()]
    missing = [item.installed for item in lost if item.installed.name not in have]
    away = store.layers_away()
    waiting = [item for item in missing if paths.layer_of(item.entry_id) in away or _is_unnamed(store, item)]
    missing = [item for item in missing if item not in waiting]
    with venvs.locked(store, environment.root):
        present = contents.installed(environment, store.known_roots)
        linked = {item.store_id for item in present if item.store_id}
        registering.register(store, environment.root, linked | {entry.id for entry in have.values()})
        going = [item.name for item in missing if entry_of(store, item) is None]
        relink(store, environment, present, additions, going, foreign_files_stay=True)
    replace_outdated_hard_links(store, have.values())
    if missing:
        names = ", ".join(item.name for item in missing)
        advice = f"install into {environment.root} from the original source"
        yield Progress("warning", f"{names} could not be fetched again: {advice}")
    if waiting:
        raise losses.layer_error(store, environment, waiting)
    return [(item.name, item.version) for item in missing if item.name in going]


def _is_unnamed(store: Store, distribution: Installed) -> bool:
    """Tell whether the entry of a distribution is there, but in a layer that the user no longer names."""
    is_named = store.home_of(distribution.entry_id) is not None
    return not is_named and os.path.isdir(store.path_of(distribution.entry_id))


def _fetch(
    store: Store, request: Request, artifacts: Sequence[Artifact], environment: Environment
) -> Generator[Progress, None, dict[str, Entry]]:
    """Return the entries of artifacts, by distribution name, as far as they can be found or fetched.

    uv stages all at once. If one of them fails, each is staged alone, so that the others come back.
    """
    have: dict[str, Entry] = {}
    for group in (artifacts, *([artifact] for artifact in artifacts)):
        if any(artifact.name not in have for artifact in group):
            with contextlib.suppress(UvError, StoreError):
                acquired = yield from acquire.acquire(store, request, group, environment)
                have.update(acquired.entries)
    return have


def _is_the_same(entry: Entry, environment: Environment, distribution: Installed) -> bool:
    """Tell whether an entry has the files that a RECORD in the environment lists.

    True for an entry without the hash of a wheel's archive, such as a build: another build may have other files.
    """
    listed = contents.hashes_of(environment, distribution)
    if not entry.identity.startswith("sha") or not listed:
        return True
    own = record.own_metadata(entry.dist_info)
    return all(listed.get(path) == hash_ for path, hash_ in entries.hashes_of(entry).items() if path not in own)


def is_stale(store: Store, environment: Environment) -> bool:
    """Tell whether the environment's links differ from those that its entries need: an entry was replaced."""
    state = link_state(store, contents.installed(environment, store.known_roots))
    return not plan_on_disk.is_as_planned(environment, state.linked, state.foreign)


def replace_outdated_hard_links(store: Store, stored: Iterable[Entry]) -> None:
    """Replace the hard links in this user's environments that still lead to files of replaced entries.

    `stored` are the new entries. A file of an old entry may have the damage of that entry. Missing links are not
    made: somebody may be deleting the environment. An environment that can't be changed now stays as it is.
    """
    from pepip.environment import outdated

    entry_ids = {entry.id for entry in stored}
    for item in registry.registrations(store) if entry_ids else ():
        if entry_ids.isdisjoint(item.entries or ()) or not rights.is_own(item.environment):
            continue
        with contextlib.suppress(OSError, PepipError):
            environment = venvs.open_environment(item.environment, store)
            state = link_state(store, contents.installed(environment, store.known_roots))
            names = {name for name, entry in state.linked.items() if entry.id in entry_ids}
            if not (names and outdated.has_any(environment, state, names)):
                continue
            if rights.may_change(environment.site_packages):
                with folder_use.in_use(environment.root), venvs.locked(store, environment.root):
                    state = link_state(store, contents.installed(environment, store.known_roots))
                    outdated.replace(environment, state, names)


def correct_links(store: Store, environment: Environment) -> None:
    """Make every wrong link of an environment again: entries may have been replaced."""
    with venvs.locked(store, environment.root):
        present = contents.installed(environment, store.known_roots)
        change_links(store, environment, present, LinkChange(is_recovery=True))


def replace_damaged_files(store: Store, environment: Environment, entry_ids: Collection[str]) -> bool:
    """Make those files anew that are hard links to replaced entries. Return whether there were any.

    A flaw of the old entry is a flaw of these files, too.
    """
    present = contents.installed(environment, store.known_roots)
    damaged = []
    for item in present:
        if item.mode == LINK and item.source_id in entry_ids:
            entry = entries.read(store, item.source_id)
            if not plan_on_disk.has_files_of(environment, entry):
                damaged.append((item, entry))
    if not damaged:
        return False
    additions = [
        Installation(
            entry,
            contents.direct_url(environment, item),
            "",
            contents.cache_info(environment, item),
            item.mode,
        )
        for item, entry in damaged
    ]
    with venvs.locked(store, environment.root):
        relink(store, environment, contents.installed(environment, store.known_roots), additions, ())
    return True


def _locate(store: Store, request: Request, lost: list[_Lost], environment: Environment) -> list[Artifact]:
    """Return the artifacts of lost distributions, as far as they can be shared.

    An entry that is still there names its artifact, even if its files were changed. uv is asked for all other
    artifacts at once. If it can't find one of them, it is asked for one after the other.
    """
    from pepip.uv import pylock

    found, wanted = [], []
    for item in lost:
        entry = entry_of(store, item.installed)  # an entry that is not trusted may name any artifact
        is_trusted = entry is None or store.trusts_entry(entry.path)
        package = entries.package_of(store, item.installed.entry_id) if is_trusted else {}
        if package:
            found.append(pylock.of_package(package, environment.tags))
        else:
            wanted.append(_wanted(item))
    asked = resolve.locate(request, wanted, environment) if wanted else []
    if not asked and len(wanted) > 1:
        for change in wanted:
            asked += resolve.locate(request, [change], environment)
    return [artifact for artifact in (*found, *asked) if artifact.is_shared]


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


def _redo(store: Store, environment: Environment, unfinished: journal.Journal) -> None:
    """Carry out the change of a journal again. A distribution that another tool has installed since stays.

    Raises StoreError if an entry is lost, or if its layer is away: its links and files must go.
    """
    present = contents.installed(environment, store.known_roots)
    installations = []
    for addition in unfinished.additions:
        try:
            entry = entries.read(store, addition.entry_id)
        except (FileNotFoundError, CorruptEntryError) as error:
            place = paths.layer_of(addition.entry_id) or "the store"
            raise StoreError(f"{place} no longer has {paths.entry_name(addition.entry_id)}") from error
        if not store.trusts_entry(entry.path):
            continue  # no run of this user meant to link this entry
        expected = {*unfinished.removals, entry.dist_info}
        if all(item.dist_info in expected for item in present if item.name == entry.name):
            installations.append(Installation(entry, *addition[1:]))
    gone = {*unfinished.removals, *(installation.entry.dist_info for installation in installations)}
    stale = [item for item in present if item.dist_info in gone and item.name not in unfinished.private]
    change_links(store, environment, present, LinkChange(installations, stale, is_recovery=True))
