"""Preparing staged wheels: each wheel that uv has unpacked is proved, and laid out as an entry in the staging area.

If there is much work, two processes share it. The second process takes only wheels whose files need not be read. If
such a wheel is not exactly as uv unpacked it, the second process leaves it to the first. The first process publishes
all entries.
"""

from __future__ import annotations

import contextlib
import functools
import os
import time

from pepip.errors import InvalidWheelError
from pepip.fast_namedtuple import NamedTuple
from pepip.host import filesystems, parallel
from pepip.host.transfer import Transfer
from pepip.humanized import count
from pepip.operations.reporting import Progress
from pepip.store import document as documents
from pepip.store import from_installed, hash_pool, proving, publish, staged
from pepip.store.proving import ProvenWheel
from pepip.uv import arguments
from pepip.wheel import content_identity
from pepip.wheel.digest_cache import DigestCache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence

    from pepip.model import Artifact, Entry, Environment
    from pepip.store.proving import Proof
    from pepip.store.publish import Prepared
    from pepip.store.root import Store
    from pepip.store.staged import StagedWheel, WheelTree
    from pepip.uv.archives import UnpackedWheels
    from pepip.uv.request import Request
    from pepip.uv.resolve import Indexes

_LARGE_RECORDS_BYTES = 100_000  # of about 1,100 files: a second process then saves more time than it takes


class Need(NamedTuple):
    """The `artifacts` to be stored for an environment. `indexes` are the indexes of their resolution.

    Wheels that uv unpacked since `began_at_ns` (0 for the time when storing begins) count as just checked. With
    `is_checked`, uv has checked all hashes that the request demands. `meanwhile` is called while uv fetches.
    """

    request: Request
    artifacts: Sequence[Artifact]
    environment: Environment
    indexes: Indexes
    began_at_ns: int
    is_checked: bool
    meanwhile: Callable[[], None]

    @property
    def download_bytes(self) -> int:
        """The size of all artifacts, as far as their index tells it."""
        return sum(artifact.size_bytes for artifact in self.artifacts)


class Batch:
    """Artifacts to be staged by one call of uv, by name. A batch that `is_fresh` is fetched anew, past uv's cache.

    `prefix` is the folder into which uv has staged the batch. `launchers` has the texts of launchers by file name,
    for each distribution. `prepared` are the batch's entries before they are published. `following` are the batches
    that must follow.
    """

    def __init__(self, artifacts: Iterable[Artifact], *, is_fresh: bool = False) -> None:
        self.artifacts = {artifact.name: artifact for artifact in artifacts}
        self.is_fresh = is_fresh
        self.prefix = ""
        self.launchers: dict[str, dict[str, str]] = {}
        self.prepared: list[Prepared] = []
        self.following: list[Batch] = []

    def proven(self, item: StagedWheel, tree: WheelTree, proof: Proof) -> ProvenWheel:
        """Return one of the batch's wheels together with its proof."""
        return ProvenWheel(item, tree, proof, self.artifacts[item.name], self.launchers[item.name])

    def fetch_anew(self, name: str) -> None:
        """Let a fresh batch with one of the artifacts follow."""
        self.following.append(Batch([self.artifacts[name]], is_fresh=True))

    @contextlib.contextmanager
    def refetching_if_cleaned(self, name: str) -> Iterator[None]:
        """Fetch an artifact anew if its unpacked wheel vanishes: somebody has cleaned uv's cache."""
        try:
            yield
        except FileNotFoundError:
            if self.is_fresh:
                raise
            self.fetch_anew(name)


class _Looked(NamedTuple):
    """The unpacked wheels of a batch, each with its files, and three sets of names of wheels.

    No file of an `untouched` wheel was written since uv moved the wheel into its cache. Nobody knows when uv moved an
    `undated` wheel there. uv has just compared the archive of a `checked` wheel with its hash.
    """

    trees: list[tuple[StagedWheel, WheelTree]]
    untouched: set[str]
    undated: set[str]
    checked: set[str]


