"""Removing a whole store."""

from __future__ import annotations

import contextlib
import os
import sys
import time

from pepip import paths
from pepip.errors import NoStoreError, StoreError
from pepip.fast_namedtuple import NamedTuple
from pepip.host import files, filesystems
from pepip.operations import census
from pepip.operations.reporting import Progress
from pepip.store import leases

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator

    from pepip.store.root import Store


class CleanPreview(NamedTuple):
    """The effect of removing a store: the number of removed entries, and the known environments that break.

    `left` are the files and folders in the store's folder that pepip did not make. They stay.
    """

    entries: int
    broken: tuple[str, ...]
    left: tuple[str, ...]


def preview(store: Store) -> CleanPreview:
    """Return the effect that `clean` would have. Changes nothing.

    Raises StoreError if there is no store, or if this user may not remove it.
    """
    store_root = store.root
    if not os.path.lexists(store_root):
        raise NoStoreError(store_root)
    if not os.path.isdir(paths.packages(store_root)):
        raise StoreError(
            f"{store_root} is not a store: it has no `packages` folder", hint="PEPIP_HOME names the store"
        )
    if files.user_id() not in {0, os.stat(store_root).st_uid}:
        raise StoreError(f"{store_root} belongs to another user", hint="its owner or root may remove it")
    seen = census.take(store)
    known_venvs = (known for known in seen.projects if known.entries and known.state != census.MISSING)
    broken = [known.environment for known in known_venvs if not all(map(paths.is_layered, known.entries or ()))]
    broken += [f"{lease.environment} on {lease.host}" for lease in leases.valid(store)]
    left = sorted(set(os.listdir(store_root)) - _names(store_root))
    return CleanPreview(len(seen.stored), tuple(sorted({*broken, *seen.unregistered})), tuple(left))


def clean(store: Store) -> Generator[Progress, None, CleanPreview]:
    """Remove a store, yielding progress, and return the effect.

    One rename moves all entries away, so a killed run leaves no part of an entry in its place. Files that pepip did
    not make stay, and the store's folder with them. Raises StoreError.
    """
    seen = preview(store)
    store_root = store.root
    yield Progress("wait", "for running installs to finish")
    with store.pruning():
        store.make_folder(paths.trash(store_root))
        away = f"{paths.trash(store_root)}/{os.getpid()}-{time.monotonic_ns()}"
        os.rename(paths.packages(store_root), away)
        for name in sorted(_names(store_root) & set(os.listdir(store_root)), key=lambda name: name == ".lock"):
            yield Progress("prune", name)
            if name not in _KEPT_FOR_LOCK:
                filesystems.remove(f"{store_root}/{name}")
    if sys.platform == "win32":
        with contextlib.suppress(OSError):  # another run may wait for the lock
            filesystems.remove(f"{store_root}/.lock")
    if not seen.left:
        try:
            os.rmdir(store_root)
        except OSError as error:  # a mount point, for example
            yield Progress("warning", f"{store_root} is empty, and stays: {error.strerror}")
    return seen


_KEPT_FOR_LOCK = {paths.LOCK_FOLDERS, ".lock"} if sys.platform == "win32" else {paths.LOCK_FOLDERS}
"""Names that stay until the lock ends: the lock's folder and, on Windows, the lock's file, which is still open."""


def _names(store_root: str) -> set[str]:
    """Return the names of all files and folders that pepip makes in the folder of a store."""
    of_folders = (paths.packages, paths.projects, paths.staging, paths.trash, paths.cache, paths.global_environment)
    of_files = (paths.trust, paths.registry_lost, paths.leases, paths.layer_policy, paths.layer_list)
    return {".lock", paths.LOCK_FOLDERS, *(os.path.basename(place(store_root)) for place in (*of_folders, *of_files))}
