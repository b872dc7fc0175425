"""The steps of a command that installs or uninstalls in an environment. uv decides on the change.

The steps are: decide, look up, stage missing distributions, publish, register, link. A command brings a `ChangeJob`:
how uv decides, and how uv itself installs distributions that can't be shared (a local folder, an editable) as real
files.
"""

from __future__ import annotations

import contextlib
import os

from pepip import early_imports, paths
from pepip.environment import contents, journal
from pepip.errors import PepipError
from pepip.fast_namedtuple import NamedTuple
from pepip.host import files, folder_use, locks, rights
from pepip.host.transfer import COPY
from pepip.operations import deciding, foreign_writes, venvs
from pepip.operations.reporting import Progress, Summary
from pepip.uv import interpreter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from pepip.environment.metadata import Installation
    from pepip.model import Environment, Installed
    from pepip.operations import acquire, relinking
    from pepip.operations.deciding import ChangeJob, CommandLine, Decision, Work
    from pepip.operations.supplying import Supply
    from pepip.store.root import Store


def preview(store: Store, job: ChangeJob, environment: Environment) -> Summary:
    """Return the summary of a change without making it.

    An interrupted change is completed or taken back first, if this user may do that. Else its leftovers would be in
    the summary.
    """
    from pepip.operations import acquire

    if journal.is_unfinished(environment.root):
        from pepip.operations import recover

        with contextlib.suppress(OSError, PepipError):
            recover.complete_interrupted(store, environment.root)
    work = deciding.undisturbed(environment, lambda: deciding.decide(store, job, environment).work)
    have = acquire.lookup(store, work.shared, environment)
    missing = [item for item in work.shared if item.name not in have]
    acquired = acquire.Acquired(have, tuple(item.name for item in missing))
    summary = _summary(environment, work, acquired, dry_run=True)
    downloads = tuple((item.identity, item.size_bytes) for item in missing if not item.local_path)
    return summary._replace(download_bytes=sum(size for _, size in downloads), downloads=downloads)


def carry_out(
    store: Store,
    root: str,
    *,
    make: Callable[[], bool],
    job: Callable[[Environment], ChangeJob],
    opened: Environment | None = None,
    asked: CommandLine | None = None,
    compile_bytecode: bool = False,
    is_shown: bool = True,
) -> Generator[Progress, None, Summary]:
    """Change the environment at `root`, yielding progress, and return the summary.

    `make` makes the environment if it is missing, and returns whether it did. With `is_shown`, a progress step then
    reports the new environment (none of a script). `job` is called with the environment, which the
    caller may have `opened` already. `asked` is the command line with its request. If possible, a note says that the
    request is met, so that the same command has nothing to do the next time. Raises PepipError. After an error,
    an environment that this run made is removed again, unless it holds distributions; any other environment is as it
    was; published entries stay. If a run is killed, the next command on that environment completes the change or
    takes it back.
    """
    venvs.refuse_the_store(root, store)
    yield from foreign_writes.repair_written(store)  # before `make`, which may remove the traces of another tool
    was_there = interpreter.is_environment(root)
    with _made(root, make) as made:
        if made:
            store.create_unless_layered()
        environment = opened or venvs.open_environment(root, store, is_new=made)
        if made and is_shown:
            yield venvs.making_step(root, environment, "remake" if was_there else "make")
        if "PEPIP_PURGE_AFTER" in os.environ:
            from pepip.operations import purges

            yield from purges.give_up_purged(store, environment)
        change_job = job(environment)
        first = None if made else deciding.decide_first(store, change_job, environment, load_modules)
        if first is not None and first.work.changes.are_none:
            summary = yield from _change_nothing(store, first, asked)
        else:
            _prepare(store, environment)
            if first is None and not made:
                from pepip.operations import recover

                yield from recover.recover(store, environment, change_job.request)
            summary = yield from _change(store, change_job, environment, first, asked=asked)
        if made:
            yield from _warn_of_closed_store(store, environment)
        if compile_bytecode:
            yield from _compile(environment)
    return summary


