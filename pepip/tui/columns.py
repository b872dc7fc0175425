"""The columns of a table: which of them a width has room for, and how wide each is. Knows nothing of widgets."""

from __future__ import annotations

from pepip.fast_namedtuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


_LEAST = 8
"""The least width of a column that takes the space that is left, if its content needs so much."""

_LEGIBLE = 24
"""A column of width 0 that is always shown gets so much room, if it needs that, before optional columns get any."""

_USUAL = 0.95
"""The share of the texts of a column that decides whether the column fits. A few longer ones may be cut."""


class Column(NamedTuple):
    """A column. It is as wide as its content, at most `width`. A `width` of 0 takes the space that is left.

    The column is shown if a row has room for at least `from_width` characters, and if the columns with a smaller
    `from_width` keep enough room for most of their texts. A text that is too long loses its end; with `keeps_end`, it
    loses its start, and with `keeps_both_ends` its middle.
    """

    key: str
    title: str
    width: int
    is_right: bool = False
    from_width: int = 0
    keeps_end: bool = False
    keeps_both_ends: bool = False


class FittedColumns:
    """Columns with the room that the texts of rows need. `rows` has the texts of each row."""

    def __init__(self, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
        self._columns = columns
        lengths = [sorted(len(row[number]) for row in rows) for number in range(len(columns))]
        self._needs = [_needed(column, found[-1:]) for column, found in zip(columns, lengths, strict=True)]
        self._usual = [
            _needed(column, found[int(len(found) * _USUAL) if column.title else -1 :][:1])  # a cut bar would lie
            for column, found in zip(columns, lengths, strict=True)
        ]
        self._shown: dict[int, list[tuple[int, Column, int]]] = {}

    def shown(self, room: int) -> list[tuple[int, Column, int]]:
        """Return the columns that fit into `room`, each with its index and its width."""
        if room not in self._shown:
            self._shown = {room: self._fitted(room)}
        return self._shown[room]

    def _fitted(self, room: int) -> list[tuple[int, Column, int]]:
        chosen = self._chosen(room)
        widths = {number: self._least(number, column) for number, column in chosen}
        spare = room + 1 - sum(width + 2 for width in widths.values())
        flexible = {number: widths[number] for number, column in chosen if not column.width}
        needs = {number: self._needs[number] for number in flexible}
        free = spare - sum(max(0, needs[number] - width) for number, width in flexible.items())
        for number, column in chosen:  # room that the others do not need goes to the cut texts of this column
            lack = min(column.width, self._needs[number]) - widths[number]
            more = max(0, min(free, lack)) if column.width else 0
            widths[number], free, spare = widths[number] + more, free - more, spare - more
        widths |= shared(spare, flexible, needs)
        return [(number, column, widths[number]) for number, column in chosen]

    def _chosen(self, room: int) -> list[tuple[int, Column]]:
        """Return the columns that fit, each with its index.

        Optional columns give way, the last ones first, until the other columns are legible.
        """
        chosen = [(number, column) for number, column in enumerate(self._columns) if column.from_width <= room]
        while sum(self._least(number, column) + 2 for number, column in chosen) - 1 > room:
            optional = [item for item in chosen if item[1].from_width]
            if not optional:
                break
            chosen.remove(max(optional, key=lambda item: item[1].from_width))
        return chosen

    def _least(self, number: int, column: Column) -> int:
        """Return the least width of a column."""
        if column.width:
            return min(column.width, self._usual[number])
        usual = min(self._usual[number], _LEAST if column.from_width else _LEGIBLE)
        return max(usual, min(_LEAST, self._needs[number]))


def _needed(column: Column, lengths: Sequence[int]) -> int:
    """Return the width that a column needs for texts of these lengths and for its title."""
    return max(*lengths, len(column.title), 1)


def shared(spare: int, widths: Mapping[int, int], needs: Mapping[int, int]) -> dict[int, int]:
    """Share spare room among columns with these widths, in equal parts, as far as they need it.

    If all of them have what they need, they become equally wide. If there is too little room for their widths, the
    column whose content is cut most becomes narrower.
    """
    room = spare + sum(widths.values())
    part = room // (len(widths) or 1)
    if all(needs[number] <= part for number in widths):
        return dict.fromkeys(widths, part)
    found: dict[int, int] = {}
    left = sorted(widths, key=lambda number: needs[number] - widths[number])
    for place, number in enumerate(left, 1):
        part = spare // (len(left) - place + 1)
        more = part if place == len(left) else min(max(0, part), max(0, needs[number] - widths[number]))
        found[number] = max(min(_LEAST, needs[number]), widths[number] + more)
        spare -= more
    return found
