"""The frame of a dialog. If its content is too high for the screen, its lists and long texts become lower.

Textual cuts off the last lines of a box that is too high. In a dialog, these are the buttons.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from textual.containers import Vertical
from textual.layouts.vertical import VerticalLayout

from pepip.tui.scroll_text import ScrollText
from pepip.tui.scrolled_rows import ScrolledRows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from textual.geometry import Size
    from textual.layout import ArrangeResult, WidgetPlacement
    from textual.widget import Widget

_LEAST_OF_LIST, _LEAST_OF_TEXT = 3, 1
"""The height that a list or a text keeps."""


class DialogBox(Vertical):
    """The frame. Its height grows with its content up to `max-height`."""

    @property
    def layout(self) -> _DialogLayout:
        """The layout."""
        return _LAYOUT

    @property
    def most_height(self) -> int:
        """The height of the content at most: `max-height` without the border."""
        limit, screen = self.styles.max_height, self.screen.size
        height = screen.height if limit is None else int(limit.resolve(screen, screen, Fraction(1)))
        return height - self.gutter.height


class _DialogLayout(VerticalLayout):
    """Places widgets one below the other. Lists give way to the other widgets, the highest list first."""

    name = "dialog"

    def arrange(self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True) -> ArrangeResult:
        """Return the placements of the widgets."""
        found = list(super().arrange(parent, children, size, greedy))
        if isinstance(parent, DialogBox) and found:
            excess = max(item.region.bottom + item.margin.bottom for item in found) - parent.most_height
            if excess > 0:
                return _lowered(found, excess)
        return found


_LAYOUT = _DialogLayout()


def _lowered(placements: list[WidgetPlacement], excess: int) -> list[WidgetPlacement]:
    """Return the placements with lists that are lower by `excess` lines together, as far as they can be."""
    lists = [item for item in placements if isinstance(item.widget, ScrolledRows | ScrollText)]
    cuts: dict[Any, int] = {}
    for item in sorted(lists, key=lambda item: -item.region.height):
        least = _LEAST_OF_LIST if isinstance(item.widget, ScrolledRows) else _LEAST_OF_TEXT
        cuts[item.widget] = max(0, min(excess, item.region.height - least))
        excess -= cuts[item.widget]
    moved, found = 0, []
    for item in placements:
        cut = cuts.get(item.widget, 0)
        region = item.region.translate((0, -moved))
        found.append(item._replace(region=region._replace(height=region.height - cut)))
        moved += cut
    return found