class Preparer:
    """Prepares the batches of one run in the staging `area`.

    `added` are entries by distribution name, among them adopted ones that are equal to a wheel. `unshared` has the
    reasons why distributions can't be entries. `arrived` are the distributions whose download uv has reported. `seen`
    has the digests of files that were read, and `archives` the unpacked wheels of each cache that uv used.
    """

    def __init__(self, store: Store, need: Need, area: str, *, already: int) -> None:
        self.added: dict[str, Entry] = {}
        self.unshared: dict[str, str] = {}
        self.arrived: set[str] = set()
        self.seen = DigestCache()
        self.archives: dict[str, UnpackedWheels] = {}
        self._store, self._need, self._area = store, need, area
        self._transfer = Transfer(arguments.link_mode(need.request), keeps_times=not store.is_remote)
        self._number = 0
        self._python = ".".join(need.environment.interpreter.version.split(".")[:2])
        self._done, self._wanted = already, already + len(need.artifacts)

    def prepare(self, batch: Batch, provable: Collection[str]) -> Iterator[Progress]:
        """Prepare the wheels of a staged batch. Afterwards nobody needs its prefix, which may be gone.

        The files of `provable` distributions need not be read if uv has unpacked them since this run began.
        """
        self._number += 1
        found = [item for item in staged.discover(batch.prefix) if item.name in batch.artifacts]
        for name in batch.artifacts.keys() - {item.name for item in found}:
            self.unshared[name] = "uv's cache does not show its unpacked wheel"
        contested = staged.contested(found) if len(batch.artifacts) > 1 else set()
        batch.following += [Batch([batch.artifacts[name]], is_fresh=batch.is_fresh) for name in sorted(contested)]
        wheels = [item for item in found if item.name not in contested]
        batch.launchers = {item.name: staged.launchers(batch.prefix, item, self._python) for item in wheels}
        checkable = {item.name for item in wheels if item.name in provable and self._is_new(item.wheel)}
        yield from self._small_downloads(batch, wheels)
        os.mkdir(self._workshops)
        progress = Progress("store", "", self._done, self._wanted)
        here, there = self._shares(wheels, checkable)
        if there:
            os.mkdir(self._begun)
            yield progress._replace(is_before_fork=True)
        in_second = functools.partial(self._prepare_plain, batch, there) if there else None
        with parallel.second_process(in_second):
            yield progress
            yield from self._prepare_all(batch, self._look(batch, here, checkable))
        if there:
            rest = yield from self._take_over(batch, there)
            untouched = os.listdir(self._begun)
            filesystems.remove_tree(self._begun)
            yield from self._prepare_all(batch, self._look(batch, rest, checkable, untouched=untouched))

    def _small_downloads(self, batch: Batch, wheels: Iterable[StagedWheel]) -> Iterator[Progress]:
        """Report downloads that uv does not report, since they are small: the wheels that are new in uv's cache."""
        for item in wheels:
            artifact = batch.artifacts[item.name]
            size_bytes = 0 if artifact.local_path else artifact.size_bytes
            if size_bytes and item.name not in self.arrived:
                with contextlib.suppress(FileNotFoundError):
                    if _was_made_since(item.wheel, self._need.began_at_ns):
                        yield Progress("download", item.name, size_bytes, self._need.download_bytes)

    def _shares(
        self, wheels: Sequence[StagedWheel], checkable: Collection[str]
    ) -> tuple[Sequence[StagedWheel], Sequence[StagedWheel]]:
        """Return the wheels that this process prepares, and those for a second process, by the size of their RECORDs.

        The second process gets only wheels that need not be read, and less than half of the work: it also removes the
        prefix, which takes a fifth of the whole time.
        """
        sizes = {}
        if parallel.may_help() and not self._store.is_remote:
            with contextlib.suppress(FileNotFoundError):  # somebody has cleaned uv's cache
                sizes = {item.name: os.stat(f"{item.wheel}/{item.dist_info}/RECORD").st_size for item in wheels}
        if not sizes or sum(sizes.values()) < _LARGE_RECORDS_BYTES:
            return wheels, ()
        rest = sum(sizes.values()) * 2 // 5
        there = {}
        for item in sorted(wheels, key=lambda item: -sizes[item.name]):
            if item.name in checkable and sizes[item.name] <= rest:
                there[item.name] = item
                rest -= sizes[item.name]
        return [item for item in wheels if item.name not in there], [*there.values()]

    def _prepare_plain(self, batch: Batch, wheels: Sequence[StagedWheel]) -> None:
        """Prepare the wheels that are as uv unpacked them and as their RECORD says, and remove the batch's prefix.

        All other wheels are left for the first process. A new hard link to a file also sets the file's change time,
        so a wheel that was begun looks as if somebody had written into it. If this process fails, the wheel's folder
        in `_begun` tells the first process that its files were untouched before.
        """
        for item in wheels:
            with contextlib.suppress(InvalidWheelError, FileNotFoundError):
                tree = staged.list_files(item.wheel)
                if not self._is_untouched(tree, self._moved_at_ns(item.wheel)):
                    continue
                proof = proving.prove(item, tree, self.seen, is_checked=True)
                if proof.is_as_listed and not from_installed.may_have_equal(
                    self._store, item, batch.artifacts[item.name]
                ):
                    begun = f"{self._begun}/{item.name}"
                    self._lay_out(batch.proven(item, tree, proof), begun)
                    os.rename(begun, f"{self._workshops}/{item.name}")
        filesystems.remove_tree(batch.prefix)

    def _take_over(self, batch: Batch, wheels: Sequence[StagedWheel]) -> Generator[Progress, None, list[StagedWheel]]:
        """Take the wheels that a second process has prepared, even if it failed later, and return the others."""
        others = []
        for item in wheels:
            workshop = f"{self._workshops}/{item.name}"
            if os.path.isdir(workshop):
                batch.prepared.append(publish.Prepared(workshop, documents.read(workshop)))
                self._done += 1
                yield Progress("store", item.name, self._done, self._wanted)
            else:
                others.append(item)
        return others

    def _look(
        self,
        batch: Batch,
        wheels: Sequence[StagedWheel],
        checkable: Collection[str],
        *,
        untouched: Collection[str] = (),
    ) -> _Looked:
        """List the files of unpacked wheels, and judge the wheels by the times of these files.

        uv has just checked the archives of the distributions `checkable`. The wheels in `untouched` were untouched
        when a second process looked at them, before it linked their files.
        """
        looked = _Looked([], set(), set(), set())
        for item in wheels:
            with batch.refetching_if_cleaned(item.name):
                tree = staged.list_files(item.wheel)
                moved_at_ns = self._moved_at_ns(item.wheel)
                if not moved_at_ns and not any(known.noted_arrival(item.wheel) for known in self.archives.values()):
                    looked.undated.add(item.name)
                if item.name in untouched or self._is_untouched(tree, moved_at_ns):
                    looked.untouched.add(item.name)
                    if item.name in checkable:
                        looked.checked.add(item.name)
                looked.trees.append((item, tree))
        return looked

    def _prepare_all(self, batch: Batch, looked: _Looked) -> Iterator[Progress]:
        """Compare each wheel with its RECORD, and prepare its entry. A doubtful wheel follows in a fresh batch."""
        in_turn = not self._store.is_remote
        read = hash_pool.in_order(looked.trees, self.seen, without=looked.checked)
        with contextlib.closing(read) as in_order, parallel.Tasks(in_turn) as tasks:
            for item, tree in in_order:
                with batch.refetching_if_cleaned(item.name):
                    proof = proving.prove(item, tree, self.seen, is_checked=item.name in looked.checked)
                    is_recent = _was_made_since(item.wheel, self._need.began_at_ns)
                    is_uvs = is_recent and item.name in looked.untouched
                    # A wheel that was in uv's cache before may have been changed through a hard link. When uv unpacks
                    # a wheel, it removes rows without a file from RECORD. So a listed file that is absent was lost.
                    is_doubtful = (proof.differing and not is_uvs) or proof.absent
                    if is_doubtful and not batch.is_fresh:
                        if proof.absent or not (is_recent and item.name in looked.undated):  # RECORD may be wrong
                            yield Progress("warning", _difference_in_words(item, proof) + ": fetching it again")
                        batch.fetch_anew(item.name)
                        continue
                    if not proof.is_as_listed:  # uv has just checked the wheel's own hash, a better proof
                        yield Progress(
                            "warning",
                            _difference_in_words(item, proof) + ", but the hash of its archive is right: stored",
                        )
                    tasks.add(functools.partial(self._prepare, batch, batch.proven(item, tree, proof)))
                    self._done += 1
                    yield Progress("store", item.name, self._done, self._wanted)

    def _prepare(self, batch: Batch, wheel: ProvenWheel) -> None:
        """Prepare the entry of a wheel. If an adopted entry is equal to the wheel, that entry is taken instead.

        If the wheel can't be an entry, the reason is noted in `unshared`.
        """
        item, identity = wheel.staged, wheel.artifact.identity
        with batch.refetching_if_cleaned(item.name):
            replaces_adopted = content_identity.is_of_content(identity)
            if replaces_adopted and from_installed.content_of(wheel) != identity:
                self.unshared[item.name] = f"no index has the adopted files of {item.name} {item.version}"
                return
            try:
                equal = from_installed.equal_entry(self._store, wheel)
                if equal is not None:
                    self.added[equal.name] = equal
                    return
                shaped = self._lay_out(wheel, f"{self._workshops}/{item.name}")
            except InvalidWheelError as error:
                self.unshared[item.name] = error.message
            else:
                batch.prepared.append(shaped)

    def _lay_out(self, wheel: ProvenWheel, workshop: str) -> Prepared:
        return publish.prepare(self._store, wheel, workshop=workshop, digest_cache=self.seen, transfer=self._transfer)

    @property
    def _workshops(self) -> str:
        """The folder of the batch's entries that are prepared, or being prepared by this process."""
        return f"{self._area}/{self._number}.workshops"

    @property
    def _begun(self) -> str:
        """The folder of the batch's entries that a second process is preparing."""
        return f"{self._area}/{self._number}.begun"

    def _is_new(self, wheel: str) -> bool:
        """Tell whether uv has unpacked a wheel since this run called uv, and so has checked the archive's hash."""
        with contextlib.suppress(FileNotFoundError):  # somebody has cleaned uv's cache
            is_new = any(known.is_new(wheel) for known in self.archives.values())
            return is_new and _was_made_since(wheel, self._need.began_at_ns)
        return False

    def _moved_at_ns(self, wheel: str) -> int:
        """Return when uv moved an unpacked wheel into its cache, 0 if that can't be known."""
        return next((known.moved_at_ns(wheel) for known in self.archives.values() if known.holds(wheel)), 0)

    def _is_untouched(self, tree: WheelTree, moved_at_ns: int) -> bool:
        """Tell whether no file of an unpacked wheel was written since uv moved it into its cache.

        Forgets the digests of files that were written later: the writer may have set their modification times back.
        """
        later = [file.status for file in tree.files if file.status.st_ctime_ns > moved_at_ns]
        for status in later:
            self.seen.forget(status)
        return not later


def _was_made_since(folder: str, began_at_ns: int) -> bool:
    """Tell whether uv put a folder in its place since that time.

    False if the file system stamps in whole seconds: then nobody can tell.
    """
    made_at_ns = os.stat(folder).st_ctime_ns
    return began_at_ns <= made_at_ns <= time.time_ns() and made_at_ns % 1_000_000_000 != 0


def _difference_in_words(item: StagedWheel, proof: Proof) -> str:
    """Return in words how an unpacked wheel differs from its RECORD."""
    first = next(iter((*proof.differing, *proof.absent)))
    more = len(proof.differing) + len(proof.absent) - 1
    said = f"{first} and {count(more, 'more file')}" if more else first
    if proof.differing:
        where = "differ from" if more else "differs from"
    else:
        where = "are missing, though they are listed in" if more else "is missing, though it is listed in"
    return f"{item.name} {item.version}: {said} {where} the RECORD of the wheel"
