"""Reads the files of unpacked wheels on all processors, while the caller prepares the wheels that were read first."""

from __future__ import annotations

import contextlib
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Sequence
    from threading import Event

    from pepip.store.staged import StagedWheel, WheelFile, WheelTree
    from pepip.wheel.digest_cache import DigestCache

_FILES_AT_ONCE = 200


def in_order(
    trees: Sequence[tuple[StagedWheel, WheelTree]], digest_cache: DigestCache, *, without: Collection[str] = ()
) -> Generator[tuple[StagedWheel, WheelTree]]:
    """Read the files of all wheels into `digest_cache`. Yield each wheel when its files are read, the quickest first.

    The distributions `without` are not read. Unreadable files are skipped; the comparison with RECORD reports them.
    A caller that stops early must close the generator, which stops the reading.
    """
    unread = {
        staged.name: [file for file in tree.files if digest_cache.digest(file.status) is None]
        for staged, tree in trees
        if staged.name not in without
    }
    if not any(unread.values()):
        yield from trees
        return
    from concurrent.futures import ThreadPoolExecutor
    from threading import Event

    in_turn = sorted(trees, key=lambda item: sum(file.status.st_size for file in unread.get(item[0].name, ())))
    is_over = Event()
    pool = ThreadPoolExecutor(os.cpu_count() or 1)  # a thread mostly waits in system calls
    try:
        pending = {
            staged.name: [
                pool.submit(_read, staged.wheel, files[at : at + _FILES_AT_ONCE], digest_cache, is_over)
                for at in range(0, len(files), _FILES_AT_ONCE)
            ]
            for staged, _ in in_turn
            for files in [unread.get(staged.name, [])]
        }
        for staged, tree in in_turn:
            for part in pending[staged.name]:
                part.result()
            yield staged, tree
    finally:
        is_over.set()
        pool.shutdown(cancel_futures=True)


def _read(wheel: str, files: Sequence[WheelFile], digest_cache: DigestCache, is_over: Event) -> None:
    for file in files:
        if is_over.is_set():
            return
        with contextlib.suppress(OSError):
            digest_cache.read(f"{wheel}/{file.path}")