@contextlib.contextmanager
def _made(root: str, make: Callable[[], bool]) -> Iterator[bool]:
    """Let `make` make the environment at `root` if it is missing, and yield whether it did. Mark it as in use.

    If the body fails, an environment that this run made is removed again.
    """
    for attempt in range(1, _MOST_MAKES + 1):
        made = make()
        with _unmade_on_failure(root) if made else contextlib.nullcontext(), folder_use.in_use(root):
            # The run that made it may have failed and removed it before it was marked.
            if made or interpreter.is_environment(root) or attempt == _MOST_MAKES:
                yield made
                return


_MOST_MAKES = 3


@contextlib.contextmanager
def _unmade_on_failure(root: str) -> Iterator[None]:
    """Remove the environment at `root`, which this run made, if the body fails: see `venv_creation.unmake`."""
    try:
        yield
    except BaseException:
        from pepip.operations import venv_creation

        venv_creation.unmake(root)
        raise


def _change_nothing(
    store: Store, decision: Decision, asked: CommandLine | None
) -> Generator[Progress, None, Summary]:
    """Return the summary of a decision without changes. Note that the request is met, unless uv warns."""
    environment = decision.environment
    yield from _warn_and_register(store, decision)
    if asked and not decision.work.changes.warnings:
        from pepip.operations import up_to_date_notes

        present = contents.installed(environment, store.known_roots)
        up_to_date_notes.note(store, asked, environment, present, (), is_locked=False)
    return _summary(environment, decision.work, None, dry_run=False)


def _prepare(store: Store, environment: Environment) -> None:
    """Make the store ready to take entries. Raises PepipError if this user may not write the environment."""
    store.create_unless_layered()
    if store.is_writable() and os.listdir(paths.staging(store.root)):
        from pepip.store import staging

        staging.remove_abandoned(store)
    venvs.check_writable(environment)


def load_modules() -> None:
    """Import the modules of a change, which most runs need once uv has planned it."""
    early_imports.load("pepip.operations.registering", "pepip.operations.relinking", "pepip.operations.supplying")


def _warn_of_closed_store(store: Store, environment: Environment) -> Iterator[Progress]:
    """Warn root if other users can reach a new environment, but not the store that its links lead to."""
    if files.user_id() or not hasattr(os, "geteuid") or not store.exists():
        return
    closed = rights.closed_to_others(store.root)
    is_beside = closed and not paths.real(environment.root).startswith(f"{closed}/")
    if is_beside and any(item.entry_id for item in contents.installed(environment, store.known_roots)):
        packages = f"the packages that {environment.root} links from there"
        sentence = f"only root can enter {closed}, so no other user can use {packages}"
        yield Progress("warning", f"{sentence}: set PEPIP_HOME to a folder for all, or UV_LINK_MODE=copy")


def _warn_and_register(store: Store, decision: Decision) -> Generator[Progress, None, None]:
    """Pass on uv's warnings, and register the environment if it links entries."""
    from pepip.operations import registering

    for sentence in decision.work.changes.warnings:
        yield Progress("warning", sentence, is_of_uv=True)
    linked = {item.store_id for item in decision.present if item.store_id}
    if linked:
        registering.register(store, decision.environment.root, linked)


def _compile(environment: Environment) -> Generator[Progress, None, None]:
    yield Progress("compile")
    interpreter.compile_bytecode(environment.interpreter.executable, contents.bytecode_targets(environment))


