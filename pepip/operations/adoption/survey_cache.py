"""The cache for surveys of environments. It exists even before there is a store."""

from __future__ import annotations

import contextlib
import os

from pepip import paths
from pepip.store.scan_cache import ScanCache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.store.root import Store


def load(store: Store) -> ScanCache:
    """Return the cache of surveys. Without a store it lies in the user's cache folder: a preview makes no store."""
    cache = paths.user_folder(os.environ, "XDG_CACHE_HOME", ".cache")
    if store.exists() or not cache:
        return ScanCache(paths.cache(store.root))
    with contextlib.suppress(OSError):
        os.makedirs(f"{cache}/pepip", mode=0o700, exist_ok=True)
    return ScanCache(f"{cache}/pepip")
