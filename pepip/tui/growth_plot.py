"""The plot of the store's size over 30, 90 or 365 days, with a notch for each prune."""

from __future__ import annotations

import datetime
import itertools

from rich.cells import cell_len
from rich.text import Text

from pepip.operations import growth
from pepip.tui import formatting
from pepip.tui.bars import ClickTarget, Line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events

    from pepip.operations.growth import Day
    from pepip.tui.catalog import Catalog

_BLOCKS = " ▁▂▃▄▅▆▇█"
_SCALE = 9  # columns of the figures at the left


class GrowthPlot(Line):
    """The plot. A click on a period shows it."""

    def __init__(self) -> None:
        super().__init__(id="growth")
        self.period = growth.PERIODS[0]
        self.catalog: Catalog | None = None

    def show(self, catalog: Catalog, rows: int) -> None:
        """Show the growth in `rows` rows. Hide the plot if there are no rows, or fewer than two samples."""
        self.catalog = catalog
        self.display = rows > 0 and len(catalog.growth.samples) > 1 and catalog.overview is not None
        self.styles.height = rows + 2
        self.refresh()

    def turn(self) -> None:
        """Show the next period."""
        at = growth.PERIODS.index(self.period)
        self.period = growth.PERIODS[(at + 1) % len(growth.PERIODS)]
        self.refresh()

    async def press(self, action: str) -> None:
        """Show the clicked period."""
        self.period = int(action)
        self.refresh()

    def render(self) -> Text:
        """Return the title with the periods, the plot, and the line of days."""
        text = Text(no_wrap=True, end="")
        if self.catalog is None or self.catalog.overview is None:
            return text
        now = growth.sample_of(self.catalog.overview.savings)
        days = growth.days(self.catalog.growth, self.period, now)
        width = max(10, self.size.width - _SCALE - 3)
        self._title(text, days)
        rows = max(1, self.size.height - 2)
        lines, peak = plot(days, width, rows)
        for number, line in enumerate(lines):
            scale = formatting.size(peak) if number == 0 else ""
            text.append(f" {scale:>{_SCALE}} ", self.style_of("muted"))
            text.append(f"{line}\n", self.style_of("accent"))
        first = datetime.date(1970, 1, 1) + datetime.timedelta(days=days[0].number)
        text.append(f"{first.isoformat():<{_SCALE + 2}}{_below(days, width)}", self.style_of("muted"))
        return text

    def _title(self, text: Text, days: Sequence[Day]) -> None:
        self.click_targets = []
        text.append(" on disk", self.style_of("name"))
        text.append(", last" if self.size.width >= 60 else "")
        for period in growth.PERIODS:
            text.append(" ")
            start = cell_len(text.plain)
            text.append(f" {period} ", self.style_of("cursor" if period == self.period else "accent"))
            self.click_targets.append(ClickTarget(start, cell_len(text.plain), str(period)))
        text.append(" days")
        prunes = [prune for day in days for prune in day.prunes]
        if prunes and self.size.width >= 60:
            freed = formatting.size(sum(prune.freed_bytes for prune in prunes))
            text.append(f"  ╵ {formatting.count(len(prunes), 'prune')} freed {freed}", self.style_of("muted"))
        text.append("\n")

    async def on_click(self, event: events.Click) -> None:
        """Show the clicked period. A click below the title does nothing."""
        if event.y == 0:
            await super().on_click(event)


def plot(days: Sequence[Day], width: int, rows: int) -> tuple[list[str], int]:
    """Return the plot of days in `width` columns and `rows` lines, and the bytes at its upper edge.

    A column that stands for several days shows their largest size. Days before the first sample are empty.
    """
    sizes = [max(sizes_of(group), default=-1) for group in columns(days, width)]
    peak = max(sizes, default=0)
    steps = [0 if size < 0 else max(1, round(size * rows * 8 / peak)) if peak else 1 for size in sizes]
    lines = [
        "".join(_BLOCKS[max(0, min(8, step - 8 * (rows - 1 - number)))] for step in steps) for number in range(rows)
    ]
    return lines, max(0, peak)


def columns(days: Sequence[Day], width: int) -> list[Sequence[Day]]:
    """Return the days of each column. With fewer days than columns, a day has several columns."""
    if len(days) <= width:
        return [[days[number * len(days) // width]] for number in range(width)]
    edges = [number * len(days) // width for number in range(width + 1)]
    return [days[first:last] for first, last in itertools.pairwise(edges)]


def sizes_of(group: Sequence[Day]) -> list[int]:
    """Return the sizes of the days that have a sample."""
    return [day.sample.on_disk_bytes for day in group if day.sample is not None]


def _below(days: Sequence[Day], width: int) -> str:
    """Return the line below the plot: a notch below each day with a prune."""
    groups = columns(days, width)
    line = ""
    for number, group in enumerate(groups):
        is_first = number == 0 or group[0].number != groups[number - 1][0].number
        line += "╵" if is_first and any(day.prunes for day in group) else "─"
    return line
