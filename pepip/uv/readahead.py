"""Reading what uv has unpacked while it still works on the rest: what it then links need not be read afterwards.

uv unpacks each wheel into a folder of its cache, and gives that its place at once. This only looks there: where uv's
cache is elsewhere, or is laid out in another way, all is read later.
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
    """Reads the files of these distributions, by name, as they come to the cache of uv, into `seen`.

    A context, which reads no further file after its end.
    """

    def __init__(self, names: Collection[str], seen: DigestCache, *, cache: str) -> None:
        import threading

        self._names = frozenset(names)
        self._seen = seen
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
        if kind is None:  # what it reads now would else be read a second time
            self._thread.join(_MOST_SECONDS_FOR_A_FILE)

    def _read(self) -> None:
        parallel.give_way()  # what uv does, the user waits for
        while not self._is_over.wait(_SECONDS_BETWEEN_LOOKS):
            for archive in self._new_archives():
                if archive not in self._known:
                    self._known.add(archive)
                    self._read_archive(archive)

    def _new_archives(self) -> Iterator[str]:
        """Yield the folders of wheels in uv's cache, if some may have come since the last time."""
        for bucket in cacheable.folders(self._cache, "archive-v"):
            with contextlib.suppress(OSError):
                status = os.stat(bucket)
                is_old = status.st_mtime_ns < time.time_ns() - _SECOND_NS  # two changes could bear one stamp
                if is_old and self._listed_at.get(bucket) == status.st_mtime_ns:
                    continue
                self._listed_at[bucket] = status.st_mtime_ns
                yield from cacheable.folders(bucket)

    def _read_archive(self, archive: str) -> None:
        """Read the files of a wheel, if it is one of those that are wanted."""
        for folder, folders, files in os.walk(archive):
            if folder == archive and not any(map(self._is_wanted, folders)):
                return  # another process's
            for name in files:
                if self._is_over.is_set():
                    return
                with contextlib.suppress(OSError):
                    self._seen.read(f"{folder}/{name}")

    def _is_wanted(self, folder: str) -> bool:
        name, _, rest = folder.partition("-")
        return rest.endswith(".dist-info") and normalize_name(name) in self._names
