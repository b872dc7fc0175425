"""Reads the store in threads, while the user works. Hands each result over to the app's own thread."""

from __future__ import annotations

import threading

from textual.worker import get_current_worker

from pepip import paths
from pepip.store.scan_cache import ScanCache
from pepip.tui import catalog as catalogs
from pepip.tui import entries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pepip.store.root import Store
    from pepip.tui.app import PepipApp
    from pepip.tui.catalog import Catalog
    from pepip.tui.entries import Listing


_MOST_SECONDS_FOR_PAINT = 2.0


class Scanner:
    """Reads the store on request, and when it changed on disk. `show` gets each catalog with its listing.

    Call its methods in the app's own thread. If two readings overlap, only the later one counts.
    """

    def __init__(self, app: PepipApp, store: Store, show: Callable[[Catalog, Listing], None]) -> None:
        self._app = app
        self._store = store
        self._show = show
        self._looks = 0
        self._stamp: tuple[int, ...] = ()
        self._was_there = store.exists()
        self.is_reading = False
        self._is_checking = False

    def begin(self) -> None:
        """Show the catalog that the scan cache remembers, then read the store."""
        self._start(remembers=True)

    def look(self) -> None:
        """Read the store again."""
        self._start(remembers=False)

    def check(self) -> None:
        """Read the store again if entries or registrations came or went, whichever program changed them.

        The check, too, runs in a thread: a network disk that hangs must not stop the app.
        """
        if self.is_reading or self._is_checking:
            return
        self._is_checking = True

        def work() -> None:
            stamp = catalogs.stamp(self._store)
            self._app.hand_over(lambda: self._compare(stamp))

        threading.Thread(target=work, daemon=True).start()  # the app does not wait for it at its exit

    def _compare(self, stamp: tuple[int, ...]) -> None:
        self._is_checking = False
        if not self.is_reading and stamp != self._stamp:
            self._app.look_again()

    def mark(self, found: Catalog, show: Callable[[Listing], None]) -> None:
        """Build the listing of a catalog again, because other entries are being worked on now."""
        damaged, touched = self._app.damaged, self._app.touched

        def work() -> None:
            listing = entries.listing(found, damaged, touched)
            if not get_current_worker().is_cancelled:
                self._app.hand_over(lambda: show(listing))

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
            listing = entries.listing(found, self._app.damaged, self._app.touched)
            self._app.hand_over(lambda: self._conclude(number, stamp, found, listing))

        self._app.run_worker(work, thread=True, exclusive=True, group="look", description="look")

    def _show_first(self, remembered: Catalog) -> None:
        """Show the remembered catalog, and wait until it is painted, 2 seconds at most.

        Painting and reading at once would slow each other down.
        """
        rows = entries.listing(remembered, (), ())
        is_painted = threading.Event()

        def show() -> None:
            self._show(remembered, rows)
            self._app.call_after_refresh(is_painted.set)

        self._app.hand_over(show)
        is_painted.wait(_MOST_SECONDS_FOR_PAINT)

    def _conclude(self, number: int, stamp: tuple[int, ...], found: Catalog, listing: Listing) -> None:
        if number != self._looks:
            return
        self.is_reading = False
        self._stamp = stamp
        self._was_there = self._was_there or (found.trouble is None and found.overview is not None)
        self._show(found, listing)
