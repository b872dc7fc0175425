"""The store's root folder: where it is, who may write it, and its lock."""

from __future__ import annotations

import contextlib
import os
import stat

from pepip import paths
from pepip.errors import StoreError
from pepip.host import files, locks, permissions
from pepip.store import trust

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from pepip.store.entries import Known


class Store:
    """A store's root. `home` is the folder as configured, `homes` every spelling of it that links may have.

    `known_entries` are those that were read before, by their ids: see `entries.read`. `registered` has the registry's
    file of each environment that this run has registered, by its path.
    """

    __slots__ = ("_like", "_trusted", "home", "homes", "known_entries", "registered")

    def __init__(self, home: str) -> None:
        self.home = home
        real = os.path.realpath(home)
        self.homes = (home,) if real == home else (home, real)
        self._like: os.stat_result | None = None
        self._trusted: frozenset[int] | None = None
        self.known_entries: dict[str, Known] = {}
        self.registered: dict[str, str] = {}

    @property
    def like(self) -> os.stat_result:
        """The mode and group that carry to what is made in the store."""
        if self._like is None:
            self._like = os.stat(self.home)
        return self._like

    @property
    def is_shared(self) -> bool:
        """Whether others than its owner may write the store. One that does not exist yet is nobody's."""
        return (self._like is not None or self.exists()) and trust.is_shared(self.like)

    def trusts(self, status: os.stat_result) -> bool:
        """Tell whether this user links what has this status: a real folder of an owner who is trusted."""
        if not self.is_shared:
            return True
        if self._trusted is None:
            everybody = trust.stated(self.home, self.like) == trust.MEMBERS
            self._trusted = frozenset() if everybody else frozenset({0, self.like.st_uid, files.user_id()})
        return stat.S_ISDIR(status.st_mode) and (not self._trusted or status.st_uid in self._trusted)

    def trusts_entry(self, path: str) -> bool:
        """Tell whether this user links the entry at `path`."""
        return not self.is_shared or self.trusts(os.lstat(path))

    @property
    def trusts_everybody(self) -> bool:
        """Whether entries of all who may write the store are linked: of a store of one user, too."""
        return not self.is_shared or trust.stated(self.home, self.like) == trust.MEMBERS

    def buckets(self, name: str) -> list[str]:
        """Return the folders of a bucket in which this user may find entries: the common one, and their own."""
        if not self.is_shared:
            return [name]
        own = f"{name}~{files.user_id()}"
        folder = f"{paths.packages(self.home)}/{name}"
        try:
            is_trusted = self.trusts(os.lstat(folder))
        except OSError:
            is_trusted = False
        return [name, own] if is_trusted else [own]

    def make_bucket(self, name: str) -> str:
        """Make the folder of a bucket in which this user may store an entry, and return its name.

        Where members are not trusted each has buckets of their own: whoever owns a folder may rename all in it.
        """
        is_common = self.trusts_everybody or files.user_id() in {0, self.like.st_uid}
        bucket = name if is_common else f"{name}~{files.user_id()}"
        path = f"{paths.packages(self.home)}/{bucket}"
        self.make_directory(path)
        if self.is_shared and not self.trusts(os.lstat(path)):
            raise StoreError(f"{path} belongs to somebody who is not trusted", hint="root may remove it")
        return bucket

    def renewed(self) -> Store:
        """Return the same store, looked at anew: its mode or group was changed."""
        return Store(self.home)

    def exists(self) -> bool:
        """Tell whether anything was ever stored here."""
        return os.path.isdir(self.home)

    def is_writable(self) -> bool:
        """Tell whether this user may add entries."""
        folder = paths.packages(self.home)
        return os.access(folder if os.path.isdir(folder) else self.home, os.W_OK | os.X_OK)

    def create(self) -> None:
        """Make the store's folders where they are missing. Raises StoreError if this user may not."""
        if not os.path.isdir(self.home):
            try:
                os.makedirs(self.home, mode=0o755)
            except OSError as error:
                raise StoreError(
                    f"cannot make the store {self.home}: {error.strerror}",
                    hint="set PEPIP_HOME to a folder that you may write",
                ) from error
        self.make_directory(paths.packages(self.home))
        if not os.path.isdir(paths.projects(self.home)) and os.listdir(paths.packages(self.home)):
            self._note_lost_registry()
        for folder in (paths.projects, paths.staging, paths.trash, paths.cache):
            self.make_directory(folder(self.home))

    def _note_lost_registry(self) -> None:
        """Note that there are entries and no registry: the one that is made next does not know who links them."""
        with contextlib.suppress(FileExistsError, PermissionError):
            files.create(paths.registry_lost(self.home), b"`pepip projects scan` finds environments again.\n")

    def make_directory(self, path: str) -> None:
        """Make one folder of the store's frame, for the team as the root says. One that exists is left."""
        if os.path.isdir(path):
            return
        try:
            permissions.make_directory(path, like=self.like, only_owner_removes=True)
        except FileExistsError:
            return
        except OSError as error:
            raise self.refusal(path, error) from error

    def refusal(self, path: str, error: OSError) -> StoreError:
        """Return the error for a path of the store that can't be written."""
        hint = None
        if isinstance(error, PermissionError):
            hint = f"ask the owner of {self.home} for write permission, or set PEPIP_HOME to a folder of yours"
        return StoreError(f"cannot write {path}: {error.strerror}", hint=hint)

    @property
    def lock_mode(self) -> int:
        """The mode of a lock that everyone who uses the store can wait for."""
        return 0o666 & (self.like.st_mode | 0o600)

    def linking(self) -> AbstractContextManager[bool]:
        """Hold off pruning while entries are looked up and linked. Many may link at the same time."""
        return locks.held(f"{self.home}/.lock", shared=True, mode=self.lock_mode)

    def pruning(self) -> AbstractContextManager[bool]:
        """Hold off everyone who links, until it is clear what nobody links and that is out of the way.

        Raises StoreError where this user can't wait for them.
        """
        lock = f"{self.home}/.lock"
        if os.path.exists(lock) and not os.access(lock, os.R_OK):
            raise StoreError(
                f"{lock} is another user's, and may not be read", hint="its owner's next install mends it"
            )
        return locks.held(lock, mode=self.lock_mode)
