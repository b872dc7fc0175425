"""Searches for environments that do not link the store yet, in a thread. Posts each step to the app.

The search covers the folders in which tools keep environments, the folders above registered projects, and the folder
in which the app was started.
"""

from __future__ import annotations

import os
import time

from textual.message import Message
from textual.worker import get_current_worker

from pepip.operations import reporting
from pepip.tui import background

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable
    from typing import TypeVar

    from textual.app import App
    from textual.worker import Worker

    from pepip.operations.adoption.preview import AdoptionPreview
    from pepip.operations.reporting import Progress
    from pepip.tui.catalog import Catalog
    from pepip.tui.session import Session

    T = TypeVar("T")

_SECONDS_BETWEEN_MESSAGES = 0.3
_SECONDS_TO_REST = 0.002  # after each step, so that the app can answer keys


class UnsharedSearch:
    """The searches of one app. Call the methods in the app's own thread. A new search ends the one before."""

    class Progressed(Message):
        """The search has reached a folder or an environment."""

        def __init__(self, place: str) -> None:
            super().__init__()
            self.place = place

    class Ended(Message):
        """The search is over. `found` has the environments that are not registered."""

        def __init__(self, found: AdoptionPreview) -> None:
            super().__init__()
            self.found = found

    def __init__(self, session: Session, app: App[None]) -> None:
        self._session = session
        self._app = app
        self._known: Collection[str] | None = None

    def forget(self) -> None:
        """Let the next update search again."""
        self._known = None

    def update(self, catalog: Catalog) -> None:
        """Search at the first catalog, and again when environments were registered or forgotten."""
        if self._known is None or self._known != catalog.shares.keys():
            self.begin(catalog)

    def begin(self, catalog: Catalog) -> None:
        """Search now. `catalog` has the registered environments."""
        known = self._known = set(catalog.shares)
        places = {os.path.dirname(share.known.project) for share in catalog.shares.values()}
        background.run(
            self._app,
            lambda: self._search(known, places),
            group="unshared",
            # Else the app would say for ever that it searches.
            refused=lambda _: self._app.post_message(self.Progressed("")),
        )

    def _search(self, known: Collection[str], places: Iterable[str]) -> None:
        from pepip.operations.adoption import find_venvs, preview, survey_cache, tool_folders

        store = self._session.store
        worker = get_current_worker()
        folders = outermost([self._session.folder, *places, *tool_folders.known(os.environ)])
        try:
            found = self._follow(worker, find_venvs.discover(folders, left_out={os.path.realpath(store.root)}))
            taken = self._session.take_scan_cache() if store.exists() else None
            memory = taken or survey_cache.load(store)
            roots = [root for root in found.environments if root not in known]
            seen = self._follow(worker, preview.preview(store, roots, memory))
            memory.save()
            if store.exists():
                self._session.put_scan_cache_back(memory)
            if not worker.is_cancelled:
                self._app.post_message(self.Ended(seen))
        except _SearchEndedError:
            return

    def _follow(self, worker: Worker[None], operation: Generator[Progress, None, T]) -> T:
        """Run an operation to its end, and post its progress. Raises _SearchEndedError if a new search begins."""
        last_told = 0.0

        def show(step: Progress) -> None:
            nonlocal last_told
            if worker.is_cancelled:
                raise _SearchEndedError
            if time.monotonic() - last_told > _SECONDS_BETWEEN_MESSAGES:
                last_told = time.monotonic()
                self._app.post_message(self.Progressed(step.detail))
            time.sleep(_SECONDS_TO_REST)

        return reporting.follow(operation, show)


class _SearchEndedError(Exception):
    """Another search has begun."""


def outermost(folders: Iterable[str]) -> list[str]:
    """Return the existing folders, each once, without `/` and without folders below another one."""
    there = {os.path.realpath(folder) for folder in folders if os.path.isdir(folder)} - {"/"}
    return sorted(path for path in there if not any(path.startswith(f"{other}/") for other in there))
