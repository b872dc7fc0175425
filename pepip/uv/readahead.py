"""Takes wheels that uv has unpacked, while uv still unpacks other wheels, and reads their files.

These files need not be read again after uv has linked them. uv unpacks each wheel into a folder, and moves that
folder into its cache whole. This module only reads that cache. If the cache is elsewhere, or has another layout, all
wheels are taken later.
"""

from __future__ import annotations

import contextlib
import os
import time

from pepip.host import parallel
from pepip.names import normalize_name
from pepip.uv import cacheable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from pepip.wheel.digest_cache import DigestCache

_SECONDS_BETWEEN_LOOKS = 0.05
_SECOND_NS = 1_000_000_000


class Lookout:
    """Calls `take`, in a thread, with each unpacked wheel of the distributions `names` that arrives in uv's cache.

    A context manager. Its end sets `is_over`, and waits for the wheel that is just being taken.
    """

    def __init__(self, names: Collection[str], take: Callable[[str], None], *, cache: str) -> None:
        import threading

        self._names = frozenset(names)
        self._take = take
        self._cache = cache
        self._listed_at: dict[str, int] = {}
        self._known = set(self._new_archives())
        self.is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Lookout:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over.set()
        self._thread.join()

    def _watch(self) -> None:
        parallel.give_way()  # the user waits for uv, not for this thread
        while not self.is_over.wait(_SECONDS_BETWEEN_LOOKS):
            for archive in self._new_archives():
                if archive not in self._known and not self.is_over.is_set():
                    self._known.add(archive)
                    if any(map(self._is_wanted, cacheable.children(archive))):  # not a wheel of another process
                        self._take(archive)

    def _new_archives(self) -> Iterator[str]:
        """Yield the folders of all wheels in uv's cache, if new ones may have arrived since the last call."""
        for bucket in cacheable.folders(self._cache, "archive-v"):
            with contextlib.suppress(OSError):
                status = os.stat(bucket)
                is_old = status.st_mtime_ns < time.time_ns() - _SECOND_NS  # two changes can have one time stamp
                if is_old and self._listed_at.get(bucket) == status.st_mtime_ns:
                    continue
                self._listed_at[bucket] = status.st_mtime_ns
                yield from cacheable.folders(bucket)

    def _is_wanted(self, folder: str) -> bool:
        name, _, rest = folder.partition("-")
        return rest.endswith(".dist-info") and normalize_name(name) in self._names


class Readahead(Lookout):
    """Reads the files of the distributions `names` into `digest_cache`, as they arrive in uv's cache.

    A context manager. After its end it reads no further file.
    """

    def __init__(self, names: Collection[str], digest_cache: DigestCache, *, cache: str) -> None:
        super().__init__(names, self._read_archive, cache=cache)
        self._digest_cache = digest_cache

    def _read_archive(self, archive: str) -> None:
        for folder, _, files in os.walk(archive):
            for name in files:
                if self.is_over.is_set():
                    return
                with contextlib.suppress(OSError):
                    self._digest_cache.read(f"{folder}/{name}")
