"""Adopting the environments of a preview: each by itself, under its lock, distribution by distribution.

The steps are: read and hash, make missing entries from the files that are there, check again under the lock, link. A
distribution that differs from its RECORD stays as it is. If one environment fails, the others are still adopted.
"""

from __future__ import annotations

import contextlib
import os
import time

from pepip.environment import adopt_links, as_wheel, contents, reasons
from pepip.environment.as_wheel import OwnFilesError
from pepip.errors import InvalidWheelError, PepipError, VenvError
from pepip.fast_namedtuple import NamedTuple
from pepip.host import disk_usage, exchange, filesystems, folder_use, overlays, reflinks, running_processes
from pepip.host.transfer import LINK, Transfer
from pepip.operations import recover, registering, venvs
from pepip.operations.adoption.freed_space import Freed
from pepip.operations.adoption.preview import EVERYTHING
from pepip.operations.linked_entries import entry_of
from pepip.operations.reporting import Progress
from pepip.store import entries, from_installed, publish, staging
from pepip.uv.request import Request
from pepip.wheel.digest_cache import DigestCache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from pepip.environment.as_wheel import AsWheel
    from pepip.model import Entry, Environment, Installed
    from pepip.operations.adoption.preview import AdoptionPreview, FoundVenv, Selection
    from pepip.store.root import Store

_MOST_ATTEMPTS = 5  # another tool may change the environment while it is read
_START_SECONDS = 0.05  # no installer written in Python reads RECORD sooner after its start


class Kept(NamedTuple):
    """A distribution that keeps its real files, and the reason. `changed` are the files that differ from RECORD."""

    name: str
    version: str
    reason: str
    changed: tuple[str, ...]


class Adopted(NamedTuple):
    """The result for one environment. `failure` says why it was not adopted, or only in part; empty if it was."""

    environment: str
    linked: tuple[tuple[str, str], ...]
    kept: tuple[Kept, ...]
    freed: Freed
    failure: str = ""


def adopt(
    store: Store, seen: AdoptionPreview, choice: Selection = EVERYTHING
) -> Generator[Progress, None, list[Adopted]]:
    """Adopt the environments of a preview, yielding progress by bytes, and return the result of each.

    The entries are made first, each from the copy that the preview chose. Raises PepipError if the store can't be
    written. After a killed run, each distribution is either linked or as it was before.
    """
    store.create()
    staging.remove_abandoned(store)
    wanted = [item for item in seen.venvs if not item.reason]
    total = sum(copy.size_bytes for item in wanted for copy in item.survey.copies if not copy.reason)
    run = _Run(store, choice, total)
    for number, names in sorted(seen.freed_space.sources.items()):
        yield from run.make(seen.venvs[number].environment, names)
    found: list[Adopted] = []
    for item in wanted:
        found += [(yield from run.adopt(item))]
    return found


