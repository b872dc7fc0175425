"""Staging areas: folders of the store where entries grow, each of one run."""

from __future__ import annotations

import contextlib
import os
import sys

from pepip import paths
from pepip.host import files, filesystems, permissions
from pepip.store import runs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pepip.store.home import Store


@contextlib.contextmanager
def area(store: Store) -> Iterator[str]:
    """Yield a new folder below the store's staging folder, removed at the end.

    Raises StoreError if the store has no room, or may not be written.
    """
    with runs.marked(store, paths.staging(store.home)) as folder:
        try:
            permissions.make_directory(folder, like=store.like, only_owner_removes=True)
            yield folder
        except OSError as error:
            if error.filename and str(error.filename).startswith(folder):
                raise store.refusal(folder, error) from error
            raise
        finally:
            filesystems.remove_tree(folder)


@contextlib.contextmanager
def prefixes(area: str) -> Iterator[str]:
    """Yield a folder for what uv stages, links by the thousand: in memory where there is room, else in the `area`.

    It is removed at the end. A file in the area says where it is, for `remove_abandoned` after a kill.
    """
    memory = filesystems.memory_folder()
    if not memory:
        folder = f"{area}/prefixes"
        os.mkdir(folder)
        yield folder
        return
    import tempfile

    folder = tempfile.mkdtemp(prefix=_IN_MEMORY, dir=memory)
    try:
        files.create(f"{area}/{_NOTE}", folder.encode(), mode=0o600)
        yield folder
    finally:
        filesystems.remove_tree(folder)


_IN_MEMORY = "pepip-"
_NOTE = "in-memory.txt"


def _remove_from_memory(area: str) -> None:
    """Remove the folder in memory of a run that was killed, if the note that it left names one of this user's."""
    if sys.platform == "win32":
        return
    try:
        folder = files.read_regular(f"{area}/{_NOTE}", most_bytes=256, is_trusted=True).decode()
        is_ours = os.lstat(folder).st_uid == os.geteuid()
    except (OSError, ValueError):
        return
    memory = filesystems.memory_folder()
    if memory and is_ours and os.path.dirname(folder) == memory and os.path.basename(folder).startswith(_IN_MEMORY):
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
        runs.remove_abandoned(paths.staging(store.home), before=_remove_from_memory)
