"""Staging areas: folders of the store where entries grow, each with a lock that ends with its process."""

from __future__ import annotations

import contextlib
import os
import time

from pepip import paths
from pepip.host import filesystems, locks, permissions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pepip.store.home import Store


@contextlib.contextmanager
def area(store: Store) -> Iterator[str]:
    """Yield a new folder below the store's staging folder, removed at the end.

    Raises StoreError if the store has no room, or may not be written.
    """
    folder = f"{paths.staging(store.home)}/{os.getpid()}-{time.monotonic_ns()}"
    with locks.held(f"{folder}.lock"):
        try:
            permissions.make_directory(folder, like=store.like, only_owner_removes=True)
            yield folder
        except OSError as error:
            if error.filename and str(error.filename).startswith(folder):
                raise store.refusal(folder, error) from error
            raise
        finally:
            filesystems.remove_tree(folder)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{folder}.lock")


@contextlib.contextmanager
def written_meanwhile(folder: str) -> Iterator[Callable[[], None]]:
    """Let what grows in a staging area be written to disk while it grows, so that `settle` has little left to do.

    Yields what may be called to have it begin at once: files are complete, and something else is to be done.
    """
    import threading

    is_due, is_over = threading.Event(), threading.Event()

    def write() -> None:
        while True:
            is_due.wait(_SECONDS_BETWEEN_WRITES)
            is_due.clear()
            if is_over.is_set():
                return
            with contextlib.suppress(OSError):  # `settle` will say it
                filesystems.flush(folder)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    try:
        yield is_due.set
    finally:
        is_over.set()
        is_due.set()
        writer.join()


_SECONDS_BETWEEN_WRITES = 1.0


def settle(folder: str) -> None:
    """Write all that was staged to disk before any of it is published, so that a power cut can't hollow an entry."""
    filesystems.flush(folder)


def remove_abandoned(store: Store) -> None:
    """Remove what killed runs left in the staging folder: their locks, which ended with them, say so."""
    folder = paths.staging(store.home)
    names = os.listdir(folder)
    for name in names:
        run = name.removesuffix(".lock")
        if (run != name and run in names) or locks.is_held(f"{folder}/{run}.lock"):
            continue
        with contextlib.suppress(OSError):  # another user's: that user's next run removes it
            filesystems.remove_tree(f"{folder}/{run}")
            os.unlink(f"{folder}/{run}.lock")
