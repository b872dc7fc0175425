"""Reading what uv has unpacked while it still downloads the rest, so that nothing of it need be read afterwards.

uv unpacks each wheel into a folder of its cache, gives that its place at once, and links from there in the end. This
only looks there: where uv's cache is elsewhere, or will be laid out in another way, files are read later.
"""

from __future__ import annotations

import contextlib
import os

from pepip.host import processes
from pepip.paths import normalize_name
from pepip.uv import repetition
from pepip.wheel.seen import Seen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from pepip.model import Request

_SECONDS_BETWEEN_LOOKS = 0.05


class Reader:
    """Reads the files of these distributions, by name, as they come to uv's cache, into `seen`.

    Only if that is on the same `device` as where uv installs them: elsewhere they become other files. A context, at
    whose end its thread has ended: as soon as it has read one more file, after a `stop`.
    """

    def __init__(self, request: Request, names: Collection[str], *, device: int) -> None:
        import threading

        self.seen = Seen()
        self._names = frozenset(names)
        self._device = device
        self._cache = repetition.cache_folder(request.everywhere)
        self._known = set(self._archives())
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._thread.join()

    def stop(self) -> None:
        """Let no further file be read."""
        self._is_over.set()

    def _read(self) -> None:
        processes.give_way()  # what uv does, the user waits for
        while not self._is_over.wait(_SECONDS_BETWEEN_LOOKS):
            for archive in self._archives():
                if archive not in self._known:
                    self._known.add(archive)
                    self._read_archive(archive)

    def _archives(self) -> Iterator[str]:
        """Yield the folders of wheels in uv's cache."""
        for bucket in repetition.folders(self._cache, "archive-v"):
            with contextlib.suppress(OSError):
                if os.stat(bucket).st_dev == self._device:
                    yield from repetition.folders(bucket)

    def _read_archive(self, archive: str) -> None:
        """Read the files of a wheel, if it is one of those that are wanted."""
        for folder, folders, files in os.walk(archive):
            if folder == archive and not any(map(self._is_wanted, folders)):
                return  # another process's
            for name in files:
                if self._is_over.is_set():
                    return
                with contextlib.suppress(OSError):
                    self.seen.read(f"{folder}/{name}")

    def _is_wanted(self, folder: str) -> bool:
        name, _, rest = folder.partition("-")
        return rest.endswith(".dist-info") and normalize_name(name) in self._names
