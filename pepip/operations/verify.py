"""Verifying entries, each file against the hashes of RECORD, and repairing those that have flaws."""

from __future__ import annotations

import contextlib
import errno
import os

from pepip import paths
from pepip.errors import PepipError, StoreError, UvError, VenvError
from pepip.fast_namedtuple import NamedTuple
from pepip.host import folder_use, rights
from pepip.operations import acquire, census, recover, venvs
from pepip.operations.reporting import Progress
from pepip.store import check, entries, listing, staging, trash, verdicts
from pepip.uv import pylock, resolve
from pepip.uv.dry_run_output import Change
from pepip.wheel import content_identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable, Iterator, Sequence

    from pepip.model import Artifact, Environment
    from pepip.operations.census import KnownVenv
    from pepip.store.check import Flaw
    from pepip.store.listing import Stored
    from pepip.store.root import Store
    from pepip.uv.request import Request


class FlawedEntry(NamedTuple):
    """An entry that is not as it was stored, and its flaws."""

    stored: Stored
    flaws: tuple[Flaw, ...]


class Verification(NamedTuple):
    """The result of a verification: the number of checked entries, and the entries with flaws.

    The `unproven` entries have only flaws of that kind: RECORD may be wrong, the disk may have failed, or somebody
    wrote during the install and set the time back.
    """

    checked: int
    findings: list[FlawedEntry]
    unproven: list[FlawedEntry]


class Repaired(NamedTuple):
    """The result of a repair: repaired entries, failures with the reason, and repaired environments.

    `failed` names entries by id and environments by path. `left` are environments that this user may not change, or
    that root should not change: their owners' next install repairs them. `layered` are the ids of damaged entries of
    layers: environments no longer link them, and the owner of the layer may repair them. `unproven` are the ids of
    entries that are still unproven.
    """

    entries: list[str]
    failed: list[tuple[str, str]]
    environments: list[str]
    left: list[str]
    layered: tuple[str, ...] = ()
    unproven: tuple[str, ...] = ()


def verify(store: Store, patterns: Sequence[str] = ()) -> Generator[Progress, None, Verification]:
    """Check all entries, or those that match `patterns`, yielding progress, and return a Verdict. Reads every byte.

    Entries of layers are checked, too. There a mode is a flaw only if it keeps this user from reading. The flaws are
    noted for the app. A warning names each entry of a newer format, which is not checked. Raises StoreError if none
    matches the given `patterns`.
    """
    known = [*listing.stored(store), *listing.stored_in_layers(store)]
    chosen = [item for item in known if not patterns or listing.matches(item, patterns)]
    if patterns and not chosen:
        raise StoreError(f"the store has no entry {', '.join(patterns)}", hint="`pepip store list` lists its entries")
    findings, unproven = [], []
    found: dict[Stored, Sequence[Flaw]] = {}
    newer = [item for item in chosen if item.state == "newer"]
    chosen = [item for item in chosen if item.state != "newer"]
    for item in newer:
        yield Progress("warning", f"a newer pepip stored {item.id}: only that pepip can check it")
    for number, item in enumerate(chosen):
        yield Progress("verify", f"{item.name} {item.version}", number, len(chosen))
        flaws = _inspect(item)
        if item.layer:  # the modes of a layer are its owner's choice: an image or a copy may have others
            flaws = [flaw for flaw in flaws if flaw.kind != "mode" or _is_closed(f"{item.path}/{flaw.path}")]
        if flaws and all(flaw.kind == check.UNPROVEN for flaw in flaws):
            unproven.append(FlawedEntry(item, tuple(flaws)))
        elif flaws:
            findings.append(FlawedEntry(item, tuple(flaws)))
        found[item] = flaws
    verdicts.note(store, found)
    return Verification(len(chosen), findings, unproven)


def _is_closed(path: str) -> bool:
    """Tell whether this user can't read a file, or enter a folder.

    True for RECORD: a check finds the flaw `mode` in it only if it can't be read.
    """
    is_open = os.access(path, os.R_OK | (os.X_OK if os.path.isdir(path) else 0))
    return not is_open or path.endswith("/RECORD")