class _Run:
    """One run over several environments. It keeps the digests of files, and the entry of each content."""

    def __init__(self, store: Store, choice: Selection, total: int) -> None:
        self._store, self._choice, self._total = store, choice, total
        self._seen = DigestCache()
        self._transfer = Transfer(LINK)
        self._entries: dict[str, Entry | None] = {}
        self._made: dict[str, list[tuple[AsWheel, Entry]]] = {}
        self._done = 0
        self._cost = Freed()

    def make(self, root: str, names: set[str]) -> Iterator[Progress]:
        """Make the entries of some distributions of an environment. Errors are ignored: `adopt` reports them."""
        with contextlib.suppress(PepipError, OSError), folder_use.in_use(root):
            environment = self._open(root)
            present = contents.installed(environment, self._store.known_roots)
            wheels = yield from self._read(environment, [item for item in present if item.name in names], {})
            self._cost += self._make_entries(environment, wheels, {})

    def adopt(self, item: FoundVenv) -> Generator[Progress, None, Adopted]:
        """Adopt one environment. A PepipError or OSError is reported in the result, and not raised."""
        root = item.environment
        linked: list[tuple[str, str]] = []
        kept: dict[str, Kept] = {}
        freed, self._cost = self._cost, Freed()
        failure = ""
        try:
            with folder_use.in_use(root):
                _InstallerWatch(root).check()
                environment = self._open(root)
                if item.processes and not exchange.is_atomic(root):
                    raise VenvError("it is in use, and its file system can't exchange files in one step")
                for _ in range(_MOST_ATTEMPTS):
                    kept.clear()
                    result = yield from self._attempt(environment, linked, kept)
                    freed += result.freed
                    if result.is_complete:
                        break
                else:
                    failure = "another tool keeps changing it"
        except PepipError as error:
            failure = error.message
        except OSError as error:
            failure = f"{error.strerror or error}: {error.filename2 or error.filename or root}"
        self._separate(root)
        self._done += sum(copy.size_bytes for copy in item.survey.copies if not copy.reason)
        freed = freed.with_inodes(filesystems.inode_bytes(root))
        return Adopted(root, tuple(linked), tuple(kept.values()), freed, failure)

    def _separate(self, root: str) -> None:
        """Make sure that an environment shares no file with entries that were made from it, unless it links them.

        A change to such a file would otherwise change the store, too.
        """
        made = self._made.pop(root, ())
        linked = set()
        with contextlib.suppress(OSError, PepipError):  # another run may have linked them
            present = contents.installed(venvs.open_environment(root, self._store), self._store.known_roots)
            linked = {item.store_id for item in present}
        for wheel, entry in made:
            if entry.id not in linked:
                with contextlib.suppress(OSError, PepipError):
                    from_installed.separate(self._store, entry, {state[0] for state in wheel.states.values()})
                    recover.replace_outdated_hard_links(self._store, [entry])

    def _open(self, root: str) -> Environment:
        """Return the environment, after recovery from a killed run or from lost entries."""
        environment = venvs.open_environment(root, self._store)
        venvs.check_writable(environment)
        if recover.is_needed(self._store, environment):
            for _ in recover.recover(self._store, environment, Request()):
                pass
        return environment

    def _attempt(
        self, environment: Environment, linked: list[tuple[str, str]], kept: dict[str, Kept]
    ) -> Generator[Progress, None, _Result]:
        """Read an environment, and link each distribution that may be linked. Adds to `linked` and `kept`.

        The result is not complete if the environment or the store has changed meanwhile.
        """
        before = contents.fingerprint(environment)
        present = contents.installed(environment, self._store.known_roots)
        chosen = [item for item in present if not item.store_id and self._choice.takes(item.name)]
        wheels = yield from self._read(environment, chosen, kept)
        freed = self._make_entries(environment, wheels, kept)
        coming = {wheel.name: (wheel, entry) for wheel in wheels if (entry := self._entries.get(wheel.identity))}
        if not coming:
            return _Result(freed, is_complete=contents.fingerprint(environment) == before)
        with venvs.locked(self._store, environment.root):
            if contents.fingerprint(environment) != before:
                return _Result(freed, is_complete=False)
            for wheel, entry in coming.values():
                if not os.path.isdir(entry.path):  # pruned meanwhile
                    self._entries.pop(wheel.identity, None)
                    return _Result(freed, is_complete=False)
            yield Progress("adopt", environment.root, self._done, self._total)
            freed += self._link(environment, present, coming, linked, kept)
        return _Result(freed, is_complete=True)

    def _read(
        self, environment: Environment, chosen: list[Installed], kept: dict[str, Kept]
    ) -> Generator[Progress, None, list[AsWheel]]:
        """Read every byte of distributions. Return those that match their RECORD, and add the others to `kept`."""
        names = [item.name for item in chosen]
        infos = {item.name: f"{environment.site_packages}/{item.dist_info}" for item in chosen}
        lower = overlays.in_lower_layer(infos.values(), scratch=environment.root)
        wheels = []
        for item in chosen:
            yield Progress("adopt", f"{item.name} in {environment.root}", self._done, self._total)
            try:
                if names.count(item.name) > 1:
                    raise OwnFilesError(reasons.TWICE)
                if infos[item.name] in lower:
                    raise OwnFilesError(reasons.LOWER_LAYER)
                _refuse_own(environment, item)
                wheels.append(as_wheel.read(environment, item, self._seen))
            except OwnFilesError as error:
                kept[item.name] = Kept(item.name, item.version, error.reason, error.changed)
        return wheels

    def _link(
        self,
        environment: Environment,
        present: list[Installed],
        coming: dict[str, tuple[AsWheel, Entry]],
        linked: list[tuple[str, str]],
        kept: dict[str, Kept],
    ) -> Freed:
        """Link the distributions in `coming`, and return the freed space. The caller holds the locks."""
        here = {item.store_id for item in present if item.store_id}
        registering.register(self._store, environment.root, here | {entry.id for _, entry in coming.values()})
        present_entries = [entry for item in present if (entry := entry_of(self._store, item)) is not None]
        staying = [item for item in present if not item.entry_id and item.name not in coming]
        plan = adopt_links.plan(environment, present_entries, coming, staying)
        freed = Freed()
        may_clone = reflinks.may_clone(filesystems.mount_point(environment.root))
        watch = _InstallerWatch(environment.root)
        for wheel, entry in coming.values():
            watch.check()
            try:
                freed += Freed(*adopt_links.link(environment, wheel, entry, plan, may_clone=may_clone))
            except OwnFilesError as error:
                kept[wheel.name] = Kept(wheel.name, wheel.version, error.reason, error.changed)
                continue
            linked.append((wheel.name, wheel.version))
            entries.note_linked(self._store, entry)
        return freed

    def _make_entries(self, environment: Environment, wheels: list[AsWheel], kept: dict[str, Kept]) -> Freed:
        """Find or make the entries of these wheels. Return the cost of new entries as a negative `Freed`.

        Files with hard links elsewhere cost nothing. A wheel that can't be an entry is added to `kept`.
        """
        missing = []
        for wheel in wheels:
            content = wheel.identity
            if not self._entries.get(content):
                self._entries[content] = from_installed.find(self._store, name=wheel.name, content=content)
            if not self._entries[content]:
                missing.append(wheel)
        if not missing:
            return Freed()
        cost = Freed()
        with staging.area(self._store) as area:
            prepared = []
            for number, wheel in enumerate(missing):
                with _kept_if_unfit(wheel, kept):
                    prepared.append((wheel, self._prepare(environment, wheel, f"{area}/{number}")))
            filesystems.flush(area)
            for wheel, shaped in prepared:
                entry = publish.publish(self._store, shaped)
                self._entries[wheel.identity] = entry
                self._made.setdefault(environment.root, []).append((wheel, entry))
                cost += _cost(entry)
        return cost

    def _prepare(self, environment: Environment, wheel: AsWheel, place: str) -> publish.Prepared:
        """Lay out a wheel from the environment's files, and prepare its entry."""
        sources = {path: f"{environment.root}/{inside}" for path, inside in wheel.files.items()}
        item = from_installed.lay_out(
            f"{place}.wheel",
            dist_info=wheel.dist_info,
            sources=sources,
            texts=wheel.texts,
            hashes=wheel.hashes,
            launchers=wheel.launchers,
            transfer=self._transfer,
        )
        prepared = from_installed.prepare(
            self._store,
            item,
            wheel.identity,
            launchers=wheel.launchers,
            workshop=f"{place}.{wheel.name}",
            digest_cache=self._seen,
            transfer=self._transfer,
        )
        from_installed.take_bytecode(prepared, sources, self._transfer)
        filesystems.remove_tree(item.wheel)
        return prepared


