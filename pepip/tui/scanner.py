"""Reads the store in threads, while the user works. Posts each result to the app."""

from __future__ import annotations

import os
import threading

from textual.message import Message
from textual.worker import get_current_worker

from pepip import paths
from pepip.store.scan_cache import ScanCache
from pepip.tui import catalog as catalogs
from pepip.tui import entries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.app import App

    from pepip.tui.catalog import Catalog
    from pepip.tui.entries import Listing
    from pepip.tui.session import Session


_MOST_SECONDS_FOR_PAINT = 2.0


class Scanner:
    """Reads the store on request, and when it changed on disk.

    Call its methods in the app's own thread. If two readings overlap, only the later one counts.
    """

    class Remembered(Message):
        """The catalog of the last run, from the scan cache. The reading goes on when `is_painted` is set."""

        def __init__(self, catalog: Catalog, listing: Listing, is_painted: threading.Event) -> None:
            super().__init__()
            self.catalog, self.listing, self.is_painted = catalog, listing, is_painted

    class Read(Message):
        """A reading has ended: its number, the catalog and its listing, and the stamp of the store before it.

        `absent` are registered environments that are not there.
        """

        def __init__(
            self, number: int, stamp: tuple[int, ...], catalog: Catalog, listing: Listing, absent: frozenset[str]
        ) -> None:
            super().__init__()
            self.number, self.stamp, self.catalog, self.listing = number, stamp, catalog, listing
            self.absent = absent

    class Stamped(Message):
        """The stamp of the store now, and the registered environments that are not there."""

        def __init__(self, stamp: tuple[int, ...], absent: frozenset[str]) -> None:
            super().__init__()
            self.stamp, self.absent = stamp, absent

    class Listed(Message):
        """Another listing of the same catalog, with the entries marked that jobs work on now."""

        def __init__(self, catalog: Catalog, listing: Listing) -> None:
            super().__init__()
            self.catalog, self.listing = catalog, listing

    def __init__(self, session: Session, app: App[None]) -> None:
        self._session = session
        self._store = session.store
        self._app = app
        self._looks = 0
        self._stamp: tuple[int, ...] = ()
        self._absent: frozenset[str] = frozenset()
        self._was_there = session.store.exists()
        self.is_reading = False
        self._is_checking = False

    def begin(self) -> None:
        """Post the catalog that the scan cache remembers, then read the store."""
        self._start(remembers=True)

    def look(self) -> None:
        """Read the store again."""
        self._start(remembers=False)

    def check(self) -> None:
        """Compare the store with the last reading: other programs change entries, registrations and environments.

        The check, too, runs in a thread: a network disk that hangs must not stop the app.
        """
        if self.is_reading or self._is_checking:
            return
        self._is_checking = True
        roots = list(self._session.catalog.shares) if self._session.catalog else []

        def work() -> None:
            self._app.post_message(self.Stamped(catalogs.stamp(self._store), _absent(roots)))

        threading.Thread(target=work, daemon=True).start()  # the app does not wait for it at its exit

    def is_outdated(self, event: Stamped) -> bool:
        """End a check. Return whether the store has changed since the last reading."""
        self._is_checking = False
        return not self.is_reading and (event.stamp != self._stamp or event.absent != self._absent)

    def is_last(self, event: Read) -> bool:
        """End a reading. Return whether it is the last one that was started."""
        if event.number != self._looks:
            return False
        self.is_reading = False
        self._stamp, self._absent = event.stamp, event.absent
        found = event.catalog
        self._was_there = self._was_there or (found.trouble is None and found.overview is not None)
        return True

    def mark(self, found: Catalog) -> None:
        """Post the listing of a catalog again, because other entries are being worked on now."""
        damaged, touched = self._session.damaged, self._session.touched

        def work() -> None:
            listing = entries.listing(found, damaged, touched)
            if not get_current_worker().is_cancelled:
                self._app.post_message(self.Listed(found, listing))

        self._app.run_worker(work, thread=True, exclusive=True, group="mark", description="mark")

    def _start(self, *, remembers: bool) -> None:
        self._looks += 1
        self.is_reading = True
        number = self._looks

        def work() -> None:
            memory = ScanCache(paths.cache(self._store.root)) if remembers else None
            remembered = catalogs.recall(self._store, memory) if memory else None
            if remembered is not None:
                self._show_first(remembered)
            stamp = catalogs.stamp(self._store)
            found = catalogs.read(self._store, was_there=self._was_there, memory=memory)
            noted = {name: verdict.flaws for name, verdict in found.verdicts.items()}
            self._session.verified = {**self._session.verified, **noted}
            listing = entries.listing(found, self._session.damaged, self._session.touched)
            self._app.post_message(self.Read(number, stamp, found, listing, _absent(found.shares)))

        self._app.run_worker(work, thread=True, exclusive=True, group="look", description="look")

    def _show_first(self, remembered: Catalog) -> None:
        """Post the remembered catalog, and wait until it is painted, 2 seconds at most.

        Painting and reading at once would slow each other down.
        """
        is_painted = threading.Event()
        self._app.post_message(self.Remembered(remembered, entries.listing(remembered, (), ()), is_painted))
        is_painted.wait(_MOST_SECONDS_FOR_PAINT)


def _absent(roots: Iterable[str]) -> frozenset[str]:
    return frozenset(root for root in roots if not os.path.lexists(root))
