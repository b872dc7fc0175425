"""The columns of tables: which of them a width has room for, and which texts it cuts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from textual.app import App, ComposeResult

from pepip.tui.matrix import Cell, Grid, Matrix
from pepip.tui.table import Column, Table, TableRow

pytestmark = pytest.mark.unit

COLUMNS = (
    Column("name", "Package", 0),
    Column("version", "Version", 16),
    Column("python", "Python", 11, from_width=20),
    Column("size", "Size", 9, is_right=True),
)
NAMES = ("python-dateutil", "charset-normalizer", "click", "rich")


def rows(*versions: str) -> list[TableRow]:
    """Return a row for each version."""
    cells = [
        (NAMES[number % len(NAMES)], version, "cp312 linux", "1.2 MB") for number, version in enumerate(versions)
    ]
    return [TableRow(str(number), row, ("", "", "", "")) for number, row in enumerate(cells)]


def lines_of(widget: Table | Matrix, fill: Callable[[], None], width: int) -> list[str]:
    """Return the painted lines of a widget on a screen of this width, after `fill` has filled it."""

    class Screen(App[None]):
        def compose(self) -> ComposeResult:
            yield widget

        def on_mount(self) -> None:
            fill()

    async def run() -> list[str]:
        async with Screen().run_test(size=(width, 12)) as pilot:
            await pilot.pause()
            return [widget.render_line(y).text for y in range(6)]

    return asyncio.run(run())


def table_of(width: int, *, sort_key: str = "") -> list[str]:
    """Return the lines of a table with one long version among short ones."""
    table = Table(COLUMNS)
    table.sort_key = sort_key
    return lines_of(table, lambda: table.show(rows("2026.10.19.post1", *["1.0"] * 39)), width)


def test_names_are_whole_before_an_optional_column_is_shown() -> None:
    """With room for one of them only, the other column gives way. It is there with a little more room."""
    narrow, wide = table_of(46), table_of(56)

    assert "Python" not in narrow[0]
    assert "charset-normalizer" in narrow[2]
    assert "Python" in wide[0]
    assert "charset-normalizer" in wide[2]


def test_one_long_text_among_many_hides_no_column() -> None:
    """A single long version is cut where room is short, and whole where there is room."""
    narrow, wide = table_of(56), table_of(90)

    assert "Python" in narrow[0]
    assert "2026.10.19… " in narrow[1]
    assert "2026.10.19.post1 " in wide[1]


@pytest.mark.parametrize(("key", "shown"), [("size", "Size↑"), ("name", "Package↑ ")])
def test_the_arrow_of_the_sorted_column_takes_no_room(key: str, shown: str) -> None:
    """It is beside the title, in the gap between two columns."""
    plain, by_key = table_of(60), table_of(60, sort_key=key)

    assert shown in by_key[0]
    assert len(plain[0]) == len(by_key[0])
    assert plain[1:] == by_key[1:]


def test_titles_of_a_matrix_are_whole_if_all_columns_fit() -> None:
    """With less room, the columns have the least width, and the matrix scrolls."""
    title = "quarterly-report-2026"
    grid = Grid([("numpy", "numpy")], [(title, title), ("api", "api")], {("numpy", "api"): Cell("2.4.1", "")})

    def titles(width: int) -> str:
        matrix = Matrix("Several versions", verb="", id="matrix")
        return lines_of(matrix, lambda: matrix.show(grid), width)[0]

    assert title in titles(80)
    assert title not in titles(44)
    assert title[:10] in titles(44)
