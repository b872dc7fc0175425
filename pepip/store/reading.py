"""Reading the files of staged distributions, on all processors, while those that are read already are shaped."""

from __future__ import annotations

import contextlib
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from threading import Event

    from pepip.store.discovery import Stage, Staged

_FILES_AT_ONCE = 200


def in_order(stage: Stage, staged: Sequence[Staged]) -> Generator[Staged]:
    """Yield each of these distributions as soon as all of its files were `seen`, those with the least to read first.

    What can't be read is left to be found missing. To be closed by who leaves early: then no further file is read.
    """
    from concurrent.futures import ThreadPoolExecutor
    from threading import Event

    unread = {item.name: _unread(stage, item) for item in staged}
    in_turn = sorted(staged, key=lambda item: sum(stage.files[path].st_size for path in unread[item.name]))
    is_over = Event()
    pool = ThreadPoolExecutor(os.cpu_count() or 1)  # mostly, each waits for the system
    try:
        pending = {
            item.name: [
                pool.submit(_read, stage, unread[item.name][at : at + _FILES_AT_ONCE], is_over)
                for at in range(0, len(unread[item.name]), _FILES_AT_ONCE)
            ]
            for item in in_turn
        }
        for item in in_turn:
            for part in pending[item.name]:
                part.result()
            yield item
    finally:
        is_over.set()
        pool.shutdown(cancel_futures=True)


def _unread(stage: Stage, item: Staged) -> list[str]:
    """Return the files that RECORD has a hash of, and that nobody has read."""
    files = (path for path in item.files if path in stage.files and item.rows[path].hash_value)
    return [path for path in files if stage.seen.digest(stage.files[path]) is None]


def _read(stage: Stage, files: Sequence[str], is_over: Event) -> None:
    for path in files:
        if is_over.is_set():
            return
        with contextlib.suppress(OSError):
            stage.seen.read(f"{stage.prefix}/{path}")
