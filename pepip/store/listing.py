"""Listing the entries of a store for people: also unreadable ones, and without the facts for linking them."""

from __future__ import annotations

import contextlib
import os

from pepip import names, paths
from pepip.fast_namedtuple import NamedTuple
from pepip.store import document as documents

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from pepip.store.root import Store
    from pepip.store.scan_cache import ScanCache


class Stored(NamedTuple):
    """An entry as the store describes it to people. Times are seconds since 1970.

    `last_linked_at` is 0 if it is not known. `state` is `ok`, `newer` if a newer pepip stored the entry, or
    `damaged` if the entry's own metadata can't be read; the other fields may then be empty.
    """

    id: str
    path: str
    name: str
    version: str
    identity: str
    origin: str
    file_count: int
    stored_at: int
    last_linked_at: int
    state: str

    @property
    def bucket(self) -> str:
        """The bucket of the entry: the part of the store for one interpreter ABI and platform."""
        return self.id.split("/")[-2]

    @property
    def last_used_at(self) -> int:
        """The time when an environment last linked the entry, or when it was stored if that is later.

        The later time counts, since links are noted only to the hour, and the clocks of two machines may differ.
        """
        return max(self.last_linked_at, self.stored_at)

    @property
    def layer(self) -> str:
        """The root of the layer that has the entry, empty if the store itself has it."""
        return self.path.rsplit("/", 3)[0] if self.id == self.path else ""


def stored(store: Store, memory: ScanCache | None = None) -> list[Stored]:
    """Return all entries of the store, also unreadable ones, sorted by name and version. Layers are left out."""
    return _all_in(store.root, "", memory)


def stored_in_layers(store: Store, name: str = "") -> list[Stored]:
    """Return the entries of the store's layers, one layer after the other. With `name`, only those of a distribution.

    A layer that can't be read counts as empty. `name` also finds distributions whose names begin with `<name>-`.
    """
    found = []
    for layer in store.layers:
        with contextlib.suppress(OSError):
            found += _all_in(layer.root, f"{paths.packages(layer.root)}/", None, start=name and f"{name}-")
    return found


def stored_ids(store: Store) -> list[str]:
    """Return the ids of all folders that may be entries of a store. No entry is read."""
    packages = paths.packages(store.root)
    return [f"{bucket}/{name}" for bucket in _children(packages) for name in _children(f"{packages}/{bucket}")]


def _all_in(root: str, prefix: str, memory: ScanCache | None, *, start: str = "") -> list[Stored]:
    """Return the entries below a store's root whose folder names begin with `start`. Their ids get `prefix`."""
    found = []
    for bucket in _children(paths.packages(root)):
        folder = f"{paths.packages(root)}/{bucket}"
        names = (name for name in _children(folder) if name.startswith(start))
        rows = (_stored(f"{folder}/{name}", f"{prefix}{bucket}/{name}", memory) for name in names)
        found += [row for row in rows if row is not None]
    return sorted(found, key=lambda item: (item.name, item.version, item.id))


def _stored(path: str, entry_id: str, memory: ScanCache | None) -> Stored | None:
    """Return the summary of an entry, None for anything else: a file, or an entry that was removed meanwhile."""
    try:
        status = os.stat(f"{path}/{paths.ENTRY_METADATA}")
        changed_at = status.st_mtime_ns
        known = memory.recall("entries", entry_id, changed_at) if memory else None
        if known is None:
            state = (changed_at, status.st_ino, status.st_size)
            state_before, known = _read_by_this_run.get(path, (state, None))
            if known is None or state_before != state:
                known = _read_stored(path)
                _read_by_this_run[path] = (state, known)
            if memory:
                memory.note("entries", entry_id, changed_at, known)
        name, version, identity, origin, file_count, stored_at = known
        linked_at = changed_at // 1_000_000_000
        return Stored(entry_id, path, name, version, identity, origin, file_count, stored_at, linked_at, "ok")
    except (OSError, ValueError) as error:
        if not os.path.isdir(path):
            return None
        name, _, version = paths.entry_name(entry_id).partition("~")[0].rpartition("-")
        condition = "newer" if isinstance(error, documents.NewerFormatError) else "damaged"
        return Stored(entry_id, path, name, version, "", "", 0, 0, 0, condition)


_read_by_this_run: dict[str, tuple[tuple[int, int, int], list[Any]]] = {}
"""By the path of an entry: the state of its document's file, and the facts in it. A prune reads all entries twice."""


def _read_stored(path: str) -> list[Any]:
    found = documents.read(path)
    texts = [found.name, found.version, found.identity, found.origin]
    return [*texts, *(min(number, _LATEST) for number in (found.file_count, found.stored_at))]


_LATEST = 1 << 40  # the largest number that is taken from a document: in seconds, it lies beyond the year 9999


def matches(stored: Stored, patterns: Iterable[str]) -> bool:
    """Tell whether a shell pattern (`torch*`, `torch==2.9*`, `torch-2.9.1`) matches an entry, or is its id."""
    import fnmatch

    spellings = (stored.name, f"{stored.name}=={stored.version}", os.path.basename(stored.path))
    for pattern in patterns:
        name, separator, version = pattern.partition("==")
        normalized = f"{names.normalize_name(name)}{separator}{version}"
        if pattern == stored.id or any(
            fnmatch.fnmatchcase(shown, wanted) for shown in spellings for wanted in (pattern, normalized)
        ):
            return True
    return False


def _children(folder: str) -> list[str]:
    """Return the names of the folders in a folder. Links are left out: another user may have made them."""
    try:
        with os.scandir(folder) as children:
            return [child.name for child in children if child.is_dir(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []
