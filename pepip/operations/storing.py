"""Storing missing distributions: uv stages them, and each unpacked wheel becomes an entry.

Most runs have one batch. Another batch follows if two distributions have a script of the same name, if a wheel in
uv's cache was changed or removed, or if uv can't stage a batch as a whole.
"""

from __future__ import annotations

import contextlib
import functools
import os
import time

from pepip.errors import InvalidWheelError, StoreError, UvError
from pepip.fast_namedtuple import NamedTuple
from pepip.host import filesystems, parallel
from pepip.host.transfer import Transfer
from pepip.humanized import count
from pepip.model import Progress
from pepip.store import from_installed, hash_pool, proving, publish, staged, staging, trash
from pepip.uv import archives, arguments, cacheable, readahead, stage
from pepip.wheel import content_identity
from pepip.wheel.digest_cache import DigestCache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable, Iterator, Sequence

    from pepip.errors import PepipError
    from pepip.model import Artifact, Entry, Environment, Request
    from pepip.store.proving import Proof
    from pepip.store.publish import Prepared
    from pepip.store.root import Store
    from pepip.store.staged import StagedWheel, WheelTree
    from pepip.uv.resolve import Indexes

_LAG_NS = 10_000_000  # a kernel of 100 ticks a second may stamp a file this much earlier than the clock


class Need(NamedTuple):
    """The `artifacts` to be stored, for an environment, from the indexes of their resolution.

    Wheels that uv unpacked since `began_at_ns` (0 means now) count as just checked. With `is_checked`, uv has
    checked all hashes that the request demands.
    """

    request: Request
    artifacts: Sequence[Artifact]
    environment: Environment
    indexes: Indexes
    began_at_ns: int
    is_checked: bool


class NewEntries(NamedTuple):
    """The stored entries by distribution name, and by name the reasons why others can't be entries."""

    entries: dict[str, Entry]
    unshared: dict[str, str]


def store(store: Store, need: Need, *, already: int, replacing: str) -> Generator[Progress, None, NewEntries]:
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
    """Tell whether an error may be of the store's disk. uv may have filled the disk of its cache instead."""
    cause = error.__cause__
    is_full = isinstance(cause, OSError) and cause.errno in filesystems.FULL
    return is_full or (isinstance(error, UvError) and "No space left" in error.output and not trash.has_room(store))


def _store(store: Store, need: Need, *, already: int, replacing: str) -> Generator[Progress, None, NewEntries]:
    yield Progress("download", count(len(need.artifacts), "distribution"), 0, _download_bytes(need))
    with staging.area(store) as area, staging.prefixes(area) as prefixes, staging.Writer(area) as writer:
        began_at_ns = (need.began_at_ns or time.time_ns()) - _LAG_NS
        need = need._replace(began_at_ns=began_at_ns)
        run = _Run(store, need, area, prefixes=prefixes, writer=writer, already=already)
        batches = [_Batch(need.artifacts)]
        while batches:
            batches += yield from run.store(batches.pop(), replacing=replacing)
    return NewEntries(run.added, run.unshared)


def _download_bytes(need: Need) -> int:
    return sum(artifact.size_bytes for artifact in need.artifacts)


class _Batch:
    """Artifacts to be staged by one call of uv, by name. A batch that `is_fresh` is fetched anew, past uv's cache.

    `prefix` is the folder into which uv has staged it. `prepared` are its entries before they are published, and
    `following` the batches that must follow it.
    """

    def __init__(self, artifacts: Iterable[Artifact], *, is_fresh: bool = False) -> None:
        self.artifacts = {artifact.name: artifact for artifact in artifacts}
        self.is_fresh = is_fresh
        self.prefix = ""
        self.prepared: list[Prepared] = []
        self.following: list[_Batch] = []

    def fetch_anew(self, name: str) -> None:
        """Let a fresh batch with one of the artifacts follow."""
        self.following.append(_Batch([self.artifacts[name]], is_fresh=True))

    @contextlib.contextmanager
    def unless_cleaned(self, name: str) -> Iterator[None]:
        """Fetch an artifact anew if its unpacked wheel vanishes: somebody has cleaned uv's cache."""
        try:
            yield
        except FileNotFoundError:
            if self.is_fresh:
                raise
            self.fetch_anew(name)


class _Looked(NamedTuple):
    """The unpacked wheels of a batch with their files, and three sets of their names.

    No file of an `untouched` wheel was written since uv moved the wheel into its cache. Nobody knows when uv moved an
    `undated` wheel there. uv has just compared the archive of a `checked` wheel with its hash.
    """

    trees: list[tuple[StagedWheel, WheelTree]]
    untouched: set[str]
    undated: set[str]
    checked: set[str]


class _NotStagedError(Exception):
    """A batch can't be staged, but uv may still install its artifacts by itself."""


