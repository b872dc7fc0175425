"""The detail of one project: its facts, the needs that it lacks, and the list of its packages."""

from __future__ import annotations

import os

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from pepip import paths
from pepip.environment import purposes
from pepip.operations import census
from pepip.tui import formatting, project_rows
from pepip.tui.table import Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pepip.operations.needs import UnmetNeed
    from pepip.operations.savings import VenvShare
    from pepip.tui.catalog import Catalog

_SORTS = ("name", "version", "size", "others")


class ProjectDetail(Vertical):
    """The text and the list of packages. `sort_key` is the column that sorts the packages."""

    def __init__(self) -> None:
        super().__init__(id="project-detail")
        self.sort_key, self.is_descending = "name", False
        self._home = paths.user_home(os.environ)
        self._share: VenvShare | None = None
        self._catalog: Catalog | None = None
        self.environment = ""  # the one whose packages are listed

    def compose(self) -> ComposeResult:
        """Make the text and the list."""
        yield Static("", id="project-text")
        yield Table(project_rows.PACKAGES, can_mark=True, keeps_cursor=False, verb="In the store", id="packages")

    def on_mount(self) -> None:
        """Show the keys of packages, and the one that leads back: without room for both lists, a click can't."""
        self.packages.shown_keys = ("escape", "u")

    @property
    def packages(self) -> Table:
        """The list of packages."""
        return self.query_one("#packages", Table)

    @property
    def chosen(self) -> list[str]:
        """The marked packages, or else the package under the cursor if the list has the focus."""
        table = self.packages
        if self._share is None or not self._share.known.packages:
            return []  # the rows are entries: the names of the packages are not known
        if not table.marks and table.gets_keys and table.cursor_key:
            return [table.cursor_key]
        return sorted(table.marks)

    def show(
        self,
        share: VenvShare | None,
        catalog: Catalog | None,
        state: str,
        unmet_needs: Mapping[str, Sequence[UnmetNeed]],
    ) -> None:
        """Show a project of a catalog in a state (see `project_rows.state_of`). None empties the detail.

        `unmet_needs` are those of each environment that has any.
        """
        self._share, self._catalog = share, catalog
        text, table = self.query_one("#project-text", Static), self.packages
        if share is None or catalog is None:
            text.update("")
            table.empty_text = ""
            table.show(())
            return
        known = share.known
        text.update(self._text(share, state, unmet_needs.get(known.environment, ())))
        if self.environment != known.environment:
            table.marks = set()
            self.environment = known.environment
        table.empty_text = "unknown packages" if known.state != census.OK else "nothing installed"
        self._fill()

    def _text(self, share: VenvShare, state: str, unmet: Sequence[UnmetNeed]) -> Text:
        known = share.known
        shown = Text()
        shown.append(formatting.printable(formatting.short_path(known.name, self._home)), "bold")
        if known.purpose.kind != purposes.PROJECT:
            place = formatting.printable(formatting.short_path(known.environment, self._home))
            shown.append(f"\n{known.purpose.kind} in {place}", "dim")
        shown.append(f"\n{'Python ' + known.python if known.python else 'Python unknown'} · {state}", "")
        if known.reason and state == known.state:
            shown.append(f": {known.reason}")
        own = sum(not package.store_id for package in known.packages)
        shown.append(
            f"\n{len(known.entries or ())} linked, {formatting.count(own, 'private copy', 'private copies')}"
            f"\n{formatting.size(share.own_bytes)} now, {formatting.size(share.alone_bytes)} without pepip"
        )
        for need in unmet[:4]:
            instead = f"{need.found} is installed" if need.found else "not installed"
            shown.append(f"\n{need.name} needs {formatting.printable(need.requirement)}: {instead}", "italic")
        if len(unmet) > 4:
            shown.append(f"\nand {len(unmet) - 4} more: pepip pip check", "italic")
        return shown

    def _fill(self) -> None:
        if self._share is None or self._catalog is None:
            return
        table = self.packages
        table.sort_key, table.is_descending = self.sort_key, self.is_descending
        table.show(
            project_rows.packages_of(self._share, self._catalog, key=self.sort_key, is_descending=self.is_descending)
        )

    def sort_by(self, key: str) -> None:
        """Sort the packages by a column. If they are sorted by it already, reverse the order."""
        self.is_descending = not self.is_descending if key == self.sort_key else key in {"size", "others"}
        self.sort_key = key
        self._fill()
        self.packages.stay_at_top()

    def sort_by_next(self) -> None:
        """Sort the packages by the next column."""
        self.sort_by(_SORTS[(_SORTS.index(self.sort_key) + 1) % len(_SORTS)])
