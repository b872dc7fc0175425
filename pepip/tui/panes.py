"""The panes, of which one is visible. A pane is made when it is shown for the first time."""

from __future__ import annotations

from typing import cast

from textual.app import ComposeResult
from textual.widgets import ContentSwitcher

from pepip.tui.store_pane import StorePane

TYPE_CHECKING = False
if TYPE_CHECKING:
    from textual.widget import Widget

    from pepip.tui.activity_pane import ActivityPane
    from pepip.tui.job import Job
    from pepip.tui.projects_pane import ProjectsPane
    from pepip.tui.savings_pane import SavingsPane
    from pepip.tui.session import Session
    from pepip.tui.versions_pane import VersionsPane

_FOCUS = {
    "store": "#entries",
    "projects": "#environments",
    "savings": "#shared",
    "activity": "#jobs",
    "versions": "#matrix",
}


class Panes(ContentSwitcher):
    """The panes. `here` is the name of the visible one."""

    def __init__(self, session: Session) -> None:
        super().__init__(initial="store", id="panes")
        self.session = session
        self.here = "store"

    def compose(self) -> ComposeResult:
        """Make the store pane. The first catalog fills it."""
        yield StorePane(self.session)

    @property
    def list_here(self) -> Widget:
        """The list of the visible pane, which gets the focus."""
        return self.query_one(_FOCUS[self.here])

    @property
    def current_job(self) -> Job[object] | None:
        """The job under the cursor of the activity pane, None if another pane is visible."""
        return cast("ActivityPane", self._pane()).current if self.here == "activity" else None

    async def go_to(self, name: str) -> None:
        """Show a pane. Make it first if it was never shown."""
        if not self.query(f"#{name}"):
            made = _make(name, self.session)
            made.display = False
            await self.mount(made)
        self.current = self.here = name
        self.fill()

    def fill(self) -> None:
        """Update the visible pane. The store pane is always up to date."""
        pane, catalog = self._pane(), self.session.catalog
        if not pane.is_mounted:
            return
        if self.here == "activity":
            cast("ActivityPane", pane).show([*self.session.earlier, *self.session.queue.jobs])
        elif self.here == "projects" and catalog is not None:
            cast("ProjectsPane", pane).show(catalog, self.session.touched)
        elif self.here == "savings" and catalog is not None:
            cast("SavingsPane", pane).show(catalog, self.session.prunable)
        elif self.here == "versions" and catalog is not None:
            cast("VersionsPane", pane).show(catalog)

    def fill_unshared(self) -> None:
        """Update the list of environments that are not yet shared, if it is visible."""
        pane = self._pane()
        if self.here == "projects" and pane.is_mounted:
            cast("ProjectsPane", pane).show_unshared()

    def _pane(self) -> Widget:
        return self.query_one(f"#{self.here}")


def _make(name: str, session: Session) -> Widget:
    if name == "projects":
        from pepip.tui.projects_pane import ProjectsPane

        return ProjectsPane(session)
    if name == "savings":
        from pepip.tui.savings_pane import SavingsPane

        return SavingsPane()
    if name == "versions":
        from pepip.tui.versions_pane import VersionsPane

        return VersionsPane()
    from pepip.tui.activity_pane import ActivityPane

    return ActivityPane()
