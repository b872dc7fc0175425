"""The store's root folder: its place, the users who may write it, and its lock."""

from __future__ import annotations

import contextlib
import os
import stat

from pepip import paths
from pepip.errors import PepipError, StoreError, UsageError
from pepip.fast_namedtuple import NamedTuple
from pepip.host import files, filesystems, locks, permissions, rights
from pepip.model import StoreRoots
from pepip.store import layers, trust

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import TypeVar

    from pepip.model import Entry

    Item = TypeVar("Item")


_NOWHERE = "/nonexistent/.pepip"


class CachedEntry(NamedTuple):
    """An entry that this run has read, with the state of its document at that time."""

    entry: Entry
    changed_at_ns: int
    inode: int

    def is_current(self, status: os.stat_result) -> bool:
        """Tell whether the document, which has this `status` now, is unchanged."""
        return (self.changed_at_ns, self.inode) == (status.st_mtime_ns, status.st_ino)


class Store:
    """A store. `root` is its folder as configured, `layers` are the further stores from which this user links.

    `known_entries` are the entries that this run has read, by id: see `entries.read`. `recalled_entries` are those
    that a cache has supplied, by environment: see `linked_entries`. `registered` maps the path of each environment
    that this run has registered to its file in the registry. `unusable` are the ids of damaged entries that this run
    can't repair: they count as lost. An `obstacle` is the reason why the store can't exist.
    """

    __slots__ = (
        *("_known_roots", "_like", "_obstacle", "_trust", "known_entries", "layers", "recalled_entries"),
        *("registered", "root", "unusable"),
    )

    def __init__(self, root: str, layer_roots: Iterable[str] = (), obstacle: PepipError | None = None) -> None:
        self.root = root
        self._obstacle = obstacle
        self.layers = tuple(Store(layer) for layer in layer_roots)
        self._known_roots: StoreRoots | None = None
        self._like: os.stat_result | None = None
        self._trust: trust.Trust | None = None
        self.known_entries: dict[str, CachedEntry] = {}
        self.recalled_entries: dict[str, dict[str, CachedEntry]] = {}
        self.registered: dict[str, str] = {}
        self.unusable: set[str] = set()

    @property
    def known_roots(self) -> StoreRoots:
        """All paths by which links may lead to this store and to its layers.

        Paths of layers that the user no longer names are among them, so that links into these are recognized. The
        entries of such layers count as lost.
        """
        if self._known_roots is None:
            roots = [layer.root for layer in self.layers]
            roots += [root for root in layers.linked_before(self.root) if root not in {self.root, *roots}]
            self._known_roots = StoreRoots(_spellings(self.root), tuple(map(_spellings, roots)))
        return self._known_roots

    def layers_away(self) -> dict[str, str]:
        """Return the roots of the layers that can't be used now, each with the reason. See `layers.away`."""
        return layers.away(layer.root for layer in self.layers)

    def home_of(self, entry_id: str) -> Store | None:
        """Return the store of the entry with this id: this store or a layer, None if it has no such layer."""
        if not paths.is_layered(entry_id):
            return self
        root = paths.layer_of(entry_id)
        return next((layer for layer in self.layers if layer.root == root), None)

    def path_of(self, entry_id: str) -> str:
        """Return the folder of the entry with this id."""
        return entry_id if paths.is_layered(entry_id) else f"{paths.packages(self.root)}/{entry_id}"

    def _layer_at(self, path: str) -> Store | None:
        """Return the layer among whose entries a path lies, None if there is none."""
        return next((layer for layer in self.layers if path.startswith(f"{paths.packages(layer.root)}/")), None)

    @property
    def root_stat(self) -> os.stat_result:
        """The status of the root folder. Everything that is made in the store takes its mode and group from it."""
        if self._like is None:
            self._like = os.stat(self.root)
        return self._like

    @property
    def is_remote(self) -> bool:
        """Whether other machines may see the store. Then each call on a file may wait for one of them.

        False if the store does not exist.
        """
        is_there = self._like is not None or self.exists()
        return is_there and filesystems.may_be_remote(self.root, self.root_stat.st_dev)  # the status is known already

    def each(self, do: Callable[[Item], object], items: Iterable[Item]) -> None:
        """Run `do` on each of `items`: one after the other, or in several threads if the store is remote.

        Raises the first error. Then some items may not have been tried.
        """
        if self.is_remote:
            from pepip.host import parallel

            parallel.in_threads(do, items)
            return
        for item in items:
            do(item)

    @property
    def has_remote(self) -> bool:
        """Whether the store or one of its layers is remote."""
        return any(home.is_remote for home in (self, *self.layers))

    @property
    def is_shared(self) -> bool:
        """Whether users other than its owner may write the store. False if the store does not exist yet."""
        return (self._like is not None or self.exists()) and trust.is_shared(self.root_stat)

    @property
    def serves_others(self) -> bool:
        """Whether other users may link from the store: it is shared, or a layer for them. The store must exist."""
        return trust.serves_others(self.root, self.root_stat)

    @property
    def trust(self) -> trust.Trust:
        """The users whom all users of a shared store trust."""
        if self._trust is None:
            self._trust = trust.read(self.root, self.root_stat)
        return self._trust

    def trusts(self, folder: str) -> bool:
        """Tell whether this user links entries in a folder of the store.

        In a shared store the folder must be real, and it must belong to a trusted user or to this user.
        """
        layer = self._layer_at(folder)
        if layer:
            return layer.trusts(folder)
        if not self.is_shared:
            return True
        try:
            status = os.lstat(folder)
        except OSError:
            return False
        is_covered = self.trust.covers(status.st_uid) or status.st_uid == files.user_id()
        return is_covered and stat.S_ISDIR(status.st_mode)

    def trusts_entry(self, path: str) -> bool:
        """Tell whether this user links the entry at `path`. The owner of its bucket must be trusted, too."""
        if not (self.layers or self.is_shared):
            return True
        return self.trusts(os.path.dirname(path)) and self.trusts(path)

    def owns_entry(self, path: str) -> bool:
        """Tell whether the entry at `path` is this user's own, and nobody untrusted can replace it.

        False for an entry of a layer, even if this user owns it: only commands in the layer's own store change it.
        """
        if self._layer_at(path):
            return False
        return rights.is_own(path) and self.trusts(os.path.dirname(path))

    def buckets(self, name: str) -> list[str]:
        """Return the folders of a bucket in which this user looks for entries: the common one, and the user's own."""
        if not self.is_shared:
            return [name]
        names = (name, f"{name}~{files.user_id()}")
        return [found for found in names if self.trusts(f"{paths.packages(self.root)}/{found}")]

    def make_bucket(self, name: str) -> str:
        """Make the folder of a bucket in which this user may store an entry, and return its name.

        In a shared store only trusted users store entries in the common folder. Each other user has a folder that
        nobody else writes.
        """
        if not self.is_shared:
            self.make_folder(f"{paths.packages(self.root)}/{name}")
            return name
        own = f"{name}~{files.user_id()}"
        for bucket in [name, own] if self.trust.covers(files.user_id()) else [own]:
            path = f"{paths.packages(self.root)}/{bucket}"
            self.make_folder(path, is_private=bucket == own)
            if self.trusts(path):
                return bucket
        raise StoreError(
            f"{path} belongs to somebody who is not trusted",
            hint="`pepip store init --shared GROUP`, run by root, corrects its owner",
        )

    def reread(self) -> Store:
        """Return the same store with its status read anew, for use after its mode or group was changed."""
        return Store(self.root, [layer.root for layer in self.layers], self._obstacle)

    def exists(self) -> bool:
        """Tell whether the store's root folder exists."""
        return os.path.isdir(self.root)

    def is_writable(self) -> bool:
        """Tell whether this user may add entries."""
        folder = paths.packages(self.root)
        return os.access(folder if os.path.isdir(folder) else self.root, os.W_OK | os.X_OK)

    def create(self) -> None:
        """Make the missing folders of the store. Raises StoreError if this user may not."""
        self.make_root()
        self.make_folder(paths.packages(self.root))
        projects = paths.projects(self.root)
        if not os.path.isdir(projects) and os.listdir(paths.packages(self.root)) and not os.path.isdir(projects):
            # No other process is making the store now: it would have made the registry before an entry.
            self._note_lost_registry()
        for folder in (paths.projects, paths.staging, paths.trash, paths.cache):
            self.make_folder(folder(self.root))

    def create_unless_layered(self) -> None:
        """Make the missing folders of the store. Raises PepipError as `create` does.

        A store that can't be made is no error if it has layers: their entries can be linked without it.
        """
        try:
            self.create()
        except PepipError:
            if not self.layers or self.exists():
                raise

    def make_root(self) -> None:
        """Make the root folder if it is missing. Raises the store's obstacle, or StoreError if this user may not.

        Raises StoreError also if it would lie among the entries of another store, which would count it as damage.
        """
        if self._obstacle:
            raise self._obstacle
        if os.path.isdir(self.root):
            return
        outer = layers.store_above(self.root)
        if outer:
            raise StoreError(
                f"{self.root} lies among the entries of the store {outer}", hint="name a folder outside of it"
            )
        try:
            os.makedirs(self.root, mode=0o755)
        except OSError as error:
            if os.path.isdir(self.root):
                return  # another process was first
            raise StoreError(
                f"cannot make the store {self.root}: {error.strerror}",
                hint="set PEPIP_HOME to a folder that you may write",
            ) from error

    def _note_lost_registry(self) -> None:
        """Note that the store has entries but no registry: a new registry lacks the environments that link them."""
        with contextlib.suppress(FileExistsError, PermissionError):
            said = b"`pepip projects scan` finds environments again.\n"
            files.create(paths.registry_lost(self.root), said, mode=0o644)

    def make_folder(self, path: str, *, is_private: bool = False) -> None:
        """Make one of the store's own folders, with the mode and group of the root. An existing folder is kept.

        Only this user may write a folder that `is_private`.
        """
        if os.path.isdir(path):
            return
        try:
            permissions.make_folder(path, root_stat=self.root_stat, is_private=is_private)
        except FileExistsError:
            return
        except OSError as error:
            raise self.refusal(path, error) from error

    def refusal(self, path: str, error: OSError) -> StoreError:
        """Return the error for a path of the store that this user can't write."""
        hint = None
        if isinstance(error, PermissionError):
            hint = f"ask the owner of {self.root} for write permission, or set PEPIP_HOME to a folder of yours"
        return StoreError(f"cannot write {path}: {error.strerror}", hint=hint)

    @property
    def lock_mode(self) -> int:
        """The mode of the lock file: everyone who uses the store must be able to open it, to wait for the lock."""
        return 0o666 & (self.root_stat.st_mode | 0o600)

    @contextlib.contextmanager
    def linking(self) -> Iterator[bool]:
        """Hold off pruning while entries are looked up and linked. Many processes may link at the same time.

        Pruning of a layer is held off, too, if the layer's lock can be taken without writing there. Yields whether
        the lock of this store was taken.
        """
        with contextlib.ExitStack() as held:
            is_held = self.exists() and held.enter_context(
                locks.held(f"{self.root}/.lock", shared=True, mode=self.lock_mode)
            )
            for layer in self.layers:
                held.enter_context(locks.held(f"{layer.root}/.lock", shared=True, writes=False))
            yield is_held

    @contextlib.contextmanager
    def pruning(self) -> Iterator[None]:
        """Hold off all linking, until the orphans are known and moved into the trash.

        Raises StoreError if this user can't wait for running installs, or if the file system of the store has no
        locks of any kind: then a running install can't be noticed.
        """
        lock = f"{self.root}/.lock"
        if os.path.lexists(lock) and stat.S_IFMT(os.lstat(lock).st_mode) not in {stat.S_IFREG, stat.S_IFDIR}:
            raise StoreError(f"{lock} is no file, so pruning can't wait for running installs", hint="remove it")
        if os.path.exists(lock) and not os.access(lock, os.R_OK):
            raise StoreError(
                f"{lock} is another user's, and can't be read", hint="its owner's next install repairs it"
            )
        with locks.held(lock, mode=self.lock_mode) as is_alone:
            # If the lock file is missing and can't be made, pruning goes on: no process has linked yet, or the disk
            # is full, and pruning frees space.
            if not is_alone and os.path.lexists(lock):
                raise StoreError(
                    f"{self.root} can't be locked, so nothing is removed: somebody may be installing from it",
                    hint="`pepip doctor` says which locks its file system has",
                )
            yield


def configured(variables: Mapping[str, str]) -> Store:
    """Return the store that `PEPIP_HOME` names, or the user's default store, with its layers.

    Raises UsageError if a path begins with `~` and there is no home folder, if a layer has no absolute path, or if
    one of the stores lies among the entries of another. Without a home folder, a user who names layers has a store
    that can't exist. Raises StoreError if another user made a link in the place of a folder of the store.
    """
    obstacle = None
    try:
        root = paths.configured_store_root(variables)
    except UsageError as error:
        root, obstacle = _NOWHERE, error
    layer_roots = layers.named(variables, root)
    if obstacle and not layer_roots:
        raise obstacle
    store = Store(root, layer_roots, obstacle)
    with contextlib.suppress(OSError):  # there may be no store yet
        trust.refuse_foreign_links(root, store.root_stat)
    return store


def _spellings(root: str) -> tuple[str, ...]:
    real = paths.real(root)
    return (root,) if real == root else (root, real)
