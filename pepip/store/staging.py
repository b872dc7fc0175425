"""Staging areas: folders of the store in which entries grow, one for each run."""

from __future__ import annotations

import contextlib
import os

from pepip import paths
from pepip.host import files, filesystems, locks, parallel, run_dirs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pepip.store.root import Store


@contextlib.contextmanager
def area(store: Store) -> Iterator[str]:
    """Yield a new folder below the store's staging folder, and remove it at the end.

    Raises StoreError if the disk is full, or if this user may not write the store.
    """
    with run_dirs.marked(paths.staging(store.root), mode=store.lock_mode) as folder:
        try:
            os.mkdir(folder, 0o700)  # no other member of a team may change files between their check and their rename
            yield folder
        except OSError as error:
            if not error.filename or str(error.filename).startswith(folder):  # errors of open files have no name
                raise store.refusal(folder, error) from error
            raise
        finally:
            filesystems.remove_tree(folder)


@contextlib.contextmanager
def changing(store: Store, entry: str) -> Iterator[None]:
    """Keep other processes from changing or replacing the entry at this path. They wait, and then look again."""
    lock = f"{paths.staging(store.root)}/{os.path.basename(entry)}.lock"
    with locks.held(lock, mode=store.lock_mode, remove=True):
        yield


@contextlib.contextmanager
def prefixes(area: str) -> Iterator[str]:
    """Yield a folder for the thousands of links that uv stages, in memory if there is room, else in the `area`.

    A folder in memory is removed at the end. It has the area's name: `remove_abandoned` finds it after a kill.
    """
    folder = _in_memory(area)
    try:
        os.mkdir(folder or f"{area}/prefixes", 0o700)
    except FileExistsError:  # another user may have taken the name
        folder = ""
        os.mkdir(f"{area}/prefixes")
    try:
        yield folder or f"{area}/prefixes"
    finally:
        if folder:
            filesystems.remove_tree(folder)


def _in_memory(area: str) -> str:
    """Return the folder in memory that belongs to a staging area, empty if there is no room in memory."""
    memory = filesystems.memory_folder()
    return f"{memory}/pepip-{os.path.basename(area)}" if memory else ""


def _remove_from_memory(area: str) -> None:
    """Remove the folder in memory of a run that was killed, if it is this user's."""
    folder = _in_memory(area)
    with contextlib.suppress(OSError):
        if folder and os.lstat(folder).st_uid == files.user_id():
            filesystems.remove_tree(folder)


class Writer:
    """Writes a staging area to disk while it grows, in a thread, so that little is left for `settle`.

    A context manager; its thread ends with it. The thread holds no lock while it waits, so another process may be
    forked meanwhile.
    """

    def __init__(self, folder: str) -> None:
        from threading import Event

        filesystems.prepare_to_flush()
        self._folder = folder
        self._is_due, self._is_over = Event(), Event()
        self._error: OSError | None = None

    def __enter__(self) -> Writer:
        self._thread = parallel.start_lockless_thread(self._write)
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._is_due.set()
        self._thread.join()

    def begin(self) -> None:
        """Start a write now: some files are complete, and the caller has other work to do."""
        self._is_due.set()

    def settle(self) -> None:
        """Write the rest to disk. Call this before publishing, so that a power cut leaves no entry with empty files.

        Raises OSError if this write or an earlier one has failed.
        """
        filesystems.flush(self._folder)
        if self._error:
            raise self._error

    def _write(self) -> None:
        while True:
            self._is_due.wait(_SECONDS_BETWEEN_WRITES)
            self._is_due.clear()
            if self._is_over.is_set():
                return
            try:
                filesystems.flush(self._folder)
            except OSError as error:
                self._error = self._error or error


# Short enough that little is left at the end of a download, and long enough not to slow uv's unpacking.
_SECONDS_BETWEEN_WRITES = 1.0


def remove_abandoned(store: Store) -> None:
    """Remove the staging areas of killed runs. Failures are ignored."""
    with contextlib.suppress(OSError):
        run_dirs.remove_abandoned(paths.staging(store.root), before=_remove_from_memory)