def _inspect(stored: Stored) -> list[Flaw]:
    """Return an entry's flaws. There are none if the entry was pruned meanwhile."""
    flaws = check.inspect(stored.path)
    return flaws if os.path.lexists(stored.path) else []


def repair(store: Store, request: Request, patterns: Sequence[str] = ()) -> Generator[Progress, None, Repaired]:
    """Repair damaged entries, and environments that link them or have broken links. Return the result.

    Modes and added files are corrected in place. An entry whose bytes differ is fetched again, by its hash, an
    adopted one by its name and version; `request` holds uv's options for these fetches. An entry that can't be
    repaired stays as it is, and the result names it. An unproven entry is fetched again, too, and read. If that
    fails, a warning says so, the entry stays, and a later verification finds the same flaws. Only an entry whose
    identity is lost goes to the trash. No layer is changed: if environments link a damaged or missing entry of a
    layer, this entry is stored in the user's own store instead.
    """
    verdict = yield from verify(store, patterns)
    run = _Repair(store, request, patterns)
    yield from run.repair_entries(verdict)
    yield from run.repair_environments()
    return run.result()


class _Repair:
    """One repair. It collects the fields of a `Repaired`."""

    def __init__(self, store: Store, request: Request, patterns: Sequence[str]) -> None:
        self._store, self._request, self._patterns = store, request, patterns
        self._entries: list[str] = []
        self._failed: list[tuple[str, str]] = []
        self._environments: list[str] = []
        self._left: list[str] = []
        self._unproven: list[str] = []

    def repair_entries(self, verdict: Verification) -> Iterator[Progress]:
        """Repair the entries with flaws, and note the flaws that are left.

        Damaged entries of layers are not repaired, but added to `store.unusable`.
        """
        store = self._store
        findings = [finding for finding in (*verdict.findings, *verdict.unproven) if not finding.stored.layer]
        store.unusable.update(finding.stored.id for finding in verdict.findings if finding.stored.layer)
        _update_modes(store, self._patterns, {finding.stored.id for finding in findings})
        users = census.take(store).users()
        settled: dict[str, Sequence[Flaw]] = {}  # the flaws that are left, by entry
        for finding in findings:
            entry_id = finding.stored.id
            if not os.path.lexists(finding.stored.path):
                continue  # pruned meanwhile
            title = f"{finding.stored.name} {finding.stored.version}"
            yield Progress("repair", title, len(self._entries), len(findings))
            remaining = yield from self._repair_entry(finding, users.get(entry_id, []))
            if remaining is not None:
                settled[entry_id] = remaining
                self._unproven += [entry_id] if remaining else []
                if len(remaining) < len(finding.flaws):
                    self._entries.append(entry_id)
        verdicts.note(store, {item: settled[item.id] for item in listing.stored(store) if item.id in settled})
        for finding in verdict.unproven:
            if finding.stored.layer:
                self._unproven.append(finding.stored.id)
                text = f"{finding.stored.id} differs from its RECORD: only the owner of its layer can repair that"
                yield Progress("warning", text)

    def _repair_entry(
        self, finding: FlawedEntry, users: Sequence[str]
    ) -> Generator[Progress, None, Sequence[Flaw] | None]:
        """Repair an entry, and return the flaws that are left. None if that failed."""
        remaining: tuple[Flaw, ...] = finding.flaws
        try:
            remaining = _repair_in_place(self._store, finding)
            if remaining:
                yield from _store_anew(self._store, self._request, finding.stored, users)
                remaining = ()
        except (PepipError, OSError) as error:
            if any(flaw.kind != check.UNPROVEN for flaw in remaining):
                self._failed.append((finding.stored.id, _reason(error)))
                return None
            text = f"{finding.stored.id} differs from its RECORD, and its wheel can't be fetched: {_reason(error)}"
            yield Progress("warning", text)
        return remaining

    def repair_environments(self) -> Iterator[Progress]:
        """Repair the environments that link repaired or unusable entries; without patterns, all environments.

        An environment that links an entry that could not be repaired stays as it is.
        """
        seen = census.take(self._store)
        ill = {entry_id for entry_id, _ in self._failed} & {item.id for item in seen.stored}
        for known in seen.projects:
            linked = known.entries or frozenset()
            replaced = linked & set(self._entries)
            recovers = bool(linked & self._store.unusable) or not self._patterns
            if known.state in census.READABLE and (replaced or recovers) and not linked & ill:
                yield from self._repair_environment(known, replaced, recovers=recovers)
        there = {item.id for item in listing.stored(self._store)} - ill  # some were fetched again for an environment
        self._entries += [entry_id for entry_id, _ in self._failed if entry_id in there]
        self._failed = [(entry_id, reason) for entry_id, reason in self._failed if entry_id not in there]
        self._unproven = [item for item in self._unproven if item in there or paths.is_layered(item)]

    def _repair_environment(
        self, known: KnownVenv, replaced: Collection[str], *, recovers: bool
    ) -> Iterator[Progress]:
        try:
            is_changed = yield from _link_anew(self._store, self._request, known, replaced, recovers=recovers)
            if is_changed:
                self._environments.append(known.environment)
        except PermissionError:
            self._left.append(known.environment)
        except (PepipError, OSError) as error:
            if os.path.lexists(known.environment):  # otherwise the environment was deleted meanwhile
                self._failed.append((known.environment, _reason(error)))

    def result(self) -> Repaired:
        """Return the result."""
        layered = tuple(sorted(self._store.unusable))
        return Repaired(self._entries, self._failed, self._environments, self._left, layered, tuple(self._unproven))


