"""Bringing an environment to what uv decided: the steps that every command which changes one has in common.

Decide, look up, stage what is missing, publish, register, link. A command brings a `Job`: how uv decides, and how uv
itself installs what can't be shared (a local folder, an editable), as real files.
"""

from __future__ import annotations

import contextlib
import os

from pepip import paths
from pepip.environment import contents, journal
from pepip.environment.metadata import Installation
from pepip.errors import PepipError
from pepip.host import locks
from pepip.model import Change, Changes, Progress, Summary
from pepip.operations import acquire, relinking, settled, target
from pepip.records import NamedTuple
from pepip.store import registry
from pepip.uv import interpreter, resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from pepip.model import Artifact, Entry, Environment, Installed, Request
    from pepip.store.home import Store


_MOST_ATTEMPTS = 20  # others may change the environment while a run decides what to do


class Work(NamedTuple):
    """What is to be done, decided before anything is changed.

    `private` is what uv installs by itself, and `private_requirements` the same as lines of a requirements file.
    """

    changes: Changes
    artifacts: list[Artifact]
    private: list[Change]
    private_requirements: list[str]


class Job(NamedTuple):
    """What differs between the commands that change an environment.

    `request` holds uv's options for staging. `decide` is called with what the environment holds, again whenever
    others changed it meanwhile; `install_private` after everything else is linked, and what is private is gone.
    """

    request: Request
    decide: Callable[[Sequence[Installed]], Work]
    install_private: Callable[[Work], Iterator[Progress]]


def work_of(changes: Changes, artifacts: list[Artifact]) -> Work:
    """Return the work that uv's plan means: what no shared artifact is known of is private."""
    known = {artifact.name: artifact for artifact in artifacts}
    private = [change for change in changes.added if change.name not in known or not known[change.name].is_shared]
    lines = [
        known[change.name].requirement if change.name in known else resolve.requirement_of(change)
        for change in private
    ]
    return Work(changes, artifacts, private, lines)


def again(work: Work, options: Sequence[str]) -> list[str]:
    """Return the names of what is private, is there already, and is to be installed again at any rate.

    uv sees by itself what has changed, and would build it a second time if it were told.
    """
    if not any(option.startswith(("--reinstall", "--force-reinstall")) for option in options):
        return []
    replaced = {change.name for change in work.changes.removed}
    return [change.name for change in work.private if change.name in replaced]


def foresee(store: Store, job: Job, environment: Environment, tags: Sequence[str]) -> Summary:
    """Return the summary of a change that is only asked about.

    One that was interrupted is completed before, if this user may: what it left behind would be asked about too.
    """
    if journal.is_interrupted(environment.root):
        from pepip.operations import recover

        with contextlib.suppress(OSError, PepipError):
            recover.complete_interrupted(store, environment.root)
    work = job.decide(contents.installed(environment, store.homes))
    shared = [artifact for artifact in work.artifacts if artifact.is_shared]
    have = acquire.lookup(store, shared, tags)
    missing = [item for item in shared if item.name not in have]
    summary = _summary(environment, work, have, [item.name for item in missing], dry_run=True)
    return summary._replace(download_bytes=sum(item.size_bytes for item in missing))


def carry_out(
    store: Store,
    root: str,
    *,
    make: Callable[[], bool],
    job: Callable[[Environment, Sequence[str]], Job],
    asked: settled.Asked | None = None,
    compile_bytecode: bool = False,
) -> Generator[Progress, None, Summary]:
    """Change the environment at `root`, yielding progress, and return the summary.

    `make` makes the environment where it is missing and tells whether it did; `job` is called with the environment
    and the wheel tags that it supports. `asked` is noted once it is met. Raises PepipError; an environment that this
    run made is removed again then. Another one is as it was; entries that were published stay. A killed run is
    completed, or taken back, by the next command on that environment.
    """
    made = make()
    is_finished = False
    try:
        with locks.in_use(root):
            if made:
                store.create()
            environment, tags = target.open_environment(root, store)
            errand = job(environment, tags)
            first = None if made else _decide_first(store, errand, environment)
            if first is not None and not first.work.changes.added and not first.work.changes.removed:
                yield from _note(store, first)
                if asked and not first.work.changes.warnings:
                    present = contents.installed(environment, store.homes)
                    settled.note(store, asked, environment, present, (), is_locked=False)
                if compile_bytecode:
                    yield from _compile(environment)
                return _summary(environment, first.work, {}, [], dry_run=False)
            store.create()
            if store.is_writable() and os.listdir(paths.staging(store.home)):
                from pepip.store import staging

                staging.remove_abandoned(store)
            target.check_writable(environment)
            if first is None and not made:
                from pepip.operations import recover

                yield from recover.recover(store, environment, tags, errand.request)
            summary = yield from _change(store, errand, environment, tags, first, asked=asked)
            if compile_bytecode:
                yield from _compile(environment)
        is_finished = True
    finally:
        if made and not is_finished:
            target.unmake(root)
    return summary