class _InstallerWatch:
    """Watches for installers that take no lock, such as pip. They read RECORD, and then move the files that it lists.

    An installer takes longer to start than pepip takes to link a distribution. So it is enough to look between
    distributions.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._looked_at = -_START_SECONDS

    def check(self) -> None:
        """Raise VenvError if an installer is at work in the environment."""
        if time.monotonic() - self._looked_at < _START_SECONDS:
            return
        self._looked_at = time.monotonic()
        for process in running_processes.installers_in(self._root):
            raise VenvError(f"{process.name} is at work in it (process {process.number})")


class _Result(NamedTuple):
    """The space that an attempt has freed, and whether nothing is left to do."""

    freed: Freed
    is_complete: bool


@contextlib.contextmanager
def _kept_if_unfit(wheel: AsWheel, kept: dict[str, Kept]) -> Iterator[None]:
    """Add a wheel to `kept` if it can't be an entry, or if its files vanish while they are read."""
    try:
        yield
    except InvalidWheelError as error:
        kept[wheel.name] = Kept(wheel.name, wheel.version, error.message, ())
    except FileNotFoundError:
        kept[wheel.name] = Kept(wheel.name, wheel.version, "its files change while they are read", ())


def _refuse_own(environment: Environment, distribution: Installed) -> None:
    """Raise OwnFilesError for a distribution with an egg's metadata, an editable, or one built from a folder."""
    if not distribution.dist_info.endswith(".dist-info"):
        raise OwnFilesError(reasons.of_egg(distribution.dist_info))
    origin = contents.direct_url(environment, distribution) or {}
    folder = origin.get("dir_info")
    if isinstance(folder, dict):
        is_editable = folder.get("editable")
        raise OwnFilesError(reasons.EDITABLE if is_editable else reasons.BUILT_HERE)


def _cost(entry: Entry) -> Freed:
    """Return, as a negative `Freed`, the space of an entry's folders, and of files without hard links elsewhere."""
    cost = disk_usage.freed_by_removing([entry.path], may_clone=False)
    return Freed(-cost.allocated_bytes, -cost.inodes)
