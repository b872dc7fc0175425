"""Getting the entries for a set of artifacts: from the store, or staged by uv and published."""

from __future__ import annotations

import contextlib
import os
import time

from pepip import paths
from pepip.errors import InvalidWheelError, StoreError, UvError
from pepip.model import Progress
from pepip.records import NamedTuple
from pepip.sizes import count
from pepip.store import entries
from pepip.uv import arguments, resolve
from pepip.wheel import tags as wheel_tags

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from typing import Any

    from pepip.model import Artifact, Entry, Environment, Request
    from pepip.store.home import Store
    from pepip.store.ingest import Prepared, Proof
    from pepip.store.staged import Staged, Tree
    from pepip.store.staging import Writer
    from pepip.uv.resolve import Indexes
    from pepip.wheel.seen import Seen

_LAG_NS = 10_000_000  # how much earlier than the clock a kernel of 100 ticks a second stamps what was made


class Acquired(NamedTuple):
    """Entries by distribution name, the names of those that were not in the store before, and what can't be shared.

    `unshared` has the reason, by name: uv installs those as it would without pepip. `indexes` are those that the
    resolution took files from, as far as anybody had to know.
    """

    entries: dict[str, Entry]
    stored: tuple[str, ...] = ()
    unshared: dict[str, str] = {}  # noqa: RUF012 - never changed
    indexes: Indexes | None = None


def lookup(store: Store, artifacts: Sequence[Artifact], environment: Environment) -> dict[str, Entry]:
    """Return the entries that the store holds already, whole, by distribution name.

    What was built here may lie in any of the buckets that the environment's interpreter may link.
    """
    where = []
    if not all(artifact.wheel for artifact in artifacts):
        where = wheel_tags.buckets_for(list(environment.tags))
    found = {}
    for artifact in artifacts:
        known = [wheel_tags.bucket(wheel_tags.of_filename(artifact.wheel))] if artifact.wheel else where
        entry = entries.find(
            store, name=artifact.name, version=artifact.version, identity=artifact.identity, buckets=known
        )
        if entry is not None:
            if os.stat(entry.path).st_mode & 0o200:  # a killed run had published it, and not sealed it yet
                from pepip.store import ingest

                ingest.complete(store, entry)
            found[artifact.name] = entry
    return found


