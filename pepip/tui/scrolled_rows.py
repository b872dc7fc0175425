"""Rows of text that scroll below a line of titles, with a cursor on one row: the common part of table and matrix.

Only the visible lines are rendered, by `render_line` of the subclass.
"""

from __future__ import annotations

import textwrap
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.scroll_view import ScrollView
from textual.strip import Strip

from pepip.tui import styles
from pepip.tui.capped_height import capped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import TypeVar

    from rich.style import Style
    from textual.geometry import Size

    Key = TypeVar("Key")


class ScrolledRows(ScrollView, can_focus=True, inherit_bindings=False):
    """The rows. `verb` is the label of Enter. `empty_text` is shown if there is no row.

    While the widget has the focus, the line of keys also shows those in `shown_keys`, whose bindings are hidden.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("pagedown,ctrl+d", "page(1)", "Page down", show=False),
        Binding("pageup,ctrl+u", "page(-1)", "Page up", show=False),
        Binding("enter", "choose", "Detail", show=True, key_display="⏎"),
    ]

    def __init__(self, *, verb: str, id: str | None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id)
        self.verb = verb
        self.empty_text = ""
        self.shown_keys: Collection[str] = ()
        self._row = 0
        self._row_count = 0
        self._styles: dict[str, Style] = {}

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return the height of all rows and the titles, at most `max-height`."""
        return capped(self, super().get_content_height(container, viewport, width), container, viewport)

    @property
    def width(self) -> int:
        """The width of a line in terminal columns, without the scroll bar."""
        return self.scrollable_content_region.width

    @property
    def gets_keys(self) -> bool:
        """Whether the next key is for these rows. `has_focus` follows a moment later, when a message has arrived."""
        return self.screen.focused is self

    @property
    def _visible_rows(self) -> int:
        return max(1, self.scrollable_content_region.height - 1)

    def action_move(self, rows: int) -> None:
        """Move the cursor by a number of rows."""
        self._go(self._row + rows)

    def action_page(self, pages: int) -> None:
        """Move the cursor by a number of pages. One row of the page before stays visible."""
        self._go(self._row + pages * max(1, self._visible_rows - 1))

    def action_jump(self, row: int) -> None:
        """Move the cursor to the first or the last row."""
        self._go(self._row_count - 1 if row < 0 else row)

    def _go(self, row: int) -> None:
        self._row = max(0, min(self._row_count - 1, row))
        self._settle()

    def _settle(self) -> None:
        """Scroll to the row of the cursor."""
        top = round(self.scroll_y)
        if self._row < top:
            self.scroll_to(y=self._row, animate=False, force=True)
        elif self._row >= top + self._visible_rows:
            self.scroll_to(y=self._row - self._visible_rows + 1, animate=False, force=True)
        self.refresh()

    def _empty_line(self, y: int) -> Strip:
        """Return a line of the empty widget: the text is below the titles, in as many lines as it needs."""
        lines = ["", *textwrap.wrap(self.empty_text, max(10, self.width - 3))]
        text = f"  {lines[y]}" if 0 < y < len(lines) else ""
        return Strip([Segment(sized(text, self.width), self._style("muted"))])

    def _style(self, tone: str) -> Style:
        if tone not in self._styles:
            self._styles[tone] = self.rich_style + styles.of(self.app)[tone]
        return self._styles[tone]

    def notify_style_update(self) -> None:
        """Forget the colours of the previous theme."""
        super().notify_style_update()
        self._styles.clear()

    def watch_has_focus(self, has_focus: bool) -> None:
        """Repaint the cursor when the focus comes or goes."""
        super().watch_has_focus(has_focus)
        self.refresh()


def toggled(marks: set[Key], keys: set[Key]) -> set[Key]:
    """Return the marks with these keys added, or removed if all of them are marked."""
    return marks - keys if keys <= marks else marks | keys


def sized(text: str, width: int, *, is_right: bool = False) -> str:
    """Return text in exactly `width` columns. A cut text ends in an ellipsis."""
    length = cell_len(text)
    if length > width:
        return set_cell_size(text, width - 1) + "…" if width > 1 else set_cell_size(text, width)
    return " " * (width - length) + text if is_right else text + " " * (width - length)
