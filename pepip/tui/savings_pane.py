"""The savings pane: the sums, the most shared entries, and the packages with several versions."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from pepip.operations.growth import PERIODS
from pepip.tui import formatting
from pepip.tui.growth_plot import GrowthPlot
from pepip.tui.messages import EntryWanted
from pepip.tui.table import Column, Table, TableRow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.operations.prune import PrunePreview
    from pepip.tui.catalog import Catalog

_BAR = 10
SHARED = (
    Column("name", "Most shared", 0),
    Column("version", "Version", 16, from_width=46),
    Column("bar", "", _BAR, from_width=64),
    Column("users", "Projects", 8, is_right=True),
    Column("saved", "Saved", 9, is_right=True),
)
VERSIONS = (
    Column("name", "Several versions", 0),
    Column("versions", "Versions", 0, from_width=36),
    Column("size", "Size", 9, is_right=True),
)


_LOW = 24
_ROWS_OF_PLOT = {2: 2, 3: 5}
"""Rows of the plot of growth by the height of the screen, in dozens of lines."""

_ROWS_INSTEAD = 4
"""Rows of the plot on a lower screen, where it replaces the figures."""


class SavingsPane(Vertical):
    """The figures and two lists. Choosing a row shows the package in the store pane."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l,right", "app.focus_next", "Next list", show=False),
        Binding("h,left", "app.focus_previous", "Previous list", show=False),
        Binding("w", "period", "Period", tooltip="Show the growth of 30, 90 or 365 days"),
        Binding("y", "copy", "Copy", show=False, tooltip="Copy the command that shows the savings"),
    ]

    def __init__(self) -> None:
        super().__init__(id="savings")
        self.catalog: Catalog | None = None
        self._prunable: PrunePreview | None = None
        self._shows_growth = False

    def compose(self) -> ComposeResult:
        """Make the figures and the two lists."""
        yield Static("", id="savings-text")
        yield GrowthPlot()
        with Horizontal(id="savings-split"):
            yield Table(SHARED, verb="In the store", id="shared")
            yield Table(VERSIONS, verb="In the store", id="several")

    def show(self, catalog: Catalog, prunable: PrunePreview | None) -> None:
        """Show the figures of a catalog and, if it is ready, of the preview of a prune."""
        self.catalog, self._prunable, overview = catalog, prunable, catalog.overview
        if overview is None:
            return
        sums = overview.savings
        width = max(10, min(48, self.size.width - 40)) if self.size.width else 40
        most = max(sums.without_sharing_bytes, sums.with_hard_links_bytes, sums.on_disk_bytes, 1)
        text = Text()
        for title, figure, style in (
            ("without sharing", sums.without_sharing_bytes, "dim"),
            ("with uv's hard links", sums.with_hard_links_bytes, "dim"),
            ("on disk, with pepip", sums.on_disk_bytes, "bold"),
            ("  a prune frees", prunable.freed_bytes if prunable else -1, ""),
        ):
            shown = formatting.size(figure) if figure >= 0 else "…"
            text.append(f" {title:<21} {shown:>9}  ", style)
            text.append(formatting.bar(figure / most, width) + "\n", style)
        if prunable and prunable.shared_bytes:
            title = "  more in uv's cache"
            text.append(f" {title:<21} {formatting.size(prunable.shared_bytes):>9}  ", "dim")
            text.append(formatting.bar(prunable.shared_bytes / most, width) + "\n", "dim")
        rows = _ROWS_OF_PLOT.get(min(3, self.app.size.height // 12), 0)
        is_instead = not rows and self._shows_growth and len(catalog.growth.samples) > 1
        self.query_one(GrowthPlot).show(catalog, _ROWS_INSTEAD if is_instead else rows)
        self.query_one("#savings-text").display = not is_instead
        self.refresh_bindings()
        steps = [
            (stored.stored_at, overview.sizes[stored.id]) for stored in overview.census.stored if stored.stored_at
        ]
        has_plot = self.query_one(GrowthPlot).display
        if len({formatting.day(when) for when, _ in steps}) > 1 and self.app.size.height > 20 and not has_plot:
            since = f"since {formatting.day(min(steps)[0])}"
            text.append(f" {since:<31}  {formatting.growth(steps, width)}\n", "dim")
        times = formatting.factor(sums.without_sharing_bytes, sums.on_disk_bytes)
        text.append(
            f" {formatting.count(sums.entries, 'entry', 'entries')}, {formatting.count(sums.projects, 'environment')}"
            + (f": {times} less than without sharing" if times and self.size.width > 70 else ""),
            "dim",
        )
        self.query_one("#savings-text", Static).update(text)
        self._show_shared(catalog)
        self._show_versions(catalog)

    def _show_shared(self, catalog: Catalog) -> None:
        overview = catalog.overview
        assert overview is not None
        copied = Counter(
            package.source_id
            for known in overview.census.projects
            for package in known.packages
            if package.mode in {"clone", "copy"}
        )
        counts = {entry_id: len(users) - copied[entry_id] for entry_id, users in catalog.users.items()}
        found = [
            (overview.sizes[entry_id] * (users - 1), entry_id, users)
            for entry_id, users in counts.items()
            if users > 1 and entry_id in overview.sizes
        ]
        found.sort(key=lambda item: (-item[0], item[1]))
        largest = found[0][0] if found else 1
        rows = [
            TableRow(
                entry_id,
                (
                    formatting.printable(catalog.stored[entry_id].name),
                    formatting.printable(catalog.stored[entry_id].version),
                    formatting.bar(saved / largest, _BAR),
                    f"{users:,}",
                    formatting.size(saved),
                ),
                ("name", "muted", "accent", "", "good"),
            )
            for saved, entry_id, users in found[:300]
        ]
        table = self.query_one("#shared", Table)
        table.empty_text = "no two environments link the same version yet"
        table.show(rows)

    def _show_versions(self, catalog: Catalog) -> None:
        overview = catalog.overview
        assert overview is not None
        by_name: dict[str, list[str]] = {}
        for stored in overview.census.stored:
            by_name.setdefault(stored.name, []).append(stored.id)
        found = [
            (sum(overview.sizes[entry_id] for entry_id in ids), name, ids)
            for name, ids in by_name.items()
            if len({catalog.stored[entry_id].version for entry_id in ids}) > 1
        ]
        found.sort(key=lambda item: (-item[0], item[1]))
        rows = [
            TableRow(
                name,
                (
                    formatting.printable(name),
                    formatting.printable(
                        ", ".join(dict.fromkeys(catalog.stored[entry_id].version for entry_id in ids))
                    ),
                    formatting.size(size_bytes),
                ),
                ("name", "muted", ""),
            )
            for size_bytes, name, ids in found[:300]
        ]
        table = self.query_one("#several", Table)
        table.empty_text = "no package has several versions"
        table.show(rows)

    def on_table_chosen(self, event: Table.Chosen) -> None:
        """Show the package in the store pane."""
        event.stop()
        stored = self.catalog.stored.get(event.key) if self.catalog else None
        self.post_message(EntryWanted(stored.name if stored else event.key, event.key))

    def on_resize(self) -> None:
        """Draw the bars and the plot for the new size."""
        self.call_after_refresh(self._show_again)

    def _show_again(self) -> None:
        if self.catalog is not None:
            self.show(self.catalog, self._prunable)  # as they are now: other figures may have come meanwhile

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable `period` while there are fewer than two samples."""
        if action == "period":
            return self.catalog is not None and len(self.catalog.growth.samples) > 1
        return super().check_action(action, parameters)

    def action_period(self) -> None:
        """Show the growth of the next period. On a low screen, figures replace the plot only after the last one."""
        plot = self.query_one(GrowthPlot)
        if self.app.size.height >= _LOW or (self._shows_growth and plot.period != PERIODS[-1]):
            plot.turn()
        elif self.catalog is not None:
            plot.period, self._shows_growth = PERIODS[0], not self._shows_growth
            self.show(self.catalog, self._prunable)

    def action_copy(self) -> None:
        """Copy the command that shows the savings, or their growth if that is visible."""
        plot = self.query_one(GrowthPlot)
        command = f"pepip savings --growth --days {plot.period}" if plot.display else "pepip savings"
        self.app.copy_to_clipboard(command)
        self.app.notify(command, title="Copied", markup=False)
