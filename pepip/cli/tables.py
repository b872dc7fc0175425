"""Tables on stdout: drawn by rich on a terminal, as plain aligned text in a pipe."""

from __future__ import annotations

import sys

from pepip.cli import output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_LEAST_ROOM = 16  # a shortened cell keeps this many characters
_MARGIN = 3  # the width of a column beside its text


def show(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = (), shortened: int = -1
) -> None:
    """Print a table. `right` has the numbers of the columns to be aligned to the right.

    On a terminal, the cells of the column `shortened` lose their beginning where the table would be too wide.
    Control characters, which a name on disk may hold, are shown as escapes.
    """
    cells = [[output.printable(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _show_on_terminal(columns, cells, right, shortened)
        return
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    for row in [list(columns), *cells]:
        shown = (
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        sys.stdout.write("  ".join(shown).rstrip() + "\n")


def _show_on_terminal(
    columns: Sequence[str], cells: Sequence[Sequence[str]], right: Sequence[int], shortened: int
) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    room = max(_LEAST_ROOM, console.width - sum(widths) + widths[shortened] - _MARGIN * len(columns))
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number in right else "left", overflow="fold")
    for row in cells:
        shown = [
            f"…{cell[1 - room :]}" if number == shortened and len(cell) > room else cell
            for number, cell in enumerate(row)
        ]
        table.add_row(*map(Text, shown))
    console.print(table)


def say(line: str) -> None:
    """Print one line of an answer."""
    sys.stdout.write(output.printable(line) + "\n")


def stress(line: str) -> None:
    """Print the most important line of an answer, bold on a terminal with colours."""
    if not sys.stdout.isatty():
        say(line)
        return
    from rich.console import Console
    from rich.text import Text

    Console().print(Text(output.printable(line), style="bold"))