class _Run:
    """One run, of one batch or several. uv stages in the folder `prefixes`. Everything else goes to `area`."""

    def __init__(
        self, store: Store, need: Need, area: str, *, prefixes: str, writer: staging.Writer, already: int
    ) -> None:
        self.added: dict[str, Entry] = {}
        self.unshared: dict[str, str] = {}
        self._store, self._need, self._writer = store, need, writer
        self._area, self._prefixes = area, prefixes
        self._seen = DigestCache()
        self._archives: dict[str, archives.Archives] = {}
        self._transfer = Transfer(arguments.link_mode(need.request), keeps_times=not store.is_remote)
        self._number = 0
        self._arrived: set[str] = set()
        self._python = ".".join(need.environment.interpreter.version.split(".")[:2])
        self._done, self._wanted = already, already + len(need.artifacts)

    def store(self, batch: _Batch, *, replacing: str) -> Generator[Progress, None, list[_Batch]]:
        """Store a batch. Return the batches that must follow it."""
        settling = batch.is_fresh or bool(replacing)  # a doubt about the bytes is settled by reading them
        provable = [] if settling else [name for name, item in batch.artifacts.items() if _has_hash(item)]
        try:
            batch.prefix = yield from self._stage(batch, provable)
        except _NotStagedError as error:
            return self._one_by_one(batch, str(error))
        looked = self._look(batch, provable)
        yield from self._small_downloads(batch, looked)
        yield Progress("store", "", self._done, self._wanted)
        self._writer.begin()
        yield from self._prepare_all(batch, looked)
        self._writer.settle()

        def appear(shaped: Prepared) -> None:
            entry = publish.publish(self._store, shaped, replacing=replacing)
            self.added[entry.name] = entry

        self._store.each(appear, batch.prepared)
        return batch.following

    def _small_downloads(self, batch: _Batch, looked: _Looked) -> Iterator[Progress]:
        """Report the small downloads, of which uv does not tell: the wheels that are new in its cache."""
        for item, _ in looked.trees:
            size_bytes = batch.artifacts[item.name].size_bytes
            if size_bytes and item.name not in self._arrived:
                with contextlib.suppress(FileNotFoundError):
                    if _was_made_since(item.wheel, self._need.began_at_ns):
                        yield Progress("download", item.name, size_bytes, _download_bytes(self._need))

    def _one_by_one(self, batch: _Batch, reason: str) -> list[_Batch]:
        """Return one batch for each artifact of a batch that can't be staged. A single artifact is left to uv."""
        if len(batch.artifacts) > 1:
            return [_Batch([artifact], is_fresh=batch.is_fresh) for artifact in batch.artifacts.values()]
        self.unshared[next(iter(batch.artifacts))] = reason
        return []

    def _look(self, batch: _Batch, provable: Collection[str]) -> _Looked:
        """List the files of the unpacked wheels of a batch, and judge the wheels by the times of these files.

        Wheels that must not be staged together get batches of their own.
        """
        found = [item for item in staged.discover(batch.prefix) if item.name in batch.artifacts]
        for name in batch.artifacts.keys() - {item.name for item in found}:
            self.unshared[name] = "uv's cache does not show its unpacked wheel"
        contested = staged.contested(found) if len(batch.artifacts) > 1 else set()
        batch.following += [_Batch([batch.artifacts[name]], is_fresh=batch.is_fresh) for name in sorted(contested)]
        looked = _Looked([], set(), set(), set())
        for item in found:
            if item.name not in contested:
                with batch.unless_cleaned(item.name):
                    tree = staged.look(item.wheel)
                    moved_at_ns = self._moved_at_ns(item.wheel)
                    if not moved_at_ns and not any(known.saw(item.wheel) for known in self._archives.values()):
                        looked.undated.add(item.name)
                    if self._is_untouched(tree, moved_at_ns):
                        looked.untouched.add(item.name)
                        if item.name in provable and self._is_new(item.wheel):
                            looked.checked.add(item.name)
                    looked.trees.append((item, tree))
        return looked

    def _prepare_all(self, batch: _Batch, looked: _Looked) -> Iterator[Progress]:
        """Compare each wheel with its RECORD, and prepare its entry. A doubtful wheel follows in a fresh batch."""
        in_turn = not self._store.is_remote
        read = hash_pool.in_order(looked.trees, self._seen, without=looked.checked)
        with contextlib.closing(read) as in_order, parallel.Tasks(in_turn) as tasks:
            for item, tree in in_order:
                with batch.unless_cleaned(item.name):
                    proof = proving.prove(item, tree, self._seen, is_checked=item.name in looked.checked)
                    is_recent = _was_made_since(item.wheel, self._need.began_at_ns)
                    is_uvs = is_recent and item.name in looked.untouched
                    # A wheel that was in uv's cache before may have been changed through a hard link. uv removes the
                    # rows of files that a wheel lacks from RECORD, so if a listed file is absent, it was lost since.
                    is_doubtful = (proof.differing and not is_uvs) or proof.absent
                    if is_doubtful and not batch.is_fresh:
                        if proof.absent or not (is_recent and item.name in looked.undated):  # RECORD may be wrong
                            yield Progress("warning", _differs(item, proof) + ": fetching it again")
                        batch.fetch_anew(item.name)
                        continue
                    if not proof.is_as_listed:  # uv has just checked the wheel's own hash, a better proof
                        yield Progress("warning", _differs(item, proof) + ", whose own hash is right: taken as it is")
                    tasks.add(functools.partial(self._prepare, batch, item, tree, proof))
                    self._done += 1
                    yield Progress("store", item.name, self._done, self._wanted)

    def _prepare(self, batch: _Batch, item: StagedWheel, tree: WheelTree, proof: Proof) -> None:
        """Prepare the entry of a wheel. If an adopted entry is equal to the wheel, that entry is taken instead.

        If the wheel can't be an entry, the reason is noted in `unshared`.
        """
        artifact = batch.artifacts[item.name]
        with batch.unless_cleaned(item.name):
            launchers = staged.launchers(batch.prefix, item, self._python)
            replaces_adopted = content_identity.is_of_content(artifact.identity)
            if replaces_adopted and from_installed.content_of(item, tree, proof) != artifact.identity:
                self.unshared[item.name] = f"no index has the files of {item.name} {item.version} that were adopted"
                return
            try:
                equal = from_installed.equal_entry(self._store, item, tree, proof, artifact, launchers=launchers)
                if equal is not None:
                    self.added[equal.name] = equal
                    return
                shaped = publish.prepare(
                    self._store,
                    item,
                    tree,
                    proof,
                    artifact,
                    launchers=launchers,
                    workshop=f"{self._area}/{self._number}.{item.name}",
                    digest_cache=self._seen,
                    transfer=self._transfer,
                )
            except InvalidWheelError as error:
                self.unshared[item.name] = error.message
            else:
                batch.prepared.append(shaped)

    def _is_new(self, wheel: str) -> bool:
        """Tell whether uv has unpacked a wheel since this run called it. It has then checked the archive's hash."""
        is_new = any(known.is_new(wheel) for known in self._archives.values())
        return is_new and _was_made_since(wheel, self._need.began_at_ns)

    def _moved_at_ns(self, wheel: str) -> int:
        """Return when uv moved an unpacked wheel into its cache, 0 if that can't be known."""
        return next((known.moved_at_ns(wheel) for known in self._archives.values() if known.holds(wheel)), 0)

    def _is_untouched(self, tree: WheelTree, moved_at_ns: int) -> bool:
        """Tell whether no file of an unpacked wheel was written since uv moved it into its cache.

        Forgets the digests of the other files: a writer may have set their times back.
        """
        later = [file.status for file in tree.files if file.status.st_ctime_ns > moved_at_ns]
        for status in later:
            self._seen.forget(status)
        return not later

    def _stage(self, batch: _Batch, provable: Collection[str]) -> Generator[Progress, None, str]:
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

    def _stage_into(self, prefix: str, batch: _Batch, provable: Collection[str]) -> Iterator[Progress]:
        os.mkdir(prefix)
        request = self._need.request
        place = f"{self._area}/{self._number}"
        own_cache = f"{place}.cache" if batch.is_fresh or arguments.wants_no_cache(request) else ""
        cache = own_cache or cacheable.cache_folder(request.common_options)
        sizes = {artifact.name: artifact.size_bytes for artifact in batch.artifacts.values()}
        if cache not in self._archives:
            self._archives[cache] = archives.Archives(cache)
        unproven = sizes.keys() - provable
        reading = readahead.Readahead(unproven, self._seen, cache=cache) if unproven else contextlib.nullcontext()
        with self._archives[cache].watched(), reading:
            for arrival in stage.stage(
                request,
                [artifact.package for artifact in self._need.indexes.named([*batch.artifacts.values()])],
                self._need.environment.executable,
                prefix=prefix,
                lock=f"{self._area}/pylock.{self._number}.toml",
                indexes=self._need.indexes.urls,
                own_cache=own_cache,
            ):
                self._arrived.add(arrival.name)
                name = f"{arrival.name} (built)" if arrival.is_built else arrival.name
                yield Progress("download", name, sizes.get(arrival.name, 0), _download_bytes(self._need))


def _has_hash(artifact: Artifact) -> bool:
    """Tell whether uv compares the wheel of an artifact with a hash. A wheel that uv builds itself has none."""
    return bool(artifact.wheel and artifact.identity) and not content_identity.is_of_content(artifact.identity)


def _was_made_since(folder: str, began_at_ns: int) -> bool:
    """Tell whether uv put a folder in its place since that time.

    False if the file system stamps in whole seconds: then nobody can tell.
    """
    made_at_ns = os.stat(folder).st_ctime_ns
    return began_at_ns <= made_at_ns <= time.time_ns() and made_at_ns % 1_000_000_000 != 0


def _differs(item: StagedWheel, proof: Proof) -> str:
    """Return in words how an unpacked wheel differs from its RECORD."""
    first = next(iter((*proof.differing, *proof.absent)))
    more = len(proof.differing) + len(proof.absent) - 1
    said = f"{first} and {count(more, 'more file')}" if more else first
    if proof.differing:
        where = "differ from" if more else "differs from"
    else:
        where = "are missing, though they are listed in" if more else "is missing, though it is listed in"
    return f"{item.name} {item.version}: {said} {where} the RECORD of the wheel"
