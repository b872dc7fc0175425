"""Installing: what uv would install, linked from the store.

Resolve, look up, stage what is missing, publish, register, link. uv decides what changes; what can't be shared (a
local folder, an editable) uv installs itself, as real files.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import NamedTuple

from pepip.environment import contents
from pepip.environment.metadata import Installation
from pepip.errors import PepipError, UvError
from pepip.host import locks
from pepip.model import Artifact, Change, Changes, Progress, Request, Summary
from pepip.operations import acquire, recover, target
from pepip.store import registry, staging
from pepip.uv import hashes, interpreter, resolve, settings, stage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from pepip.model import Entry, Environment, Installed
    from pepip.store.home import Store


_MOST_ATTEMPTS = 20  # others may change the environment while a run decides what to do


class Options(NamedTuple):
    """How to install, beside the request itself. `python` is a request in uv's words, empty for uv's choice."""

    environment: str
    python: str = ""
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
    if options.dry_run:
        with target.tried_out(options.environment, options.python) as root:
            environment, tags = target.open_environment(root, store)
            summary = _foresee(store, request, environment, tags)
        yield summary._replace(environment=options.environment, seconds=time.monotonic() - started)
        return
    store.create()
    if store.is_writable():
        staging.remove_abandoned(store)
    made = target.make(options.environment, options.python)
    is_finished = False
    try:
        with locks.in_use(options.environment):
            environment, tags = target.open_environment(options.environment, store)
            if not made:
                yield from recover.recover(store, environment, tags, request)
            summary = yield from _install(store, request, options, environment, tags)
        is_finished = True
    finally:
        if made and not is_finished:
            target.unmake(options.environment)
    yield summary._replace(seconds=time.monotonic() - started)


def _foresee(store: Store, request: Request, environment: Environment, tags: Sequence[str]) -> Summary:
    """Return the summary of an install that is only asked about."""
    work = _decide(request, environment, tags, contents.installed(environment, store.homes))
    shared = [artifact for artifact in work.artifacts if artifact.is_shared]
    have = acquire.lookup(store, shared, tags)
    return _summary(environment, work, have, [item.name for item in shared if item.name not in have], dry_run=True)


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
            origins = {item.name: (item.direct_url, item.local_path) for item in work.artifacts}
            additions = [Installation(entry, *origins[name]) for name, entry in acquired.entries.items()]
            going = {change.name for change in work.changes.removed} - {change.name for change in work.private}
            recover.relink(store, environment, present, additions, going, reserved=reserved)
        if work.private:
            yield from _install_private(request, environment, work)
        if options.compile_bytecode:
            yield Progress("compile")
            targets = contents.bytecode_targets(environment)
            interpreter.compile_bytecode(environment.interpreter.executable, targets)
        work = _with_versions(work, contents.installed(environment, store.homes))
        return _summary(environment, work, acquired.entries, list(acquired.stored), dry_run=False)
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


# Settings that `uv pip compile` obeys and `uv pip install` does not know.
_SETTINGS_OF_COMPILE = ("universal", "no-emit-package", "output-file", "python-platform", "python-version")


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
        or any(map(settings.mention, _SETTINGS_OF_COMPILE))
    )


def _legacy(work: _Work, present: Sequence[Installed]) -> list[str]:
    """Return the names of distributions without a RECORD that are to go: only uv knows how (egg-info, egg-link)."""
    going = {change.name for change in (*work.changes.removed, *work.changes.added)}
    return [item.name for item in present if item.name in going and not item.dist_info.endswith(".dist-info")]


def _install_private(request: Request, environment: Environment, work: _Work) -> Iterator[Progress]:
    """Let uv install what can't be shared, by itself and as real files."""
    replaced = {change.name for change in work.changes.removed}
    again = [change.name for change in work.private if change.name in replaced]
    lines = {artifact.name: artifact.requirement for artifact in work.artifacts}
    asked = [lines.get(change.name) or resolve.requirement_of(change) for change in work.private]
    yield Progress("build", ", ".join(change.name for change in work.private))
    for arrival in stage.install_private(request, asked, environment.interpreter.executable, reinstall=again):
        yield Progress("build", arrival.name)


def _with_versions(work: _Work, present: Sequence[Installed]) -> _Work:
    """Return the work with the versions that only the build of a folder, a file or a commit could tell."""
    versions = {item.name: item.version for item in present}

    def complete(change: Change) -> Change:
        return change if change.version else change._replace(version=versions.get(change.name, ""))

    changes = work.changes._replace(added=tuple(map(complete, work.changes.added)))
    return work._replace(changes=changes, private=list(map(complete, work.private)))


def _summary(
    environment: Environment, work: _Work, have: dict[str, Entry], stored: Sequence[str], *, dry_run: bool
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
