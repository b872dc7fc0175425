"""Removing a whole store: the way out."""

from __future__ import annotations

import os
import time

from pepip import paths
from pepip.errors import StoreError
from pepip.host import files, filesystems
from pepip.model import Progress
from pepip.operations import census
from pepip.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator

    from pepip.store.home import Store


class Preview(NamedTuple):
    """What goes with a store: how many entries, and the environments that break, as far as they are known.

    `left` are the names of what lies in its folder and is not the store's.
    """

    entries: int
    broken: tuple[str, ...]
    left: tuple[str, ...]


def foresee(store: Store) -> Preview:
    """Return what `clean` would remove. Changes nothing. Raises StoreError if there is no store that may go."""
    home = store.home
    if not os.path.lexists(home):
        raise StoreError(f"there is no store at {home}")
    if not os.path.isdir(paths.packages(home)):
        raise StoreError(f"{home} is no store: it has no folder packages", hint="PEPIP_HOME names the store")
    if files.user_id() not in {0, os.stat(home).st_uid}:
        raise StoreError(f"{home} is another user's", hint="its owner, or root, may remove it")
    seen = census.take(store)
    broken = (known.environment for known in seen.projects if known.entries and known.state != census.MISSING)
    left = sorted(set(os.listdir(home)) - _names(home))
    return Preview(len(seen.stored), tuple(sorted({*broken, *seen.found})), tuple(left))


def clean(store: Store) -> Generator[Progress, None, Preview]:
    """Remove a store, yielding progress, and return what was removed.

    Its entries go at once, by one rename: whoever is killed leaves no half of one. What is not the store's stays, and
    the folder with it. Raises StoreError.
    """
    preview = foresee(store)
    home = store.home
    yield Progress("prune", "waiting for running installs")
    with store.pruning():
        store.make_directory(paths.trash(home))
        away = f"{paths.trash(home)}/{os.getpid()}-{time.monotonic_ns()}"
        os.rename(paths.packages(home), away)
        for name in sorted(_names(home) & set(os.listdir(home)), key=lambda name: name == ".lock"):
            yield Progress("prune", name)
            filesystems.remove(f"{home}/{name}")
    if not preview.left:
        try:
            os.rmdir(home)
        except OSError as error:  # a mount point, for one
            yield Progress("warning", f"{home} is empty, and stays: {error.strerror}")
    return preview


def _names(home: str) -> set[str]:
    """Return the names of all that pepip makes in the folder of a store."""
    of_folders = (paths.packages, paths.projects, paths.staging, paths.trash, paths.cache, paths.global_environment)
    of_files = (paths.trust, paths.registry_lost)
    return {".lock", *(os.path.basename(place(home)) for place in (*of_folders, *of_files))}