def _change(
    store: Store,
    job: ChangeJob,
    environment: Environment,
    first: Decision | None,
    *,
    asked: CommandLine | None,
) -> Generator[Progress, None, Summary]:
    """Decide, acquire, link, and let uv install private distributions. Start over if another tool interferes."""
    from pepip.operations import supplying

    for _ in range(deciding.MOST_ATTEMPTS):
        yield Progress("resolve")
        journal.wait(environment.root)
        try:
            decision = first or deciding.decide(store, job, environment)
        except deciding.DisturbedError:
            deciding.wait_for_others(environment.root)
            continue
        first = None
        for sentence in decision.work.changes.warnings:
            yield Progress("warning", sentence, is_of_uv=True)
        is_new = not decision.present
        with supplying.with_one_cache(job, decision) as decision:
            supply = yield from supplying.get(store, job, decision)
            if supply.installs_private_first:
                linked = yield from _link_after_private(store, job, decision, supply)
            else:
                linked = yield from _link(store, decision, supply, asked)
            if linked is None:
                yield from foreign_writes.repair_written(store)
                continue
            present = linked.present
            if linked.unfinished:
                with linked.unfinished:
                    yield from job.install_private(supply.work)
                present = contents.installed(environment, store.known_roots)
        is_by_uv = bool(linked.unfinished) or supply.installs_private_first
        foreign_writes.note(store, environment, decision.changed_at_ns, is_by_uv=is_by_uv)
        from pepip.operations import linked_entries

        linked_entries.note(store, environment.root, present, is_new=is_new)
        return _summary(environment, _with_versions(supply.work, present), supply.acquired, dry_run=False)
    raise PepipError(
        f"another tool keeps changing {environment.root}, so pepip can't change it",
        hint="let the other tool finish, then run the command again",
    )


class _Linked(NamedTuple):
    """The distributions of an environment after a change.

    `unfinished` is the change itself if uv has to install private distributions before it ends, otherwise None.
    """

    present: list[Installed]
    unfinished: relinking.UnfinishedChange | None


def _link(
    store: Store, decision: Decision, supply: Supply, asked: CommandLine | None
) -> Generator[Progress, None, _Linked | None]:
    """Register the environment, link the acquired entries, and remove the distributions that go.

    Returns None if the decision does not hold any more. Then nothing of it was carried out. The result is also None
    after a change of a killed run was completed or taken back.
    """
    from pepip.operations import relinking

    environment, work, entries = decision.environment, supply.work, supply.acquired.entries
    yield Progress("link", "", 0, len(entries))
    with venvs.locked(store, environment.root):
        if not _still_holds(store, decision, supply):
            return None
        is_registered = _register(store, decision, supply)
        going = {item.name for item in work.changes.removed}
        private = {item.name for item in work.private}
        present = relinking.relink(
            store,
            environment,
            decision.present,
            _installations(supply),
            going,
            reserved=supply.reserved,
            private=private,
        )
        unfinished = relinking.UnfinishedChange(store, environment) if private else None
        is_settled = is_registered and not (work.private or work.changes.warnings)
        if asked and is_settled and (asked.is_of_files or not decision.present):
            from pepip.operations import up_to_date_notes

            up_to_date_notes.note(store, asked, environment, present, entries.values(), is_locked=True)
    yield from _warn_of_linking(store, environment, supply, present, is_registered=is_registered)
    return _Linked(present, unfinished)


def _link_after_private(
    store: Store, job: ChangeJob, decision: Decision, supply: Supply
) -> Generator[Progress, None, _Linked | None]:
    """Let uv install the private distributions into an empty environment, then link the acquired entries.

    Returns None as `_link` does, but perhaps after uv's step. If either step fails, both are taken back.
    """
    from pepip.operations import relinking

    environment, private = decision.environment, {item.name for item in supply.work.private}
    additions = _installations(supply)
    with venvs.locked(store, environment.root):
        if not _still_holds(store, decision, supply):
            return None
        is_registered = _register(store, decision, supply)
        unfinished = relinking.begin(store, environment, additions, private)
    with unfinished:
        if job.install_private_first:
            yield from job.install_private_first(supply.work)
        yield Progress("link", "", 0, len(additions))
        with locks.held(paths.environment_lock(environment.root)):  # the store's lock is held already
            present = contents.installed(environment, store.known_roots)
            is_alone = {item.name for item in present} == private  # otherwise another tool was at work
            if not (is_alone and _are_there(supply)):
                return None
            present = relinking.relink(store, environment, present, additions, (), installed=private)
    yield from _warn_of_linking(store, environment, supply, present, is_registered=is_registered)
    return _Linked(present, None)


