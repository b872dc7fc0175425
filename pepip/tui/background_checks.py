"""Previews a prune and finds unmet needs, in a thread after each reading of the store. Posts both to the app.

First it deletes entries whose time in the trash is over.
"""

from __future__ import annotations

import contextlib
import time

from textual.message import Message
from textual.worker import get_current_worker

from pepip.errors import PepipError
from pepip.operations import census
from pepip.tui import background

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from textual.app import App

    from pepip.operations.needs import Needs, UnmetNeed
    from pepip.operations.prune import PrunePreview
    from pepip.tui.catalog import Catalog
    from pepip.tui.session import Session

_SECONDS_TO_REST = 0.002  # after each environment, so that the app can answer keys


class BackgroundChecks:
    """The checks of one app. Call the methods in the app's own thread. A new check ends the one before."""

    class PrunePreviewed(Message):
        """The preview of a prune of all orphans is ready."""

        def __init__(self, preview: PrunePreview) -> None:
            super().__init__()
            self.preview = preview

    class NeedsFound(Message):
        """The unmet needs are known, by the environments that have any."""

        def __init__(self, unmet: Mapping[str, Sequence[UnmetNeed]]) -> None:
            super().__init__()
            self.unmet = unmet

    def __init__(self, session: Session, app: App[None]) -> None:
        self._app = app
        self._store = session.store
        self._needs: Needs | None = None

    def begin(self, catalog: Catalog) -> None:
        """Check the entries and environments of a catalog."""
        background.run(self._app, lambda: self._check(catalog), group="checks")

    def _check(self, catalog: Catalog) -> None:
        # These import the parsers of METADATA and of requirements. The first paint does not wait for them.
        from pepip.operations import needs, prune
        from pepip.store import trash

        worker = get_current_worker()
        self._needs = self._needs or needs.Needs(self._store)
        if catalog.overview is not None:
            with contextlib.suppress(PepipError, OSError):
                trash.expire(self._store)
            with contextlib.suppress(PepipError, OSError):
                preview = prune.preview(self._store, prune.PruneOptions(), catalog.overview.census)
                if worker.is_cancelled:  # a newer catalog has its own check
                    return
                self._app.post_message(self.PrunePreviewed(preview))
        unmet: dict[str, Sequence[UnmetNeed]] = {}
        for root, share in catalog.shares.items():
            known = share.known
            if known.state == census.OK:
                with contextlib.suppress(PepipError, OSError):  # the disk of this environment is away
                    unmet[root] = self._needs.unmet(root, known.python, known.packages)
            if worker.is_cancelled:
                return
            time.sleep(_SECONDS_TO_REST)
        self._app.post_message(self.NeedsFound({root: needs for root, needs in unmet.items() if needs}))