def _update_modes(store: Store, patterns: Sequence[str], damaged: Collection[str]) -> None:
    """Give today's modes to entries that an older pepip stored, if this user may."""
    for item in listing.stored(store):
        if (
            item.id not in damaged
            and store.owns_entry(item.path)
            and (not patterns or listing.matches(item, patterns))
        ):
            with contextlib.suppress(OSError, ValueError):
                check.update_modes(item.path, root_stat=store.root_stat)


def _repair_in_place(store: Store, finding: FlawedEntry) -> tuple[Flaw, ...]:
    """Correct modes and remove added files of an entry, if it has no worse damage. Return the flaws that are left.

    Raises StoreError if this user may not change the entry.
    """
    stored, flaws = finding
    if not store.is_writable():
        raise StoreError("you may not change this store")
    if not rights.may_remove(stored.path) or not store.trusts(os.path.dirname(stored.path)):
        raise StoreError("it belongs to another user, who may repair it")
    # While root repairs an entry, its owner could turn a folder of it into a link: replace it instead.
    if not store.owns_entry(stored.path) or not _are_correctable(flaws):
        return flaws
    if all(flaw.kind == check.UNPROVEN for flaw in flaws):
        return flaws
    with staging.changing(store, stored.path):
        flaws = tuple(check.inspect(stored.path))  # another process may have corrected or replaced it meanwhile
        if not _are_correctable(flaws):
            return flaws
        certain = [flaw for flaw in flaws if flaw.kind != check.UNPROVEN]
        is_more = any(flaw.kind == "added" for flaw in certain)
        with trash.grave(store) if is_more else contextlib.nullcontext("") as grave:
            check.correct(stored.path, certain, grave, root_stat=store.root_stat)
    return tuple(flaw for flaw in flaws if flaw.kind == check.UNPROVEN)


def _are_correctable(flaws: Iterable[Flaw]) -> bool:
    """Tell whether flaws can be corrected in place, as far as they are certain."""
    return all(flaw.kind in {"mode", "added", "touched", check.UNPROVEN} for flaw in flaws)