def _still_holds(store: Store, decision: Decision, supply: Supply) -> bool:
    """Tell whether a decision still holds. The caller holds the locks.

    A change of a killed run is completed or taken back, and then the decision does not hold.
    """
    root = decision.environment.root
    if journal.is_unfinished(root):
        if not journal.is_in_use(root):  # the run that had the lock before was killed
            from pepip.operations import recover

            recover.complete(store, decision.environment)
        return False
    is_changed = contents.fingerprint(decision.environment) != decision.fingerprint  # another installer was at work
    return not is_changed and _are_there(supply)


def _are_there(supply: Supply) -> bool:
    """Tell whether no prune has removed an acquired entry meanwhile."""
    return all(os.path.isdir(entry.path) for entry in supply.acquired.entries.values())


def _register(store: Store, decision: Decision, supply: Supply) -> bool:
    """Register the environment before the first link, while pruning must wait, so that no prune misses it."""
    from pepip.operations import registering

    linked = {item.store_id for item in decision.present if item.store_id}
    coming = {entry.id for entry in supply.acquired.entries.values()}
    return registering.register(store, decision.environment.root, linked | coming)


def _installations(supply: Supply) -> list[Installation]:
    from pepip.environment.metadata import Installation

    origins = {item.name: (item.direct_url, item.local_path) for item in supply.work.shared}
    entries = supply.acquired.entries
    return [Installation(entry, *origins[name], mode=supply.mode) for name, entry in entries.items()]


def _warn_of_linking(
    store: Store, environment: Environment, supply: Supply, present: Sequence[Installed], *, is_registered: bool
) -> Iterator[Progress]:
    used = {item.mode for item in present if item.name in supply.acquired.entries}
    if supply.mode not in {"", COPY} and COPY in used:
        yield Progress("warning", _FELL_BACK)
    if supply.acquired.entries and store.exists() and not is_registered:
        yield Progress("warning", f"{environment.root} could not be registered in the read-only store")


_FELL_BACK = (
    "files could be neither cloned nor hard-linked, and were copied: the environment may be on another file system "
    "than the store. If you want copies, set UV_LINK_MODE=copy or --link-mode=copy"
)


def _with_versions(work: Work, present: Sequence[Installed]) -> Work:
    """Return the work with versions that are known only once a folder, a file or a commit is built."""
    versions = {item.name: item.version for item in present}
    added = [
        item if item.version else item._replace(version=versions.get(item.name, "")) for item in work.changes.added
    ]
    return work._replace(changes=work.changes._replace(added=tuple(added)))


def _summary(environment: Environment, work: Work, acquired: acquire.Acquired | None, *, dry_run: bool) -> Summary:
    private = {artifact.name for artifact in work.private}
    local = {artifact.name for artifact in work.shared if artifact.local_path}
    added = work.changes.added
    have, stored = (acquired.entries, acquired.stored) if acquired else ({}, ())
    reused = tuple(name for name in have if name not in stored)
    return Summary(
        environment=environment.root,
        dry_run=dry_run,
        linked=tuple((change.name, change.version) for change in added if change.name not in private),
        removed=tuple((change.name, change.version) for change in work.changes.removed),
        private=tuple((change.name, change.version) for change in added if change.name in private),
        reused=reused,
        downloaded=tuple(name for name in stored if name not in local),
        local=tuple(name for name in stored if name in local),
        avoided_bytes=sum(have[name].size_bytes for name in reused),
        stored_bytes=sum(have[name].size_bytes for name in stored if name in have),
    )
