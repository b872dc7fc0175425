"""Storing the wheels that the store lacks: uv stages them, and each unpacked wheel becomes an entry.

Most runs have one batch. Another batch follows if two distributions have a script of the same name, if a wheel in
uv's cache was changed or removed, or if uv can't stage a batch as a whole.
"""

from __future__ import annotations

import contextlib
import os
import time

from pepip.errors import StoreError, UvError
from pepip.fast_namedtuple import NamedTuple
from pepip.host import filesystems
from pepip.humanized import count
from pepip.operations.preparing import Batch, Need, Preparer
from pepip.operations.reporting import Progress
from pepip.store import publish, staging, trash
from pepip.uv import archives, arguments, asked_interpreter, cacheable, readahead, stage
from pepip.wheel import content_identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterator

    from pepip.errors import PepipError
    from pepip.model import Artifact, Entry
    from pepip.store.publish import Prepared
    from pepip.store.root import Store

_LAG_NS = 10_000_000  # a kernel of 100 ticks a second may stamp a file this much earlier than the clock


class NewEntries(NamedTuple):
    """The stored entries, and the reasons why other distributions can't be shared, both by distribution name."""

    entries: dict[str, Entry]
    unshared: dict[str, str]


def store_missing(store: Store, need: Need, *, already: int, replacing: str) -> Generator[Progress, None, NewEntries]:
    """Store the artifacts of `need`, and return the new entries.

    `already` is the number of distributions that the store had, for progress. `replacing` is the path of an entry
    that is to be replaced. If the disk is full, the trash is emptied, and all is tried once more. Raises UvError or
    StoreError; entries that were published before the failure stay.
    """
    trash.make_room(store)
    try:
        return (yield from _store(store, need, already=already, replacing=replacing))
    except (StoreError, UvError) as error:
        if not _is_of_full_disk(store, error):
            raise
        if not trash.make_room(store, is_full=True):
            error.hint = error.hint or "`pepip reclaim` lists the space that can be freed"
            raise
    yield Progress("warning", "the disk was full: the trash is emptied, so the last prune can't be undone any more")
    return (yield from _store(store, need, already=already, replacing=replacing))


def _is_of_full_disk(store: Store, error: PepipError) -> bool:
    """Tell whether an error means that the store's disk is full. uv may have filled the disk of its cache instead."""
    cause = error.__cause__
    is_full = isinstance(cause, OSError) and cause.errno in filesystems.FULL
    return is_full or (isinstance(error, UvError) and "No space left" in error.output and not trash.has_room(store))


def _store(store: Store, need: Need, *, already: int, replacing: str) -> Generator[Progress, None, NewEntries]:
    with staging.area(store) as area, staging.prefixes(area) as prefixes, staging.Writer(area) as writer:
        began_at_ns = (need.began_at_ns or time.time_ns()) - _LAG_NS
        need = need._replace(began_at_ns=began_at_ns)
        run = _Run(store, need, area, prefixes=prefixes, writer=writer, already=already)
        batches = [Batch(need.artifacts)]
        while batches:
            batches += yield from run.store(batches.pop(), replacing=replacing)
    return run.new_entries


class _NotStagedError(Exception):
    """A batch can't be staged, but uv may still install its artifacts by itself."""