class _Decision(NamedTuple):
    """Work that was decided for an environment that was in this state."""

    environment: Environment
    fingerprint: object
    present: list[Installed]
    work: Work


def _decide_first(store: Store, job: Job, environment: Environment) -> _Decision | None:
    """Return what is to be done, None if the environment must be recovered before uv can be asked.

    Where that is nothing, nobody needs to write anything: neither the environment nor a store.
    """
    from pepip.operations import recover

    if recover.is_needed(store, environment):
        return None
    return _decide(store, job, environment)


def _decide(store: Store, job: Job, environment: Environment) -> _Decision:
    seen = contents.fingerprint(environment)
    present = contents.installed(environment, store.homes)
    return _Decision(environment, seen, present, job.decide(present))


def _note(store: Store, decision: _Decision) -> Iterator[Progress]:
    """Pass on what uv warns of, and see that the registry knows of an environment that links entries."""
    for sentence in decision.work.changes.warnings:
        yield Progress("warning", sentence)
    linked = {item.entry_id for item in decision.present if item.entry_id}
    if linked:
        registry.register(store, decision.environment.root, linked)


def _compile(environment: Environment) -> Iterator[Progress]:
    yield Progress("compile")
    interpreter.compile_bytecode(environment.interpreter.executable, contents.bytecode_targets(environment))


def _change(
    store: Store,
    job: Job,
    environment: Environment,
    tags: Sequence[str],
    first: _Decision | None,
    *,
    asked: settled.Asked | None,
) -> Generator[Progress, None, Summary]:
    executable = environment.interpreter.executable
    for _ in range(_MOST_ATTEMPTS):
        yield Progress("resolve")
        journal.wait(environment.root)
        _, seen, present, work = first or _decide(store, job, environment)
        first = None
        for sentence in work.changes.warnings:
            yield Progress("warning", sentence)
        shared = [artifact for artifact in work.artifacts if artifact.is_shared]
        acquired = acquire.Acquired({}, ())
        for step in acquire.acquire(store, job.request, shared, executable, tags):
            if isinstance(step, Progress):
                yield step
            else:
                acquired = step
        if work.private:
            yield Progress("build", ", ".join(change.name for change in work.private))
        reserved = acquire.survey(store, job.request, work.private_requirements, executable)
        linked = {item.entry_id for item in present if item.entry_id}
        coming = {entry.id for entry in acquired.entries.values()}
        yield Progress("link", "", 0, len(acquired.entries))
        is_registered = True
        with store.linking(), locks.held(f"{environment.root}/.lock"):
            if journal.is_interrupted(environment.root):
                if not journal.is_in_use(environment.root):  # whoever had the lock before was killed
                    from pepip.operations import recover

                    recover.complete(store, environment)
                continue
            if contents.fingerprint(environment) != seen:
                continue  # another installer was at work meanwhile: what was decided may not hold any more
            gone = [entry.path for entry in acquired.entries.values() if not os.path.isdir(entry.path)]
            if gone:
                continue  # pruned meanwhile
            # While nobody prunes, and before the first link: no prune can miss it.
            is_registered = registry.register(store, environment.root, linked | coming)
            origins = {item.name: (item.direct_url, item.local_path) for item in work.artifacts}
            additions = [Installation(entry, *origins[name]) for name, entry in acquired.entries.items()]
            going = {change.name for change in work.changes.removed}
            private = {change.name for change in work.private}
            present = relinking.relink(
                store, environment, present, additions, going, reserved=reserved, private=private
            )
            unfinished = relinking.UnfinishedChange(store, environment) if private else None
            if asked and is_registered and not (work.private or work.changes.warnings):
                settled.note(store, asked, environment, present, acquired.entries.values(), is_locked=True)
        if coming and not is_registered:
            yield Progress("warning", f"{environment.root} could not be registered in the read-only store")
        if unfinished:
            with unfinished:
                yield from job.install_private(work)
            present = contents.installed(environment, store.homes)
        work = _with_versions(work, present)
        return _summary(environment, work, acquired.entries, list(acquired.stored), dry_run=False)
    raise PepipError(
        f"{environment.root} keeps changing while it is installed into",
        hint="let the other installer finish, then run the command again",
    )


def _with_versions(work: Work, present: Sequence[Installed]) -> Work:
    """Return the work with the versions that only the build of a folder, a file or a commit could tell."""
    versions = {item.name: item.version for item in present}

    def complete(change: Change) -> Change:
        return change if change.version else change._replace(version=versions.get(change.name, ""))

    changes = work.changes._replace(added=tuple(map(complete, work.changes.added)))
    return work._replace(changes=changes, private=list(map(complete, work.private)))


def _summary(
    environment: Environment, work: Work, have: dict[str, Entry], stored: Sequence[str], *, dry_run: bool
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
    )