def _store_anew(
    store: Store, request: Request, stored: Stored, users: Sequence[str]
) -> Generator[Progress, None, None]:
    """Fetch an entry again, and put it in the place of the old one. Raises PepipError if it can't be fetched.

    Then the old one stays, but without an identity it goes to the trash.
    """
    if not stored.identity:
        entry_name = os.path.basename(stored.path)
        trash.discard(store, stored.path)
        raise PepipError(f"the identity of {entry_name} is lost: it was moved to the trash")
    with _environment_for(store, users, _python_of(stored.bucket)) as environment:
        artifact = _artifact(stored, request, environment)
        acquired = yield from acquire.acquire(store, request, [artifact], environment, replacing=stored.path)
    for reason in acquired.unshared.values():
        raise StoreError(reason)


def _reason(error: PepipError | OSError) -> str:
    """Return the error in one line. Of uv's output, it has the part after `error:`."""
    if isinstance(error, UvError) and error.output:
        words = error.output.partition("error:")[2] or error.output
        return f"{error.message}: {' '.join(words.split())}"
    return error.message if isinstance(error, PepipError) else f"{error.strerror}: {error.filename}"


def _python_of(bucket: str) -> str:
    """Return the Python that a bucket's entries need, in uv's words; empty if any will do."""
    kind, _, rest = bucket.partition("-")
    digits = rest.partition("-")[0]
    return f"{digits[0]}.{digits[1:]}" if kind == "cpython" and digits.isdigit() and len(digits) > 1 else ""


def _artifact(stored: Stored, request: Request, environment: Environment) -> Artifact:
    """Return the artifact from which uv makes the very same entry again. Raises StoreError if there is none."""
    package, url = entries.source_of(stored)
    if package:
        found = [pylock.of_package(package, environment.tags)]
    else:  # stored by an older pepip: look for the same hash or commit
        found = resolve.locate(request, [Change(stored.name, stored.version, "")], environment)
        if url and not any(_is_of_the_same_file(artifact, stored) for artifact in found):
            found = resolve.locate(request, [Change(stored.name, "", url)], environment)
    if content_identity.is_of_content(stored.identity):  # adopted: any archive will do, its files are compared
        found = [artifact._replace(wheel="") for artifact in found if artifact.name == stored.name]
    for artifact in found:
        if package or content_identity.is_of_content(stored.identity) or _is_of_the_same_file(artifact, stored):
            return artifact._replace(version=stored.version, identity=stored.identity, local_path="")
    raise StoreError(f"no index has the file of {stored.name} {stored.version} that was stored")


def _is_of_the_same_file(artifact: Artifact, stored: Stored) -> bool:
    """Tell whether both are of one file or commit. The part of an identity after `@` is the Python of a build."""
    return artifact.identity.partition("@")[0] == stored.identity.partition("@")[0] != ""


@contextlib.contextmanager
def _environment_for(store: Store, environments: Sequence[str], python: str) -> Iterator[Environment]:
    """Yield an environment that an entry fits: one that links it, or a new one on `python`, in uv's words."""
    for root in filter(venvs.is_own, environments):  # never start another user's program
        with contextlib.suppress(VenvError):
            yield venvs.open_environment(root, store)
            return
    with venvs.existing_or_temporary("", python) as root:
        yield venvs.open_environment(root, store)


def _link_anew(
    store: Store, request: Request, known: KnownVenv, replaced: Collection[str], *, recovers: bool
) -> Generator[Progress, None, bool]:
    """Make an environment's links anew if they lead nowhere or to a replaced entry. Return False if it needs nothing.

    `replaced` are the ids of its repaired entries. With `recovers`, all entries that it has lost are fetched again,
    too. Raises PermissionError if this user may not change the environment, or root should not.
    """
    if not venvs.is_own(known.environment):
        if known.state == census.BROKEN or replaced:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), known.environment)
        return False
    environment = venvs.open_environment(known.environment, store)
    if recover.is_needed(store, environment) or recover.is_stale(store, environment):
        if not rights.may_change(environment.site_packages):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), environment.site_packages)
        with folder_use.in_use(known.environment):
            if recovers:
                yield from recover.recover(store, environment, request, without_layers=True)
            recover.correct_links(store, environment)
    elif known.state != census.BROKEN and not replaced:
        return False
    if replaced:
        with folder_use.in_use(known.environment):
            recover.replace_damaged_files(store, environment, replaced)
    return True