class _Run:
    """One run, of one batch or several. uv stages in the folder `prefixes`. Everything else goes to `area`."""

    def __init__(
        self, store: Store, need: Need, area: str, *, prefixes: str, writer: staging.Writer, already: int
    ) -> None:
        self._store, self._need, self._writer = store, need, writer
        self._area, self._prefixes = area, prefixes
        self._preparer = Preparer(store, need, area, already=already)
        self._number = 0

    @property
    def new_entries(self) -> NewEntries:
        """The entries that this run has stored so far, and its reasons against others."""
        return NewEntries(self._preparer.added, self._preparer.unshared)

    def store(self, batch: Batch, *, replacing: str) -> Generator[Progress, None, list[Batch]]:
        """Store a batch. Return the batches that must follow it."""
        settling = batch.is_fresh or bool(replacing)  # a doubt about the bytes is settled by reading them
        provable = [] if settling else [name for name, item in batch.artifacts.items() if _has_hash(item)]
        try:
            batch.prefix = yield from self._stage(batch, provable)
        except _NotStagedError as error:
            return self._one_by_one(batch, str(error))
        self._writer.begin()
        yield from self._preparer.prepare(batch, provable)
        self._writer.begin()
        filesystems.remove_tree(batch.prefix)  # while the disk is busy
        self._writer.settle()

        def appear(shaped: Prepared) -> None:
            entry = publish.publish(self._store, shaped, replacing=replacing)
            self._preparer.added[entry.name] = entry

        self._store.each(appear, batch.prepared)
        return batch.following

    def _one_by_one(self, batch: Batch, reason: str) -> list[Batch]:
        """Return one batch for each artifact of a batch that can't be staged. A single artifact is left to uv."""
        if len(batch.artifacts) > 1:
            return [Batch([artifact], is_fresh=batch.is_fresh) for artifact in batch.artifacts.values()]
        self._preparer.unshared[next(iter(batch.artifacts))] = reason
        return []

    def _stage(self, batch: Batch, provable: Collection[str]) -> Generator[Progress, None, str]:
        """Let uv stage a batch, and return the prefix. Raises UvError, or _NotStagedError.

        The files of `provable` distributions need not be read if uv unpacks them now.
        """
        self._number += 1
        prefix = f"{self._prefixes}/{self._number}"
        try:
            yield from self._stage_into(prefix, batch, provable)
        except UvError as error:
            if "No space left" in error.output and not prefix.startswith(self._area):
                self._number += 1
                prefix = f"{self._area}/{self._number}"  # the folder in memory was full: the disk may have room
                yield from self._stage_into(prefix, batch, provable)
            elif self._need.is_checked and "Hash mismatch" in error.output:
                # The file has the hash that the request demands, and uv goes by the request.
                raise _NotStagedError("its file has another hash than its index says") from error
            elif batch.is_fresh:  # offline, for example: uv installs from its cache without this proof
                raise _NotStagedError("it can't be fetched again") from error
            else:
                raise
        return prefix

    def _stage_into(self, prefix: str, batch: Batch, provable: Collection[str]) -> Iterator[Progress]:
        os.mkdir(prefix)
        request = self._need.request
        place = f"{self._area}/{self._number}"
        own_cache = f"{place}.cache" if batch.is_fresh or arguments.wants_no_cache(request) else ""
        cache = own_cache or cacheable.cache_folder(request.common_options)
        sizes = {artifact.name: artifact.size_bytes for artifact in batch.artifacts.values()}
        remote = [artifact for artifact in self._need.artifacts if not artifact.local_path]
        phase = "download" if remote else "store"
        known, seen = self._preparer.archives, self._preparer.seen
        if cache not in known:
            known[cache] = archives.UnpackedWheels(cache)
        unproven = sizes.keys() - provable
        reading = readahead.Readahead(unproven, seen, cache=cache) if unproven else contextlib.nullcontext()
        with known[cache].watched(), reading:
            for arrival in stage.stage(
                request,
                [artifact.package for artifact in self._need.indexes.named([*batch.artifacts.values()])],
                asked_interpreter.for_facts(request, self._need.environment),
                prefix=prefix,
                lock=f"{self._area}/pylock.{self._number}.toml",
                indexes=self._need.indexes.urls,
                own_cache=own_cache,
            ):
                if not arrival.name:
                    if self._number == 1:
                        wanted = count(len(remote or self._need.artifacts), "distribution")
                        yield Progress(phase, wanted, 0, self._need.download_bytes)
                    self._need.meanwhile()
                    continue
                self._preparer.arrived.add(arrival.name)
                name = f"{arrival.name} (built)" if arrival.is_built else arrival.name
                yield Progress(phase, name, sizes.get(arrival.name, 0), self._need.download_bytes)


def _has_hash(artifact: Artifact) -> bool:
    """Tell whether uv compares the wheel of an artifact with a hash. A wheel that uv builds itself has none."""
    return bool(artifact.wheel and artifact.identity) and not content_identity.is_of_content(artifact.identity)
