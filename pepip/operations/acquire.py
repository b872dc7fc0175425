"""Getting the entries for a set of artifacts: from the store, or staged by uv and published."""

from __future__ import annotations

import os

from pepip import paths
from pepip.errors import PepipError, StoreError, UvError
from pepip.model import Progress
from pepip.records import NamedTuple
from pepip.sizes import count
from pepip.store import entries
from pepip.wheel import tags as wheel_tags

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from pepip.model import Artifact, Entry, Request
    from pepip.store.home import Store


_SAID_OF_ANOTHER_INDEX = ("No solution found", "Hash mismatch")  # the index has no such version, or another file


class Acquired(NamedTuple):
    """Entries by distribution name, and the names of those that were not in the store before."""

    entries: dict[str, Entry]
    stored: tuple[str, ...]


def lookup(store: Store, artifacts: Sequence[Artifact], tags: Sequence[str]) -> dict[str, Entry]:
    """Return the entries that the store holds already, whole, by distribution name.

    What was built here may lie in any of the buckets that an interpreter with these supported `tags` may link.
    """
    where = []
    if not all(artifact.wheel for artifact in artifacts):
        where = wheel_tags.buckets_for(list(tags))
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
    executable: str,
    tags: Sequence[str],
    *,
    replacing: str = "",
) -> Generator[Progress, None, Acquired]:
    """Get the entries of all `artifacts`, yielding progress, and return them.

    What is missing is staged by one call of uv, and again one by one where wheels overwrite each other's files. An
    artifact by whose entry the one at the path `replacing` is to be replaced counts as missing.
    Raises UvError, RecordMismatchError, InvalidWheelError or StoreError; entries published before stay.
    """
    have = {} if replacing else lookup(store, artifacts, tags)
    missing = [artifact for artifact in artifacts if artifact.name not in have]
    if not missing:
        return Acquired(have, ())
    if not store.is_writable():
        names = ", ".join(f"{artifact.name} {artifact.version}".strip() for artifact in missing[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise StoreError(
            f"the store {store.home} does not hold {names}{more}, and you may not add to it",
            hint="ask its owner to add them, or set PEPIP_HOME to a store of your own",
        )
    yield from _add(store, request, missing, executable, have, replacing=replacing)
    return Acquired(have, tuple(artifact.name for artifact in missing))


def _add(
    store: Store,
    request: Request,
    missing: Sequence[Artifact],
    executable: str,
    have: dict[str, Entry],
    *,
    replacing: str,
) -> Generator[Progress, None, None]:
    """Add entries of `missing` to the store, and to `have`."""
    import contextlib
    import itertools

    from pepip.store import discovery, ingest, reading, staging
    from pepip.uv import lookahead
    from pepip.wheel.seen import Seen

    total = sum(artifact.size_bytes for artifact in missing)
    yield Progress("download", count(len(missing), "distribution"), 0, total)
    stored, wanted = len(have), len(have) + len(missing)
    with staging.area(store) as area, staging.Writer(area) as writer:
        prefixes = (f"{area}/{number}" for number in itertools.count(1))
        seen = Seen()
        batches = [missing]
        while batches:
            batch = batches.pop()
            with lookahead.Lookahead(request, [artifact.name for artifact in batch], seen, area=area):
                prefix, batch = yield from _stage(request, batch, executable, prefixes=prefixes, total=total)
                yield Progress("store", "", stored, wanted)
                writer.begin()
                tree = discovery.look(prefix, seen)
                staged = discovery.discover(tree)
            _check_complete(batch, {item.name for item in staged})
            contested = discovery.contested(staged, tree) if len(batch) > 1 else set()
            batches += [[artifact] for artifact in batch if artifact.name in contested]
            by_name = {artifact.name: artifact for artifact in batch}
            whole = discovery.folders_of_one(staged)
            ready = [item for item in staged if item.name not in contested]
            prepared = []
            with contextlib.closing(reading.in_order(tree, ready)) as in_order:
                for item in in_order:
                    artifact, alone = by_name[item.name], len(batch) == 1
                    prepared.append(
                        ingest.prepare(store, tree, item, artifact, python=executable, alone=alone, whole=whole)
                    )
                    stored += 1
                    yield Progress("store", item.name, stored, wanted)
            writer.settle()
            for shaped in prepared:
                entry = ingest.publish(store, shaped, replacing=replacing)
                have[entry.name] = entry


def _stage(
    request: Request, batch: Sequence[Artifact], executable: str, *, prefixes: Iterator[str], total: int
) -> Generator[Progress, None, tuple[str, Sequence[Artifact]]]:
    """Let uv stage a batch into one of the `prefixes`. Returns that, and the batch as it could be staged."""
    from pepip.uv import stage

    prefix = next(prefixes)
    sizes = {artifact.name: artifact.size_bytes for artifact in batch}
    try:
        for arrival in stage.stage(request, [item.requirement for item in batch], executable, prefix=prefix):
            name = f"{arrival.name} (built)" if arrival.is_built else arrival.name
            yield Progress("download", name, sizes.get(arrival.name, 0), total)
    except UvError as error:
        again = [item._replace(requirement=item.by_url or item.requirement) for item in batch]
        if not any(sentence in error.output for sentence in _SAID_OF_ANOTHER_INDEX) or again == batch:
            raise
        # A source or a lock named an index that a bare requirement does not search first: ask by URL.
        return (yield from _stage(request, again, executable, prefixes=prefixes, total=total))
    return prefix, batch


def survey(store: Store, request: Request, requirements: Sequence[str], executable: str) -> set[str]:
    """Return the folders below site-packages in which what uv will install by itself has files.

    `requirements` are built into a staging folder to know: uv must never write into a folder that is a link to an
    entry. Raises UvError if one can't be built, before anything was changed; uv keeps what it has built.
    """
    folders: set[str] = set()
    if not requirements or not store.is_writable():
        return folders
    from pepip.store import discovery, staging
    from pepip.uv import stage

    with staging.area(store) as area:
        private = f"{area}/private"
        for _ in stage.stage(request, requirements, executable, prefix=private):
            pass
        for item in discovery.discover(discovery.look(private)):
            base = item.dist_info.rpartition("/")[0] + "/"
            inside = (path.removeprefix(base) for path in item.files if path.startswith(base))
            folders.update(folder for path in inside for folder in paths.ancestors(path))
    return folders


def _check_complete(batch: Sequence[Artifact], staged: set[str]) -> None:
    absent = [artifact.name for artifact in batch if artifact.name not in staged]
    if absent:
        raise PepipError(f"uv staged no distribution named {', '.join(absent)}")
