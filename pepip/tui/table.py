"""A table for thousands of rows: it renders only the visible lines.

`set_rows` takes all rows, with their cells as text. `set_view` takes the indices of the rows to show, in their order.
The cursor and the marks are kept by key, so they stay on their rows when the table is sorted or filtered.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from pepip.tui.columns import Column as Column
from pepip.tui.columns import FittedColumns
from pepip.tui.scrolled_rows import ScrolledRows, sized, toggled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events


_MARK = "✓"

_MOST_STRIPS = 300
"""Number of rendered lines that a table keeps, a few screens. Each takes some kB."""


class TableRow(NamedTuple):
    """A row: its key, and for each column a text and a tone (a name in `styles`, such as `muted`; or none)."""

    key: str
    cells: tuple[str, ...]
    tones: tuple[str, ...]


class Table(ScrolledRows):
    """The table. With `can_mark`, a click at the left edge of a row marks it, and so does `action_mark`.

    A click at the left edge of the titles marks all rows. With `keeps_cursor`, the cursor stays visible without the
    focus. `verb` is the label of Enter, which chooses a row. So does a double click or, with `is_quick`, a click.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("g,home", "jump(0)", "First", show=False),
        Binding("G,end", "jump(-1)", "Last", show=False),
    ]

    class Moved(Message):
        """The cursor is on another row. `key` is empty if there is no row."""

        def __init__(self, table: Table, key: str) -> None:
            super().__init__()
            self.table, self.key = table, key

        @property
        def control(self) -> Table:
            """The table."""
            return self.table

    class Resized(Message):
        """The table has another size, so it may cut other texts."""

    class Chosen(Moved):
        """A row was chosen by Enter or a click."""

    class Marked(Moved):
        """The marks changed."""

    class Sorted(Moved):
        """The title of a column was clicked. `key` is the key of the column."""

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        can_mark: bool = False,
        keeps_cursor: bool = True,
        is_quick: bool = False,
        verb: str = "Detail",
        id: str | None = None,  # noqa: A002 - textual's name
    ) -> None:
        super().__init__(verb=verb, id=id)
        self.keeps_cursor = keeps_cursor
        self.columns = columns
        self.can_mark = can_mark
        self.is_quick = is_quick
        self.sort_key = ""
        self.is_descending = False
        self.marks: set[str] = set()
        self.cursor_key = ""
        self._rows: Sequence[TableRow] = ()
        self._indices: dict[str, int] = {}
        self._view: Sequence[int] = ()
        self._fit: FittedColumns | None = None  # unknown until the first rows come
        self._was_at_top = True
        self._heir = ""  # the key of the row that gets the cursor, if its own row is gone
        self._strips: dict[tuple[str, bool, bool, int], Strip] = {}

    # Display

    def show(self, rows: Sequence[TableRow]) -> None:
        """Replace the rows, and show all of them."""
        self.set_rows(rows)
        self.set_view(range(len(rows)))

    def set_rows(self, rows: Sequence[TableRow]) -> None:
        """Replace the rows. The table shows none of them before the next `set_view`.

        The cursor and the marks keep their keys. Marks of rows that are gone are dropped. If the row of the cursor is
        gone, the cursor goes to the next row that is still there, or else to the one before.
        """
        before = [self._rows[index].key for index in self._view] if self._row else []
        self._rows = rows
        self._indices = {row.key: index for index, row in enumerate(rows)}
        if self.cursor_key not in self._indices:
            nearest = (*before[self._row :], *reversed(before[: self._row]))
            self._heir = next((key for key in nearest if key in self._indices), "")
        self.marks &= self._indices.keys()
        self._strips.clear()
        self._fit = FittedColumns(self.columns, [row.cells for row in rows])
        self._view, self._row_count = (), 0

    def set_view(self, view: Sequence[int]) -> None:
        """Show the rows with these indices, in this order. The cursor stays on its row if that row is still shown."""
        self._was_at_top = self._row == 0
        self._view, self._row_count = view, len(view)
        self.virtual_size = Size(0, len(view) + 1)
        index = self._indices.get(self.cursor_key, self._indices.get(self._heir, -1))
        if index in view:
            self._go(view.index(index))
        else:
            self._go(self._row if index >= 0 else 0)

    @property
    def view(self) -> Sequence[int]:
        """The indices of the shown rows, in their order."""
        return self._view

    @property
    def _margin(self) -> int:
        return 2 if self.can_mark else 1

    @property
    def keys(self) -> list[str]:
        """The keys of the shown rows, in their order."""
        return [self._rows[index].key for index in self._view]

    @property
    def shown_columns(self) -> list[tuple[int, Column, int]]:
        """The columns that fit, each with its index and its current width. Empty until the first rows come."""
        return self._fit.shown(self.width - self._margin) if self._fit else []

    @property
    def is_cutting(self) -> bool:
        """Whether the table cuts a text of any row."""
        return any(self._cut(row) for row in self._rows)

    @property
    def cut_here(self) -> list[str]:
        """The texts in the row under the cursor that the table cuts."""
        return self._cut(self._rows[self._view[self._row]]) if self._view else []

    def _cut(self, row: TableRow) -> list[str]:
        return [row.cells[number] for number, _, width in self.shown_columns if cell_len(row.cells[number]) > width]

    def put_cursor(self, key: str) -> None:
        """Move the cursor to a row, if it is shown."""
        index = self._indices.get(key, -1)
        if index in self._view:
            self._go(self._view.index(index))

    # Moving and marking

    def stay_at_top(self) -> None:
        """Move the cursor to the first row if it was there before the last `set_view`."""
        if self._was_at_top:
            self.action_jump(0)

    def action_choose(self) -> None:
        """Choose the row under the cursor."""
        if self.cursor_key:
            self.post_message(self.Chosen(self, self.cursor_key))

    def action_mark(self) -> None:
        """Mark or unmark the row under the cursor, and move to the next row."""
        if self.can_mark and self.cursor_key:
            self.marks ^= {self.cursor_key}
            self.action_move(1)
            self._tell_marks()

    def action_mark_all(self) -> None:
        """Mark all shown rows. If all of them are marked already, unmark them."""
        if self.can_mark:
            self.marks = toggled(self.marks, set(self.keys))
            self._tell_marks()

    def unmark(self) -> None:
        """Remove all marks, also those of rows that are not shown."""
        if self.marks:
            self.marks = set()
            self._tell_marks()

    def _tell_marks(self) -> None:
        self.refresh()
        self.post_message(self.Marked(self, self.cursor_key))

    def _settle(self) -> None:
        """Set `cursor_key` to the row of the cursor, and scroll to that row. Post `Moved` if the key changes."""
        before = self.cursor_key
        self.cursor_key = self._rows[self._view[self._row]].key if self._view else ""
        super()._settle()
        if self.cursor_key != before:
            self.post_message(self.Moved(self, self.cursor_key))

    # The mouse

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to the clicked row, or sort by the clicked title.

        A click at the left edge also marks the row, or all rows. A double click chooses a row.
        """
        offset = event.get_content_offset(self)
        if offset is None:
            return
        if offset.y == 0 and self.can_mark and offset.x < self._margin:
            self.action_mark_all()
            return
        if offset.y == 0:
            column = self._column_at(offset.x)
            if column is not None:
                self.post_message(self.Sorted(self, column.key))
            return
        row = round(self.scroll_y) + offset.y - 1
        if row >= self._row_count:
            return
        self._go(row)
        if self.can_mark and offset.x < self._margin:
            self.marks ^= {self.cursor_key}
            self._tell_marks()
        elif event.chain == 2 or self.is_quick:
            self.action_choose()

    def _column_at(self, x: int) -> Column | None:
        left = self._margin
        for _, column, width in self.shown_columns:
            if left <= x < left + width + 2:
                return column
            left += width + 2
        return None

    # Painting

    def notify_style_update(self) -> None:
        """Forget the colours of the previous theme."""
        super().notify_style_update()
        self._strips.clear()

    def on_resize(self) -> None:
        """Keep the cursor visible."""
        self._strips.clear()
        self._settle()
        self.post_message(self.Resized())

    def render_line(self, y: int) -> Strip:
        """Return one line: the titles first, then the visible rows."""
        if y == 0:
            return self._titles()
        if not self._view:
            return self._empty_line(y)
        position = round(self.scroll_y) + y - 1
        if position >= self._row_count:
            return Strip.blank(self.width, self.rich_style)
        row = self._rows[self._view[position]]
        is_cursor = position == self._row
        state = (row.key, is_cursor, row.key in self.marks, self.width + (1000 if self.has_focus else 0))
        if state not in self._strips:
            if len(self._strips) > _MOST_STRIPS:
                self._strips.clear()
            self._strips[state] = self._painted(row, is_cursor=is_cursor)
        return self._strips[state]

    def _titles(self) -> Strip:
        style = self._style("title")
        if self._fit is None:
            return Strip.blank(self.width, style)
        mark = _MARK if self.can_mark else " "
        segments = [Segment(f"{mark:<{self._margin}}", style)]
        for _, column, width in self.shown_columns:
            is_sorted = column.title and column.key == self.sort_key
            arrow = ("↓" if self.is_descending else "↑") if is_sorted else " "  # beside the title, between columns
            title = sized(column.title, width, is_right=column.is_right)
            after = title[len(title.rstrip()) :]
            segments.append(Segment(f"{title.rstrip()}{arrow}{after} ", style))
        return Strip(segments).adjust_cell_length(self.width, style)

    def _painted(self, row: TableRow, *, is_cursor: bool) -> Strip:
        over = None
        if is_cursor and (self.has_focus or self.keeps_cursor):
            over = self._style("cursor" if self.has_focus else "resting")
        plain = over or self.rich_style
        segments = []
        mark = _MARK if row.key in self.marks else " "
        segments.append(Segment(f"{mark:<{self._margin}}", over or self._style("key")))
        for number, column, width in self.shown_columns:
            tone = row.tones[number]
            style = over if over is not None else (self._style(tone) if tone else plain)
            segments.append(Segment(_cell(row.cells[number], width, column) + "  ", style))
        return Strip(segments).adjust_cell_length(self.width, plain)


def _cell(text: str, width: int, column: Column) -> str:
    if column.keeps_both_ends and cell_len(text) > width > 2:
        end = set_cell_size(text[::-1], (width - 1) // 2)[::-1]
        text = f"{set_cell_size(text, width - 1 - cell_len(end))}…{end}"
    elif column.keeps_end and cell_len(text) > width > 1:
        while cell_len(text) > width - 1:
            text = text[1:]
        text = f"…{text}"
    return sized(text, width, is_right=column.is_right)
