"""Looks for unmet needs in all environments, in a thread, after each reading of the store. Posts them to the app."""

from __future__ import annotations

import time

from textual.message import Message
from textual.worker import get_current_worker

from pepip.operations import census, needs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from textual.app import App

    from pepip.operations.needs import UnmetNeed
    from pepip.tui.catalog import Catalog
    from pepip.tui.session import Session

_SECONDS_TO_REST = 0.002  # after each environment, for the keys


class NeedsCheck:
    """Checks on request. Call its methods in the app's own thread. A new check ends the one before."""

    class Ended(Message):
        """A check is over: the unmet needs of each environment that has any."""

        def __init__(self, unmet: Mapping[str, Sequence[UnmetNeed]]) -> None:
            super().__init__()
            self.unmet = unmet

    def __init__(self, session: Session, app: App[None]) -> None:
        self._app = app
        self._needs = needs.Needs(session.store)

    def begin(self, catalog: Catalog) -> None:
        """Check the environments of a catalog."""
        self._app.run_worker(
            lambda: self._check(catalog), thread=True, exclusive=True, group="needs", description="needs"
        )

    def _check(self, catalog: Catalog) -> None:
        worker = get_current_worker()
        unmet = {}
        for root, share in catalog.shares.items():
            known = share.known
            if known.state == census.OK:
                found = self._needs.unmet(root, known.python, known.packages)
                if found:
                    unmet[root] = found
            if worker.is_cancelled:
                return
            time.sleep(_SECONDS_TO_REST)
        self._app.post_message(self.Ended(unmet))
