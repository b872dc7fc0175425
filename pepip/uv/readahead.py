"""Reads the files of wheels that uv has unpacked, while uv still unpacks other wheels.

These files need not be read again after uv has linked them. uv unpacks each wheel into a folder, and moves that
folder into its cache whole. This module only reads that cache. If the cache is elsewhere, or has another layout, all
files are read later.
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
    from collections.abc import Collection, Iterator

    from pepip.wheel.digest_cache import DigestCache

_SECONDS_BETWEEN_LOOKS = 0.05
_MOST_SECONDS_FOR_A_FILE = 1.0
_SECOND_NS = 1_000_000_000


class Readahead:
    """Reads the files of the distributions `names` into `digest_cache`, as they arrive in uv's cache.

    A context manager. After its end it reads no further file.
    """

    def __init__(self, names: Collection[str], digest_cache: DigestCache, *, cache: str) -> None:
        import threading

        self._names = frozenset(names)
        self._digest_cache = digest_cache
        self._cache = cache
        self._listed_at: dict[str, int] = {}
        self._known = set(self._new_archives())
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Readahead:
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._is_over.set()
        if kind is None:  # wait for the file that the thread reads now, so that it need not be read twice
            self._thread.join(_MOST_SECONDS_FOR_A_FILE)

    def _read(self) -> None:
        parallel.give_way()  # the user waits for uv, not for this thread
        while not self._is_over.wait(_SECONDS_BETWEEN_LOOKS):
            for archive in self._new_archives():
                if archive not in self._known:
                    self._known.add(archive)
                    self._read_archive(archive)

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

    def _read_archive(self, archive: str) -> None:
        """Read the files of a wheel, if its distribution is wanted."""
        for folder, folders, files in os.walk(archive):
            if folder == archive and not any(map(self._is_wanted, folders)):
                return  # a wheel of another process
            for name in files:
                if self._is_over.is_set():
                    return
                with contextlib.suppress(OSError):
                    self._digest_cache.read(f"{folder}/{name}")

    def _is_wanted(self, folder: str) -> bool:
        name, _, rest = folder.partition("-")
        return rest.endswith(".dist-info") and normalize_name(name) in self._names
