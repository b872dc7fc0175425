"""Staging areas: folders of the store where entries grow, each of one run."""

from __future__ import annotations

import contextlib
import os

from pepip import paths
from pepip.host import files, filesystems, run_dirs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pepip.store.root import Store


@contextlib.contextmanager
def area(store: Store) -> Iterator[str]:
    """Yield a new folder below the store's staging folder, removed at the end.

    Raises StoreError if the store has no room, or may not be written.
    """
    with run_dirs.marked(paths.staging(store.root), mode=store.lock_mode) as folder:
        try:
            os.mkdir(folder, 0o700)  # nobody else of a team may change what is checked here, and then published
            yield folder
        except OSError as error:
            if not error.filename or str(error.filename).startswith(folder):  # a file that was open has no name here
                raise store.refusal(folder, error) from error
            raise
        finally:
            filesystems.remove_tree(folder)


@contextlib.contextmanager
def prefixes(area: str) -> Iterator[str]:
    """Yield a folder for what uv stages, links by the thousand: in memory where there is room, else in the `area`.

    It is removed at the end. The one in memory has the area's name, for `remove_abandoned` after a kill.
    """
    folder = _in_memory(area)
    try:
        os.mkdir(folder or f"{area}/prefixes", 0o700)
    except FileExistsError:  # somebody took the name
        folder = ""
        os.mkdir(f"{area}/prefixes")
    try:
        yield folder or f"{area}/prefixes"
    finally:
        if folder:
            filesystems.remove_tree(folder)


def _in_memory(area: str) -> str:
    """Return the folder in memory that goes with a staging area, empty where there is no room in memory."""
    memory = filesystems.memory_folder()
    return f"{memory}/pepip-{os.path.basename(area)}" if memory else ""


def _remove_from_memory(area: str) -> None:
    """Remove the folder in memory of a run that was killed, if it is this user's."""
    folder = _in_memory(area)
    with contextlib.suppress(OSError):
        if folder and os.lstat(folder).st_uid == files.user_id():
            filesystems.remove_tree(folder)


class Writer:
    """Lets what grows in a staging area be written to disk while it grows, so that `settle` has little left to do.

    A context; its thread ends with it.
    """

    def __init__(self, folder: str) -> None:
        import threading

        self._folder = folder
        self._is_due, self._is_over = threading.Event(), threading.Event()
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._write, daemon=True)

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._is_due.set()
        self._thread.join()

    def begin(self) -> None:
        """Write now: some files are complete, and something else is to be done."""
        self._is_due.set()

    def settle(self) -> None:
        """Write the rest, before any of it is published, so that a power cut can't hollow an entry.

        Raises OSError if the disk did not take something of it, at whichever time.
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


# Often enough that little is left at the end of a download; what is written while uv unpacks takes time from it.
_SECONDS_BETWEEN_WRITES = 5.0


def remove_abandoned(store: Store) -> None:
    """Remove what killed runs left in the staging folder, as far as that can be done."""
    with contextlib.suppress(OSError):
        run_dirs.remove_abandoned(paths.staging(store.root), before=_remove_from_memory)