def acquire(
    store: Store,
    request: Request,
    artifacts: Sequence[Artifact],
    environment: Environment,
    *,
    private: Sequence[Artifact] = (),
    began_at_ns: int = 0,
    is_checked: bool = False,
    replacing: str = "",
) -> Generator[Progress, None, Acquired]:
    """Return the entries of all `artifacts`, after progress. What is missing is staged by one call of uv.

    `private` are artifacts that uv will install by itself: their indexes are wanted, too. What uv has unpacked since
    `began_at_ns`, or since now, it has just checked. With `is_checked` it has checked all hashes that the request
    demands. An artifact by whose entry the one at the path `replacing` is to be replaced counts as missing.
    Raises UvError or StoreError; entries published before stay.
    """
    have = {} if replacing else lookup(store, artifacts, environment)
    missing = [artifact for artifact in artifacts if artifact.name not in have]
    if not missing:
        return Acquired(have, indexes=resolve.indexes(request, private, environment) if private else None)
    if not store.is_writable():
        names = ", ".join(f"{artifact.name} {artifact.version}".strip() for artifact in missing[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise StoreError(
            f"the store {store.home} does not hold {names}{more}, and you may not add to it",
            hint="ask its owner to add them, or set PEPIP_HOME to a store of your own",
        )
    indexes = resolve.indexes(request, [*missing, *private], environment)
    return (
        yield from _add(
            store,
            request,
            missing,
            environment,
            have,
            indexes=indexes,
            began_at_ns=began_at_ns,
            is_checked=is_checked,
            replacing=replacing,
        )
    )


class _Batch(NamedTuple):
    """Artifacts to be staged by one call of uv. Those of one that `is_fresh` are fetched anew, past uv's cache."""

    artifacts: Sequence[Artifact]
    is_fresh: bool = False


def _add(
    store: Store,
    request: Request,
    missing: Sequence[Artifact],
    environment: Environment,
    have: dict[str, Entry],
    *,
    indexes: Indexes,
    began_at_ns: int,
    is_checked: bool,
    replacing: str,
) -> Generator[Progress, None, Acquired]:
    """Add entries of `missing` to the store, and return them with those that it had."""
    from pepip.store import ingest, staging
    from pepip.wheel.seen import Seen

    total = sum(artifact.size_bytes for artifact in missing)
    yield Progress("download", count(len(missing), "distribution"), 0, total)
    progress = _Stored(len(have), len(have) + len(missing))
    unshared: dict[str, str] = {}
    added = {}
    with staging.area(store) as area, staging.Writer(area) as writer:
        began_at_ns = (began_at_ns or time.time_ns()) - _LAG_NS
        run = _Run(store, request, environment, area, indexes, began_at_ns, is_checked, Seen(), writer)
        batches = [_Batch(missing)]
        while batches:
            batch = batches.pop()
            prepared, again = yield from _prepare(run, batch, progress, unshared, total=total)
            batches += again
            writer.settle()
            for shaped in prepared:
                entry = ingest.publish(store, shaped, replacing=replacing)
                added[entry.name] = entry
    return Acquired({**have, **added}, tuple(added), unshared, indexes)


class _Run(NamedTuple):
    """What all batches of one run have in common."""

    store: Store
    request: Request
    environment: Environment
    area: str
    indexes: Indexes
    began_at_ns: int
    is_checked: bool
    seen: Seen
    writer: Writer


class _Stored:
    """Counts entries as they are stored, for whoever watches."""

    def __init__(self, done: int, wanted: int) -> None:
        self._done, self._wanted = done, wanted

    def now(self) -> Progress:
        return Progress("store", "", self._done, self._wanted)

    def next(self, name: str) -> Progress:
        self._done += 1
        return Progress("store", name, self._done, self._wanted)


def _prepare(
    run: _Run, batch: _Batch, progress: _Stored, unshared: dict[str, str], *, total: int
) -> Generator[Progress, None, tuple[list[Prepared], list[_Batch]]]:
    """Stage a batch, and lay out what came of it. Returns that, and the batches that must be staged once more.

    What can't be an entry is noted in `unshared`, with the reason.
    """
    from pepip.host.transfer import Transfer
    from pepip.store import ingest, reading, staged

    prefix = f"{run.area}/{len(os.listdir(run.area))}"
    try:
        yield from _stage(run, batch, prefix, total=total)
    except UvError as error:
        # The index announces another hash than its file has: uv goes by the one that the request demands.
        is_announced_wrongly = run.is_checked and "Hash mismatch" in error.output
        if not is_announced_wrongly and not batch.is_fresh:
            raise
        if len(batch.artifacts) > 1:
            return [], [_Batch([artifact], batch.is_fresh) for artifact in batch.artifacts]
        # What can't be had again, offline for one, can't be proven: uv installs it from its cache all the same.
        reason = (
            "its file has another hash than its index says" if is_announced_wrongly else "it can't be fetched again"
        )
        unshared[batch.artifacts[0].name] = reason
        return [], []
    yield progress.now()
    run.writer.begin()
    by_name = {artifact.name: artifact for artifact in batch.artifacts}
    found = [item for item in staged.discover(prefix) if item.name in by_name]
    for name in by_name.keys() - {item.name for item in found}:
        unshared[name] = "uv's cache does not show its unpacked wheel"
    contested = staged.contested(found) if len(batch.artifacts) > 1 else set()
    again = [_Batch([by_name[name]], batch.is_fresh) for name in sorted(contested)]
    prepared: list[Prepared] = []
    transfer = Transfer(arguments.link_mode(run.request))
    trees = []
    for item in found:
        if item.name not in contested:
            with _unless_cleaned(by_name[item.name], batch, again):
                trees.append((item, staged.look(item.wheel)))
    with contextlib.closing(reading.in_order(trees, run.seen)) as in_order:
        for item, tree in in_order:
            artifact = by_name[item.name]
            with _unless_cleaned(artifact, batch, again):
                proof = ingest.prove(item, tree, run.seen)
                is_new = batch.is_fresh or _was_made_since(item.wheel, run.began_at_ns)
                # What lay in uv's cache before, somebody may have changed by one of its hard links. And uv takes rows
                # of files that a wheel does not hold out of RECORD: one that is missing went since.
                is_doubtful = (proof.differing and not is_new) or proof.absent
                if is_doubtful and not batch.is_fresh:
                    yield Progress("warning", _differs(item, proof) + ": fetching it again")
                    again.append(_Batch([artifact], is_fresh=True))
                    continue
                if not proof.is_as_listed:  # uv has just checked the hash of the wheel: that proves more than RECORD
                    yield Progress("warning", _differs(item, proof) + ", whose own hash is right: taken as it is")
                try:
                    prepared.append(_lay_out(run, item, tree, proof, artifact, prefix=prefix, transfer=transfer))
                except InvalidWheelError as error:
                    unshared[item.name] = error.message
                yield progress.next(item.name)
    return prepared, again


@contextlib.contextmanager
def _unless_cleaned(artifact: Artifact, batch: _Batch, again: list[_Batch]) -> Iterator[None]:
    """Note an artifact to be fetched into a cache of its own if its unpacked wheel goes: uv's cache was cleaned."""
    try:
        yield
    except FileNotFoundError:
        if batch.is_fresh:
            raise
        again.append(_Batch([artifact], is_fresh=True))


def _was_made_since(folder: str, began_at_ns: int) -> bool:
    """Tell whether uv gave a folder its place since then: not known where a file system stamps by whole seconds."""
    made_at_ns = os.stat(folder).st_ctime_ns
    return began_at_ns <= made_at_ns <= time.time_ns() and made_at_ns % 1_000_000_000 != 0


def _lay_out(
    run: _Run, item: Staged, tree: Tree, proof: Proof, artifact: Artifact, *, prefix: str, transfer: Any
) -> Prepared:
    from pepip.store import ingest, staged

    return ingest.prepare(
        run.store,
        item,
        tree,
        proof,
        artifact,
        launchers=staged.launchers(prefix, item),
        workshop=f"{prefix}.{item.name}",
        seen=run.seen,
        transfer=transfer,
    )


def _differs(item: Staged, proof: Proof) -> str:
    """Say how an unpacked wheel differs from its RECORD."""
    first = next(iter((*proof.differing, *proof.absent)))
    more = len(proof.differing) + len(proof.absent) - 1
    said = f"{first} and {count(more, 'more file')}" if more else first
    where = "differs from" if proof.differing else "is missing, though it is listed in"
    return f"{item.name} {item.version}: {said} {where} the RECORD of the wheel"


def _stage(run: _Run, batch: _Batch, prefix: str, *, total: int) -> Iterator[Progress]:
    """Let uv stage a batch into `prefix`."""
    from pepip.uv import lookahead, repetition, stage

    names = [artifact.name for artifact in batch.artifacts]
    sizes = {artifact.name: artifact.size_bytes for artifact in batch.artifacts}
    is_own = batch.is_fresh or arguments.wants_no_cache(run.request)
    cache = f"{prefix}.cache" if is_own else repetition.cache_folder(run.request.everywhere)
    packages = [artifact.package for artifact in run.indexes.named(batch.artifacts)]
    with lookahead.Lookahead(names, run.seen, cache=cache):
        for arrival in stage.stage(
            run.request,
            packages,
            run.environment.executable,
            prefix=prefix,
            indexes=run.indexes.urls,
            in_own_cache=batch.is_fresh,
        ):
            name = f"{arrival.name} (built)" if arrival.is_built else arrival.name
            yield Progress("download", name, sizes.get(arrival.name, 0), total)


def survey(store: Store, lay_out: Callable[[str], Iterator[object]], names: set[str], site_packages: str) -> set[str]:
    """Return the folders below site-packages in which what uv will install by itself, by `names`, has files.

    uv must never write into a folder that is a link to an entry. To know, `lay_out` lets uv install it into a folder,
    where it lies in `site_packages` (relative). Raises UvError if something can't be built, before anything was
    changed; uv keeps what it has built.
    """
    if not store.is_writable():
        return set()
    from pepip.store import staging

    with staging.area(store) as area:
        for _ in lay_out(f"{area}/private"):
            pass
        return _folders_of(f"{area}/private/{site_packages}", names)


def _folders_of(site_packages: str, names: set[str]) -> set[str]:
    """Return the folders in which distributions of these names have files, relative to the one that they lie in."""
    from pepip.wheel import record

    found: set[str] = set()
    for name in os.listdir(site_packages) if os.path.isdir(site_packages) else ():
        is_meant = paths.normalize_name(name.partition("-")[0]) in names and name.endswith(".dist-info")
        if is_meant and os.path.isfile(f"{site_packages}/{name}/RECORD"):
            for row in record.read(f"{site_packages}/{name}/RECORD"):
                if paths.is_inside(row.path):
                    found.update(paths.ancestors(row.path))
    return found


def check_demands(request: Request, environment: Environment) -> Iterator[Progress]:
    """Let uv check every hash that the request demands. Raises UvError with uv's message where one differs."""
    import tempfile

    from pepip.uv import stage

    with tempfile.TemporaryDirectory(prefix="pepip-") as folder:
        for arrival in stage.check(
            request,
            environment.executable,
            prefix=f"{folder}/checked",
            site_packages=environment.interpreter.site_packages,
        ):
            yield Progress("download", arrival.name)
