"""Tells which unpacked wheels uv has put into its cache since a certain moment, and whether they are as uv left them.

uv unpacks each wheel into a folder of its own, sets all modes, and then moves that folder into its cache whole, under
a name that it never uses again. So a folder whose name was not there before is new, whatever its times say. The move
gives the folder, and nothing in it, a later change time (ctime). uv writes nothing there afterwards, and the symbolic
links of a staging change no time. So a file whose change time is later than the folder's was written by somebody
else, or got one more hard link. Nobody can set a change time back, but a later change of the folder itself would hide
such a file. So the folder's times are noted as soon as it appears.

On Windows `st_ctime` is the time when a file was made. Files are made after their folder, so all of them are read.
"""

from __future__ import annotations

import contextlib
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from threading import Event

_BUCKET = "archive-v"
_SECONDS_BETWEEN_LOOKS = 0.02
_TICK_NS = 10_000_000  # changes within this time may get the same time stamp: a kernel may have 100 ticks a second


class UnpackedWheels:
    """The unpacked wheels in uv's `cache`, and which of them lay there when this object was made."""

    def __init__(self, cache: str) -> None:
        self._cache = cache
        self._before: set[str] | None = set()
        self._times: dict[str, tuple[int, int]] = {}
        self._listed_at: dict[str, int] = {}
        try:
            for bucket in self._buckets():
                self._before.update(os.listdir(bucket))
        except OSError:
            self._before = None  # the content of the cache can't be known

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Note the times of each new wheel as soon as it appears, while the context lasts."""
        from threading import Event, Thread

        is_over = Event()
        thread = Thread(target=self._watch, args=(is_over,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()
            self._listed_at.clear()
            self._look()

    def _watch(self, is_over: Event) -> None:
        while not is_over.wait(_SECONDS_BETWEEN_LOOKS):
            self._look()

    def _look(self) -> None:
        """Note the times of the wheels that have appeared since the last look."""
        with contextlib.suppress(OSError):
            for bucket in self._buckets():
                changed_at_ns = os.stat(bucket).st_mtime_ns
                if self._listed_at.get(bucket) == changed_at_ns:
                    continue
                if changed_at_ns < time.time_ns() - _TICK_NS:
                    self._listed_at[bucket] = changed_at_ns
                for name in os.listdir(bucket):
                    if self._before is not None and name not in self._before and name not in self._times:
                        with contextlib.suppress(OSError):  # another process may remove it
                            self._times[name] = _times(f"{bucket}/{name}")

    def _buckets(self) -> list[str]:
        """Return the folders of the cache that hold unpacked wheels. Raises OSError if the cache can't be read."""
        try:
            names = os.listdir(self._cache) if self._cache else []
        except FileNotFoundError:
            return []  # uv makes its cache when it first needs it
        return [f"{self._cache}/{name}" for name in names if name.startswith(_BUCKET)]

    def is_new(self, wheel: str) -> bool:
        """Tell whether an unpacked wheel came into the cache after this object was made. False if that is unknown."""
        if self._before is None or os.path.basename(wheel) in self._before:
            return False
        return self.holds(wheel)

    def moved_at_ns(self, wheel: str) -> int:
        """Return when uv moved the unpacked wheel at this path into its cache. 0 if nobody can tell.

        A file of the wheel with a later change time was written after uv had checked the wheel, or was linked.
        """
        times = _times(wheel)
        noted = self._times.get(os.path.basename(wheel)) if self.holds(wheel) else None
        changed_at_ns, filled_at_ns = times
        # Without a note, the last change was the move if the folder got its last child before that change.
        is_of_move = filled_at_ns < changed_at_ns - _TICK_NS if noted is None else noted == times
        return changed_at_ns if is_of_move else 0

    def noted_arrival(self, wheel: str) -> bool:
        """Tell whether the times of the unpacked wheel at this path were noted when it appeared."""
        return self.holds(wheel) and os.path.basename(wheel) in self._times

    def holds(self, wheel: str) -> bool:
        """Tell whether this path lies where this cache keeps unpacked wheels."""
        bucket = os.path.dirname(wheel)
        cache, _, kind = bucket.rpartition("/")
        try:
            return bool(self._cache) and kind.startswith(_BUCKET) and os.path.samefile(cache, self._cache)
        except OSError:
            return False


def _times(folder: str) -> tuple[int, int]:
    """Return when a folder was last changed itself, and when its last child was made or removed."""
    status = os.stat(folder)
    return status.st_ctime_ns, status.st_mtime_ns
