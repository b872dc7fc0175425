"""A table for thousands of rows: it renders only the visible lines.

`set_rows` takes all rows, with their cells as text. `set_view` takes the indices of the rows to show, in their order.
The cursor and the marks are kept by key, so they stay on their rows when the table is sorted or filtered.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from rich.cells import cell_len
from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from pepip.tui.scrolled_rows import ScrolledRows, sized, toggled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from textual import events


_LEAST = 8
"""The least width of a column that takes the space that is left."""

_LEGIBLE = 20
"""A column of width 0 that is always shown gets so much room, if it needs that, before optional columns get any."""

_USUAL = 0.95
"""The share of the texts of a column that decides whether the column fits. A few longer ones may be cut."""

_MOST_STRIPS = 300
"""Number of rendered lines that a table keeps, a few screens. Each takes some kB."""


class Column(NamedTuple):
    """A column. It is as wide as its content, at most `width`. A `width` of 0 takes the space that is left.

    The column is shown if a row has room for at least `from_width` characters, and if the columns with a smaller
    `from_width` keep enough room for most of their texts. A text that is too long loses its end or, with `keeps_end`,
    its start.
    """

    key: str
    title: str
    width: int
    is_right: bool = False
    from_width: int = 0
    keeps_end: bool = False


class TableRow(NamedTuple):
    """A row: its key, and for each column a text and a tone (`muted`, `good`, `bad`, `warn`, `accent`, or none)."""

    key: str
    cells: tuple[str, ...]
    tones: tuple[str, ...]


class Table(ScrolledRows):
    """The table. With `can_mark`, a click at the left edge of a row marks it, and so does `action_mark`.

    With `keeps_cursor`, the cursor stays visible without the focus. `verb` is the label of Enter, which chooses.
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

    class Chosen(Moved):
        """A row was chosen by Enter or a double click."""

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
        verb: str = "Detail",
        id: str | None = None,  # noqa: A002 - textual's name
    ) -> None:
        super().__init__(verb=verb, id=id)
        self.keeps_cursor = keeps_cursor
        self.columns = columns
        self.can_mark = can_mark
        self.sort_key = ""
        self.is_descending = False
        self.marks: set[str] = set()
        self.cursor_key = ""
        self._rows: Sequence[TableRow] = ()
        self._indices: dict[str, int] = {}
        self._view: Sequence[int] = ()
        self._widths: list[int] = []  # unknown until the first rows come
        self._needs: list[int] = []
        self._usual: list[int] = []
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
        lengths = [sorted(len(row.cells[number]) for row in rows) for number in range(len(self.columns))]
        self._needs = [_needed(column, found[-1:]) for column, found in zip(self.columns, lengths, strict=True)]
        self._usual = [
            _needed(column, found[int(len(found) * _USUAL) :][:1])
            for column, found in zip(self.columns, lengths, strict=True)
        ]
        self._widths = [min(column.width, need) for column, need in zip(self.columns, self._needs, strict=True)]
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
        if not self._widths:
            return []
        room = self.width - self._margin
        chosen = self._fitting(room)
        widths = {number: self._least(number, column) for number, column in chosen}
        spare = room + 1 - sum(width + 2 for width in widths.values())
        wanting = {number: self._needs[number] - widths[number] for number, column in chosen if not column.width}
        free = spare - sum(max(0, lack) for lack in wanting.values())
        for number, column in chosen:  # what the others do not need completes the cut texts of this column
            more = max(0, min(free, self._widths[number] - widths[number])) if column.width else 0
            widths[number], free, spare = widths[number] + more, free - more, spare - more
        widths |= _shared(spare, {number: widths[number] for number in wanting}, self._needs)
        return [(number, column, widths[number]) for number, column in chosen]

    def _fitting(self, room: int) -> list[tuple[int, Column]]:
        """Return the columns that have room, each with its index.

        Optional columns give way, the last ones first, until the other columns are legible.
        """
        chosen = [(number, column) for number, column in enumerate(self.columns) if column.from_width <= room]
        while sum(self._least(number, column) + 2 for number, column in chosen) - 1 > room:
            optional = [item for item in chosen if item[1].from_width]
            if not optional:
                break
            chosen.remove(max(optional, key=lambda item: item[1].from_width))
        return chosen

    def _least(self, number: int, column: Column) -> int:
        """Return the least width of a column."""
        if column.width:
            return min(self._widths[number], self._usual[number])
        return max(_LEAST, min(self._usual[number], _LEAST if column.from_width else _LEGIBLE))

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

        A click at the left edge also marks the row; a double click chooses it.
        """
        offset = event.get_content_offset(self)
        if offset is None:
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
        if self.can_mark and offset.x < 2:
            self.marks ^= {self.cursor_key}
            self._tell_marks()
        elif event.chain == 2:
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
        if not self._widths:
            return Strip.blank(self.width, style)
        segments = [Segment(" " * self._margin, style)]
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
        mark = "●" if row.key in self.marks else " "
        segments.append(Segment(f"{mark:<{self._margin}}", over or self._style("key")))
        for number, column, width in self.shown_columns:
            tone = row.tones[number]
            style = over if over is not None else (self._style(tone) if tone else plain)
            segments.append(Segment(_cell(row.cells[number], width, column) + "  ", style))
        return Strip(segments).adjust_cell_length(self.width, plain)


def _needed(column: Column, lengths: Sequence[int]) -> int:
    """Return the width that a column needs for texts of these lengths and for its title."""
    return max(*lengths, len(column.title), 1)


def _shared(spare: int, widths: Mapping[int, int], needs: Sequence[int]) -> dict[int, int]:
    """Share spare room among columns with these widths, in equal parts, as far as they need it.

    If all of them have what they need, they become equally wide. If there is too little room for all, the last ones
    become narrower.
    """
    room = spare + sum(widths.values())
    part = room // (len(widths) or 1)
    if all(needs[number] <= part for number in widths):
        return dict.fromkeys(widths, part)
    found: dict[int, int] = {}
    left = sorted(widths, key=lambda number: needs[number] - widths[number])
    for place, number in enumerate(left, 1):
        part = spare // (len(left) - place + 1)
        more = part if place == len(left) else min(part, max(0, needs[number] - widths[number]))
        found[number] = max(_LEAST, widths[number] + more)
        spare -= more
    return found


def _cell(text: str, width: int, column: Column) -> str:
    if column.keeps_end and cell_len(text) > width > 1:
        while cell_len(text) > width - 1:
            text = text[1:]
        text = f"…{text}"
    return sized(text, width, is_right=column.is_right)
