"""Installing: what uv would install, linked from the store.

Resolve, look up, stage what is missing, publish, register, link. uv decides what changes; what can't be shared (a
local folder, an editable) uv installs itself, as real files.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import NamedTuple

from pepip.environment import contents, journal, linking
from pepip.environment.metadata import Installation, bytecode_targets
from pepip.errors import CorruptEntryError, PepipError, UvError
from pepip.host import locks
from pepip.model import Artifact, Change, Changes, Progress, Request, Summary
from pepip.operations import acquire, target
from pepip.store import entries, ingest, registry
from pepip.uv import hashes, process, resolve, stage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterator, Sequence

    from pepip.model import Entry, Environment, Installed, Plan
    from pepip.store.home import Store


_MOST_ATTEMPTS = 20  # others may change the environment while a run decides what to do


class Options(NamedTuple):
    """How to install, beside the request itself. `python` is a request in uv's words, empty for uv's choice."""

    environment: str
    python: str = ""
    venv_options: tuple[str, ...] = ()
    compile_bytecode: bool = False
    dry_run: bool = False


class _Work(NamedTuple):
    """What is to be done, decided before anything is changed."""

    changes: Changes
    artifacts: list[Artifact]
    private: list[Change]


def install(store: Store, request: Request, options: Options) -> Iterator[Progress | Summary]:
    """Install `request` into an environment, yielding progress and, at the end, a Summary.

    Raises PepipError. An environment that this run made is removed again if the request fails before anything was
    linked. A run that is killed is completed by the next one on that environment.
    """
    started = time.monotonic()
    if not options.dry_run:
        store.create()
        if store.is_writable():
            ingest.remove_abandoned(store)
    made = target.make(options.environment, options.python, options.venv_options)
    is_kept = False
    try:
        with locks.in_use(options.environment):
            environment, tags = target.open_environment(options.environment, store)
            if not made and not options.dry_run:
                yield from _recover(store, environment, tags, request)
            summary = yield from _install(store, request, options, environment, tags)
        is_kept = not options.dry_run
    finally:
        if made and not is_kept:
            target.unmake(options.environment)
    yield summary._replace(seconds=time.monotonic() - started)


def _install(
    store: Store,
    request: Request,
    options: Options,
    environment: Environment,
    tags: Sequence[str],
) -> Generator[Progress, None, Summary]:
    """Yield progress and return the summary."""
    for _ in range(_MOST_ATTEMPTS):
        seen = contents.fingerprint(environment)
        yield Progress("resolve")
        present = contents.installed(environment, store.homes)
        work = _decide(request, environment, tags, present)
        shared = [artifact for artifact in work.artifacts if artifact.is_shared]
        if options.dry_run:
            have = acquire.lookup(store, shared, acquire.buckets(tags))
            return _summary(environment, work, have, [a.name for a in shared if a.name not in have], True)
        acquired = acquire.Acquired({}, ())
        for step in acquire.acquire(store, request, shared, environment.interpreter.executable, tags):
            if isinstance(step, Progress):
                yield step
            else:
                acquired = step
        executable = environment.interpreter.executable
        reserved = acquire.survey(store, request, work.artifacts, executable)
        legacy = _legacy(work, present)
        if legacy:
            stage.uninstall(executable, legacy)
            continue
        if not registry.register(store, environment.root) and acquired.entries:
            yield Progress("warning", f"{environment.root} could not be registered in the read-only store")
        yield Progress("link", "", 0, len(acquired.entries))
        with store.linking(), locks.held(f"{environment.root}/.lock"):
            if contents.fingerprint(environment) != seen:
                continue  # another installer was at work meanwhile: what was decided may not hold any more
            gone = [entry.path for entry in acquired.entries.values() if not os.path.isdir(entry.path)]
            if gone:
                continue  # pruned meanwhile
            plan = _link(store, environment, work, acquired.entries, present, reserved=reserved)
        if work.private:
            yield from _install_private(request, environment, work)
            versions = {item.name: item.version for item in contents.installed(environment, store.homes)}
            work = work._replace(private=[item._replace(version=versions[item.name]) for item in work.private])
        if options.compile_bytecode and plan is not None:
            yield Progress("compile")
            _compile(environment, plan)
        return _summary(environment, work, acquired.entries, list(acquired.stored), False)
    raise PepipError(
        f"{environment.root} keeps changing while it is installed into",
        hint="let the other installer finish, then run the command again",
    )


def _decide(request: Request, environment: Environment, tags: Sequence[str], present: Sequence[Installed]) -> _Work:
    executable = environment.interpreter.executable
    artifacts: list[Artifact] | None = None
    if not present and not _needs_uvs_own_check(request):
        # Into an empty environment an install is what a resolution says. If there is none, `uv pip install` is
        # asked below after all, so that its own words reach the user.
        with contextlib.suppress(UvError):
            artifacts = resolve.resolve(request, executable, tags)
    if artifacts is not None:
        changes = Changes((), tuple(Change(artifact.name, artifact.version, "") for artifact in artifacts))
    else:
        changes = resolve.changes(request, executable)
        artifacts = resolve.locate(request, changes.added, executable, tags) if changes.added else []
    shared = {artifact.name for artifact in artifacts if artifact.is_shared}
    private = [change for change in changes.added if change.name not in shared]
    return _Work(changes, artifacts, private)


def _is_odd(package: str) -> bool:
    """Tell whether a requirement would mean something else as a line of a requirements file."""
    return not package.strip() or package.lstrip().startswith(("-", "#")) or "\n" in package


def _needs_uvs_own_check(request: Request) -> bool:
    """Tell whether only `uv pip install` itself can read the request, so that resolving it is not enough."""
    return (
        bool(request.installing)
        or any(_is_odd(package) for package in request.packages)
        or any(map(resolve.is_lock, request.requirement_files))
        or hashes.are_required(request)
    )


def _link(
    store: Store,
    environment: Environment,
    work: _Work,
    acquired: dict[str, Entry],
    present: Sequence[Installed],
    *,
    reserved: Collection[str] = (),
) -> Plan | None:
    """Change the links of the environment. Returns its plan, None if no link had to change."""
    private = {change.name for change in work.private}
    removed = {change.name for change in work.changes.removed} - private
    if not acquired and not removed and not reserved:
        return None
    linked = _linked(store, present)
    origins = {artifact.name: artifact for artifact in work.artifacts}
    additions = [
        Installation(entry, origins[name].direct_url, origins[name].local_path) for name, entry in acquired.items()
    ]
    return linking.change(
        environment,
        store.homes,
        linked=linked,
        additions=additions,
        removals=[item for item in present if item.name in removed or item.name in acquired],
        foreign=[item for item in present if item.name not in linked],
        reserved=reserved,
    )


def _legacy(work: _Work, present: Sequence[Installed]) -> list[str]:
    """Return the names of distributions without a RECORD that are to go: only uv knows how (egg-info, egg-link)."""
    going = {change.name for change in (*work.changes.removed, *work.changes.added)}
    return [item.name for item in present if item.name in going and not item.dist_info.endswith(".dist-info")]


def _linked(store: Store, present: Sequence[Installed]) -> dict[str, Entry]:
    """Return the entries that an environment links, by distribution name."""
    entries_by_name = {item.name: _entry_of(store, item) for item in present}
    return {name: entry for name, entry in entries_by_name.items() if entry is not None}


def _entry_of(store: Store, distribution: Installed) -> Entry | None:
    if not distribution.entry_id:
        return None
    try:
        return entries.read(store, distribution.entry_id)
    except (FileNotFoundError, CorruptEntryError):
        return None


def _recover(store: Store, environment: Environment, tags: Sequence[str], request: Request) -> Iterator[Progress]:
    """Complete what a killed run began, and link again what the store has lost."""
    with store.linking(), locks.held(f"{environment.root}/.lock"):
        unfinished = journal.pending(environment.root)
        if unfinished is not None:
            _redo(store, environment, *unfinished)
        journal.finish(environment.root)
    lost = [item for item in contents.installed(environment, store.homes) if _is_lost(store, item)]
    if not lost:
        return
    yield Progress("warning", f"{len(lost)} linked distributions are not in the store any more: fetching them")
    wanted = [Change(item.name, item.version, "") for item in lost]
    bare = Request(everywhere=request.everywhere)
    artifacts = resolve.locate(bare, wanted, environment.interpreter.executable, tags)
    have: dict[str, Entry] = {}
    for step in acquire.acquire(store, bare, artifacts, environment.interpreter.executable, tags):
        if isinstance(step, Progress):
            yield step
        else:
            have = step.entries
    work = _Work(Changes((), ()), artifacts, [])
    with store.linking(), locks.held(f"{environment.root}/.lock"):
        _link(store, environment, work, have, contents.installed(environment, store.homes))


def _redo(store: Store, environment: Environment, additions: list[journal.Addition], names: list[str]) -> None:
    present = contents.installed(environment, store.homes)
    installations = []
    for addition in additions:
        try:
            entry = entries.read(store, addition.entry_id)
        except (FileNotFoundError, CorruptEntryError):
            continue  # pruned since: the request will bring it back
        installations.append(Installation(entry, addition.direct_url, addition.local_path))
    again = {installation.entry.name for installation in installations} | set(names)
    linked = _linked(store, present)
    linking.change(
        environment,
        store.homes,
        linked=linked,
        additions=installations,
        removals=[item for item in present if item.name in again],
        foreign=[item for item in present if item.name not in linked],
        is_recovery=True,
    )


def _is_lost(store: Store, distribution: Installed) -> bool:
    if not distribution.entry_id:
        return False
    entry = _entry_of(store, distribution)
    return entry is None or not entries.is_whole(entry)


def _install_private(request: Request, environment: Environment, work: _Work) -> Iterator[Progress]:
    replaced = {change.name for change in work.changes.removed}
    again = [change.name for change in work.private if change.name in replaced]
    yield Progress("build", ", ".join(change.name for change in work.private))
    for arrival in stage.install_private(request, environment.interpreter.executable, reinstall=again):
        yield Progress("build", arrival.name)


def _compile(environment: Environment, plan: Plan) -> None:
    """Compile what is linked to bytecode, into the store where this user owns the entry."""
    targets = bytecode_targets(environment, plan.links.values())
    if targets:
        arguments = ["-m", "compileall", "-q", "-j", "0", "-i", "-"]
        with contextlib.suppress(UvError):  # some files are for other versions of Python: uv goes on too
            process.run_python(environment.interpreter.executable, arguments, stdin="\n".join(targets) + "\n")


def _summary(
    environment: Environment, work: _Work, have: dict[str, Entry], stored: Sequence[str], dry_run: bool
) -> Summary:
    private = {change.name for change in work.private}
    shared = [change for change in work.changes.added if change.name not in private]
    reused = tuple(name for name in have if name not in stored)
    return Summary(
        environment=environment.root,
        dry_run=dry_run,
        linked=tuple((change.name, change.version) for change in shared),
        removed=tuple((change.name, change.version) for change in work.changes.removed),
        private=tuple((change.name, change.version) for change in work.private),
        reused=reused,
        downloaded=tuple(stored),
        avoided_bytes=sum(have[name].size_bytes for name in reused),
        stored_bytes=sum(have[name].size_bytes for name in stored if name in have),
        seconds=0.0,
    )
