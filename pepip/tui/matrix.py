"""A matrix for thousands of rows and columns. It renders only the visible cells. Its first column does not scroll.

The cursor is on one cell. The cursor and the marks are kept by key, so they stay when the matrix gets other rows.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from pepip.tui import styles
from pepip.tui.scrolled_rows import ScrolledRows, sized, toggled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from textual import events

Place = tuple[str, str]
"""The key of a row, and the key of a column."""


class Cell(NamedTuple):
    """The text of a cell, and its tone: see `table.TableRow`."""

    text: str
    tone: str


class Grid(NamedTuple):
    """The content: keys and titles of rows and columns, and the cells by place. A place without a cell is blank."""

    rows: Sequence[tuple[str, str]] = ()
    columns: Sequence[tuple[str, str]] = ()
    cells: Mapping[Place, Cell] = {}


class Matrix(ScrolledRows):
    """The matrix. `title` stands above the first column, which is at most `most_title` wide.

    The other columns are at least `width` wide.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,l", "move_aside(1)", "Right", show=False),
        Binding("left,h", "move_aside(-1)", "Left", show=False),
        Binding("g,ctrl+home", "jump(0)", "First", show=False),
        Binding("G,ctrl+end", "jump(-1)", "Last", show=False),
        Binding("home", "edge(0)", "First column", show=False),
        Binding("end", "edge(-1)", "Last column", show=False),
    ]

    class Moved(Message):
        """The cursor is on another cell."""

        def __init__(self, place: Place) -> None:
            super().__init__()
            self.place = place

    class Chosen(Moved):
        """A cell was chosen by Enter."""

    class Marked(Moved):
        """The marks changed."""

    def __init__(self, title: str, *, verb: str, width: int = 14, most_title: int = 26, id: str) -> None:  # noqa: A002
        super().__init__(verb=verb, id=id)
        self.title = title
        self.marks: set[Place] = set()
        self.grid = Grid()
        self._least_width = self._column_width = width
        self._need = 0
        self._most_title = most_title
        self._column = 0
        self._longest = len(title)

    @property
    def cursor(self) -> Place:
        """The place of the cursor; empty keys if there is no row."""
        if not self.grid.rows or not self.grid.columns:
            return "", ""
        return self.grid.rows[self._row][0], self.grid.columns[self._column][0]

    def show(self, grid: Grid) -> None:
        """Replace the content. The cursor stays, and each mark stays unless its cell now has another text.

        A mark whose cell is hidden comes back with the cell.
        """
        row, column = self.cursor
        before, self.grid = self.grid.cells, grid
        self._longest = max([len(self.title), *(len(title) for _, title in grid.rows)])
        self._need = max((len(text) for text in _texts(grid)), default=0) + 3
        self._set_width()
        self.marks = {
            place
            for place in self.marks
            if place not in before or place not in grid.cells or before[place].text == grid.cells[place].text
        }
        self._row, self._row_count = _index(grid.rows, row), len(grid.rows)
        self._column = _index(grid.columns, column)
        self._settle()

    def _set_width(self) -> None:
        """Make the columns as wide as their longest text. If they do not all fit, narrow them, down to `width`."""
        columns = len(self.grid.columns)
        room = (self.width - self._first) // max(1, columns)
        self._column_width = max(self._least_width, min(self._need, room))
        self.virtual_size = Size(self._first + columns * self._column_width, len(self.grid.rows) + 1)

    @property
    def _first(self) -> int:
        """The width of the first column, with the blanks beside it."""
        room = max(10, self.width // 3)
        return 3 + min(self._longest, self._most_title, room)

    def put_cursor(self, place: Place) -> None:
        """Move the cursor to a place."""
        self._row, self._column = _index(self.grid.rows, place[0]), _index(self.grid.columns, place[1])
        self._settle()

    def action_move_aside(self, columns: int) -> None:
        """Move the cursor by a number of columns."""
        self._go_to(self._row, self._column + columns)

    def action_edge(self, column: int) -> None:
        """Move the cursor to the first or the last column."""
        self._go_to(self._row, len(self.grid.columns) - 1 if column < 0 else column)

    def action_choose(self) -> None:
        """Choose the cell under the cursor."""
        if self.cursor in self.grid.cells:
            self.post_message(self.Chosen(self.cursor))

    def action_mark(self) -> None:
        """Mark or unmark the cell under the cursor."""
        if self.cursor in self.grid.cells:
            self.toggle([self.cursor])

    def toggle(self, places: Sequence[Place]) -> None:
        """Mark these places; if all of them are marked, unmark them."""
        self.marks = toggled(self.marks, {place for place in places if place in self.grid.cells})
        self.refresh()
        self.post_message(self.Marked(self.cursor))

    def unmark(self) -> None:
        """Remove all marks, also those of places that are not shown."""
        self.marks = set()
        self.refresh()
        self.post_message(self.Marked(self.cursor))

    def _go_to(self, row: int, column: int) -> None:
        self._column = max(0, min(len(self.grid.columns) - 1, column))
        self._go(row)

    def _settle(self) -> None:
        """Scroll to the cell of the cursor, and post `Moved`."""
        super()._settle()
        room = max(self._column_width, self.width - self._first)
        start = self._column * self._column_width
        if start < round(self.scroll_x):
            self.scroll_to(x=start, animate=False, force=True)
        elif start + self._column_width > round(self.scroll_x) + room:
            self.scroll_to(x=start + self._column_width - room, animate=False, force=True)
        self.post_message(self.Moved(self.cursor))

    def on_resize(self) -> None:
        """Keep the cursor visible."""
        self._set_width()
        self._settle()

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to the clicked cell. A second click marks it. A click on a title marks all its cells."""
        offset = event.get_content_offset(self)
        if offset is None or not self.grid.rows:
            return
        row = round(self.scroll_y) + offset.y - 1
        column = (offset.x - self._first + round(self.scroll_x)) // self._column_width
        is_on_column = offset.x >= self._first and column < len(self.grid.columns)
        if offset.y == 0:
            if is_on_column:
                key = self.grid.columns[column][0]
                self.toggle([(name, key) for name, _ in self.grid.rows])
        elif row < len(self.grid.rows) and offset.x < self._first:
            key = self.grid.rows[row][0]
            self._go(row)
            self.toggle([(key, name) for name, _ in self.grid.columns])
        elif row < len(self.grid.rows) and is_on_column:
            is_again = (row, column) == (self._row, self._column)
            self._go_to(row, column)
            if is_again:
                self.action_mark()

    def render_line(self, y: int) -> Strip:
        """Return one line: the titles of the columns first, then the visible rows."""
        if not self.grid.rows:
            return self._empty_line(y)
        width, first = self.width, self._first
        row = round(self.scroll_y) + y - 1
        if y and row >= len(self.grid.rows):
            return Strip.blank(width, self.rich_style)
        left = round(self.scroll_x)
        start, room = left // self._column_width, width - first
        last = min(len(self.grid.columns), (left + room) // self._column_width + 1)
        shown = range(start, max(start, last))
        if y == 0:
            style = self._style("title")
            head = Segment(sized(f"  {self.title}", first), style)
            cells = [self._title(column) for column in shown]
            return self._joined(head, cells, left - start * self._column_width, width, self._style("title"))
        key, title = self.grid.rows[row]
        is_here = row == self._row
        head = Segment(sized(f"  {sized(title, first - 3)}", first), self._style("resting" if is_here else "name"))
        cells = [self._cell(row, key, column) for column in shown]
        return self._joined(head, cells, left - start * self._column_width, width, self.rich_style)

    def _joined(self, head: Segment, cells: list[Segment], cut: int, width: int, style: Style) -> Strip:
        """Return the first column, and the cells beside it without the `cut` characters scrolled away."""
        room = width - self._first
        body = Strip(cells).crop(cut, cut + room) if cells else Strip([])
        return Strip([head, *body]).adjust_cell_length(width, style)

    def _title(self, column: int) -> Segment:
        is_here = column == self._column
        text = f" {sized(self.grid.columns[column][1], self._column_width - 3)}  "
        return Segment(text, self._style("title") + (styles.of(self.app)["key"] if is_here else Style.null()))

    def _cell(self, row: int, key: str, column: int) -> Segment:
        place = (key, self.grid.columns[column][0])
        cell = self.grid.cells.get(place)
        mark = "✓" if place in self.marks else " "
        text = mark + sized(cell.text if cell else "", self._column_width - 3) + "  "
        if (row, column) == (self._row, self._column):
            return Segment(text, self._style("cursor" if self.has_focus else "resting"))
        tone = "key" if place in self.marks else cell.tone if cell else ""
        return Segment(text, self._style(tone))


def _texts(grid: Grid) -> Iterator[str]:
    """Yield the texts in the columns of a grid: titles and cells."""
    for _, title in grid.columns:
        yield title
    for cell in grid.cells.values():
        yield cell.text


def _index(keys: Sequence[tuple[str, str]], wanted: str) -> int:
    return next((place for place, (key, _) in enumerate(keys) if key == wanted), 0)
