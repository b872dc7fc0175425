"""Reads the store in threads while the user works, and posts each result to the app."""

from __future__ import annotations

import contextlib
import os
import threading
import time

from textual.message import Message
from textual.worker import get_current_worker

from pepip import paths
from pepip.environment import journal
from pepip.operations import census
from pepip.store.scan_cache import ScanCache
from pepip.tui import background, entries
from pepip.tui import catalog as catalogs
from pepip.tui.session import Session, damaged_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from textual.app import App

    from pepip.tui.catalog import Catalog
    from pepip.tui.entries import Listing

    Places = dict[str, dict[str, int]]
    """For each environment, its site-packages folders with their modification times; -1 if a folder is missing."""

_MOST_SECONDS_FOR_PAINT = 2.0

_REST, _MOST_SECONDS_OF_REST = 20, 30.0
"""The app does not look for changes again before so many times the duration of the last reading, 30 s at most."""


class Scanner:
    """Reads the store.

    Call the methods in the app's own thread. If two readings overlap, only the later one counts.
    """

    class Remembered(Message):
        """The catalog of the last run, from the scan cache. The reading continues when `is_painted` is set."""

        def __init__(self, catalog: Catalog, listing: Listing, is_painted: threading.Event) -> None:
            super().__init__()
            self.catalog, self.listing, self.is_painted = catalog, listing, is_painted

    class Read(Message):
        """A reading has ended. `number` counts the readings.

        `stamp` is the stamp of the store before the reading. `places` has the folders of each registered environment
        with the times that they had when they were read. `seconds` is the duration of the reading. `touched` is what
        jobs worked on when the listing was made.
        """

        def __init__(
            self,
            number: int,
            stamp: tuple[int, ...],
            catalog: Catalog,
            listing: Listing,
            places: Places,
            *,
            seconds: float,
            touched: frozenset[str],
        ) -> None:
            super().__init__()
            self.number, self.stamp, self.catalog, self.listing = number, stamp, catalog, listing
            self.places, self.seconds, self.touched = places, seconds, touched

    class Stamped(Message):
        """The current stamp of the store, and the current times of the folders of the registered environments.

        `has_ended` tells whether a change to an environment has ended that was under way when it was read.
        """

        def __init__(self, stamp: tuple[int, ...], places: Places, *, has_ended: bool) -> None:
            super().__init__()
            self.stamp, self.places, self.has_ended = stamp, places, has_ended

    class Listed(Message):
        """A new listing of the same catalog: the entries that jobs work on have changed."""

        def __init__(self, catalog: Catalog, listing: Listing) -> None:
            super().__init__()
            self.catalog, self.listing = catalog, listing

    def __init__(self, session: Session, app: App[None]) -> None:
        self._session = session
        self._store = session.store
        self._app = app
        self._readings = 0
        self._stamp: tuple[int, ...] = ()
        self._places: Places = {}
        self._was_there: bool | None = None  # the first reading finds out
        self.is_reading = False
        self._is_checking = False
        self._rests_until = 0.0
        self._marked: frozenset[str] = frozenset()

    def begin(self) -> None:
        """Post the catalog in the scan cache, then read the store."""
        self._start(remembers=True)

    def read_again(self) -> None:
        """Read the store again."""
        self._start(remembers=False)

    def check(self) -> None:
        """Find out in a thread whether another program has changed the store or an environment since it was read.

        A network disk may hang, and the app must not wait for it. After a long reading, this does nothing for a
        while: a run that changes an environment for minutes must not keep the app reading all the time.
        """
        if self.is_reading or self._is_checking or time.monotonic() < self._rests_until:
            return
        self._is_checking = True
        folders = {root: list(times) for root, times in self._places.items()}
        shares = self._session.catalog.shares if self._session.catalog else {}
        changing = [root for root, share in shares.items() if share.known.state == census.CHANGING]

        def work() -> None:
            has_ended = False
            with contextlib.suppress(OSError):
                has_ended = not all(map(journal.is_under_way, changing))
            now = self.Stamped(catalogs.stamp(self._store), _places_now(folders), has_ended=has_ended)
            self._app.post_message(now)

        threading.Thread(target=work, daemon=True).start()  # daemon: the app exits without waiting for it

    def is_outdated(self, event: Stamped) -> bool:
        """Take the result of a check. Return whether the store or an environment has changed since it was read."""
        self._is_checking = False
        is_changed = event.has_ended or event.stamp != self._stamp or event.places != self._places
        return is_changed and not self.is_reading

    def is_last(self, event: Read) -> bool:
        """Take the result of a reading. Return whether no later reading was started."""
        if event.number != self._readings:
            return False
        self.is_reading = False
        self._stamp, self._places, self._marked = event.stamp, event.places, event.touched
        self._rests_until = time.monotonic() + min(_MOST_SECONDS_OF_REST, _REST * event.seconds)
        catalog = event.catalog
        self._session.verified = self._session.verified_in(catalog)
        self._was_there = self._was_there or (catalog.trouble is None and catalog.overview is not None)
        return True

    def mark_busy(self, catalog: Catalog) -> bool:
        """Post a new listing of a catalog if jobs now work on other entries than those that are marked.

        Return whether they do.
        """
        damaged, touched = self._session.damaged, self._session.touched
        if touched == self._marked:
            return False
        self._marked = touched

        def work() -> None:
            listing = entries.listing(catalog, damaged, touched)
            if not get_current_worker().is_cancelled:
                self._app.post_message(self.Listed(catalog, listing))

        background.run(self._app, work, group="mark")
        return True

    def _start(self, *, remembers: bool) -> None:
        self._readings += 1
        self.is_reading = True
        number = self._readings

        def work() -> None:
            if self._was_there is None:
                self._was_there = self._store.exists()
            memory = self._session.take_scan_cache() or ScanCache(paths.cache(self._store.root))
            remembered = catalogs.recall(self._store, memory) if remembers else None
            if remembered is not None:
                self._show_first(remembered)
            began = time.monotonic()
            stamp = catalogs.stamp(self._store)
            catalog = catalogs.read(self._store, was_there=self._was_there, memory=memory)
            places = _places_read(catalog.shares, memory.in_use("packages"))
            self._session.put_scan_cache_back(memory)
            damaged, touched = damaged_in(self._session.verified_in(catalog)), self._session.touched
            listing = entries.listing(catalog, damaged, touched)
            seconds = time.monotonic() - began
            self._app.post_message(
                self.Read(number, stamp, catalog, listing, places, seconds=seconds, touched=touched)
            )

        def refused(reason: str) -> None:
            catalog = catalogs.unreadable(self._store, reason)
            listing = entries.listing(catalog, (), ())
            self._app.post_message(self.Read(number, (), catalog, listing, {}, seconds=0.0, touched=frozenset()))

        background.run(self._app, work, group="look", refused=refused)

    def _show_first(self, remembered: Catalog) -> None:
        """Post the catalog of the last run, and wait until it is painted, 2 seconds at most.

        Painting and reading at the same time would slow down both.
        """
        is_painted = threading.Event()
        self._app.post_message(self.Remembered(remembered, entries.listing(remembered, (), ()), is_painted))
        is_painted.wait(_MOST_SECONDS_FOR_PAINT)


def _places_read(roots: Iterable[str], evidence: Mapping[str, list[list[Any]]]) -> Places:
    """Return the folders of environments with their times when a scan read them, from the scan's `evidence`.

    A scan has no evidence of an environment that it could not read. Then the environment's own folder stands for it,
    with its present time.
    """
    found: Places = {}
    for root in roots:
        rows = evidence.get(root)
        found[root] = dict(rows) if rows else {root: _modified_ns(root)}
    return found


def _places_now(folders: Mapping[str, Iterable[str]]) -> Places:
    """Return the folders of environments with their current times."""
    return {root: {folder: _modified_ns(folder) for folder in places} for root, places in folders.items()}


def _modified_ns(folder: str) -> int:
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return -1
