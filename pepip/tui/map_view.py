"""The map of the store: one tile for each entry. Its area stands for the size on disk."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from pepip.tui import commands, entries, formatting, styles, treemap
from pepip.tui.view import View

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pepip.tui.treemap import Tile

_LEAST_CELLS = 24
"""An entry has a tile of its own if that tile has at least this many cells. Smaller entries share tiles."""

_LEAST_TILES = 12
"""This many of the largest entries need only `_LEAST_LEGIBLE_CELLS` cells for tiles of their own."""

_LEAST_LEGIBLE_CELLS = 6

_MOST_PARTS = 16
"""The number of shared tiles on a map of small entries alone. If they fill only a part, there are fewer."""

_CELL_RATIO = 2
"""The approximate height of a terminal's cell, as a multiple of its width."""


class Plot(NamedTuple):
    """An entry to draw. `key` is its id, `name` the text of its tile, and `facts` the text of the line of facts.

    If several entries share a tile, `rest` has them.
    """

    key: str
    name: str
    facts: str
    size_bytes: int
    state: str
    rest: tuple[Plot, ...] = ()


def merged(plots: Sequence[Plot], cells: int) -> list[Plot]:
    """Return the plots, largest first. Plots that are too small on a map of `cells` cells share tiles."""
    ordered = sorted((plot for plot in plots if plot.size_bytes > 0), key=lambda plot: -plot.size_bytes)
    total = sum(plot.size_bytes for plot in ordered) or 1
    own = sum(plot.size_bytes * cells >= total * _LEAST_CELLS for plot in ordered)
    legible = sum(plot.size_bytes * cells >= total * _LEAST_LEGIBLE_CELLS for plot in ordered)
    kept = ordered[: max(own, min(_LEAST_TILES, legible))]
    kept += _together(ordered[len(kept) :], total)
    return sorted(kept, key=lambda plot: -plot.size_bytes)


def _together(rest: Sequence[Plot], total_bytes: int) -> list[Plot]:
    """Return tiles that small plots share: one tile, or several if that tile would cover more than half of the map.

    `rest` is in order of size. Each of several tiles has plots that follow each other in that order.
    """
    if len(rest) < 2:
        return list(rest)
    size_bytes = sum(plot.size_bytes for plot in rest)
    parts = round(_MOST_PARTS * size_bytes / total_bytes) if size_bytes * 2 > total_bytes else 1
    parts = min(parts, len(rest) // 2)
    found: list[Plot] = []
    done = begin = 0
    for number, plot in enumerate(rest, 1):
        done += plot.size_bytes
        if done * parts >= size_bytes * (len(found) + 1) or number == len(rest):
            found.append(_shared_tile(rest[begin:number], is_only=parts == 1))
            begin = number
    return found


def _shared_tile(plots: Sequence[Plot], *, is_only: bool) -> Plot:
    if len(plots) == 1:
        return plots[0]
    size_bytes = sum(plot.size_bytes for plot in plots)
    words = f"{len(plots):,} smaller" if is_only else f"{len(plots):,}: {plots[0].name} …"
    between = "" if is_only else f": {plots[0].name} to {plots[-1].name}"
    return Plot("", words, f"{len(plots):,} smaller entries{between}", size_bytes, "", tuple(plots))


class TreeMap(Widget, can_focus=True):
    """The tiles. A click chooses a tile. A double click opens it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "go(-1, 0)", "Left", show=False),
        Binding("right,l", "go(1, 0)", "Right", show=False),
        Binding("up,k", "go(0, -1)", "Up", show=False),
        Binding("down,j", "go(0, 1)", "Down", show=False),
        Binding("g,home", "jump(0)", "First", show=False),
        Binding("G,end", "jump(-1)", "Last", show=False),
        Binding("enter", "open", "Open", key_display="⏎"),
    ]

    class Moved(Message):
        """The current tile is another one."""

        def __init__(self, plot: Plot) -> None:
            super().__init__()
            self.plot = plot

    class Opened(Moved):
        """A tile was opened, by Enter or a double click."""

    def __init__(self) -> None:
        super().__init__(id="map")
        self._given: Sequence[Plot] = ()
        self._plots: list[Plot] = []
        self._tiles: list[Tile] = []
        self._lines: list[Strip] = []
        self._current = 0

    @property
    def current(self) -> Plot | None:
        """The plot of the current tile, None if there is no tile."""
        return self._plots[self._current] if self._current < len(self._plots) else None

    @property
    def tiles(self) -> list[tuple[Plot, Tile]]:
        """The plots with their tiles, in cells."""
        return list(zip(self._plots, self._tiles, strict=True))

    def show(self, plots: Sequence[Plot]) -> None:
        """Show other plots."""
        self._given, self._current = plots, 0
        self._lay_out()
        self._tell()

    def on_resize(self) -> None:
        """Lay out the tiles for the new size. The current entry stays current if it still has a tile."""
        before = self.current
        self._lay_out()
        keys = [plot.key for plot in self._plots]
        self._current = keys.index(before.key) if before and before.key in keys else 0
        self._draw()
        self._tell()

    def _lay_out(self) -> None:
        width, height = self.size
        plots = merged(self._given, width * height) if width and height else []
        sizes = [plot.size_bytes for plot in plots]
        square = treemap.squarified(sizes, width, height * _CELL_RATIO)
        tiles = treemap.cells(
            [tile._replace(top=tile.top / _CELL_RATIO, bottom=tile.bottom / _CELL_RATIO) for tile in square]
        )
        shown = [(plot, tile) for plot, tile in zip(plots, tiles, strict=True) if tile.area]
        self._plots, self._tiles = [plot for plot, _ in shown], [tile for _, tile in shown]
        self._draw()

    def _draw(self) -> None:
        width, height = self.size
        rows: list[list[tuple[int, str, str]]] = [[] for _ in range(height)]
        for number, (plot, tile) in enumerate(zip(self._plots, self._tiles, strict=True)):
            tone = "cursor" if number == self._current else f"tile-{plot.state or 'rest'}"
            for y, text in enumerate(_words(plot, int(tile.width), int(tile.height))):
                rows[int(tile.top) + y].append((int(tile.left), text, tone))
        self._lines = [self._strip(sorted(row), width) for row in rows]
        self.refresh()

    def _strip(self, row: Sequence[tuple[int, str, str]], width: int) -> Strip:
        known, segments, position = styles.of(self.app), [], 0
        for left, text, tone in row:
            segments.append(Segment(" " * (left - position), self.rich_style))
            segments.append(Segment(text, self.rich_style + known[tone]))
            position = left + cell_len(text)
        return Strip(segments).adjust_cell_length(width, self.rich_style)

    def notify_style_update(self) -> None:
        """Draw in the colours of the new theme."""
        super().notify_style_update()
        if self._plots:
            self._draw()

    def render_line(self, y: int) -> Strip:
        """Return one line of the map."""
        return self._lines[y] if y < len(self._lines) else Strip.blank(self.size.width, self.rich_style)

    def _tell(self) -> None:
        if self.current is not None:
            self.post_message(self.Moved(self.current))

    def _choose(self, number: int) -> None:
        self._current = number
        self._draw()
        self._tell()

    def action_go(self, right: int, down: int) -> None:
        """Move to the nearest tile at one side of the current one."""
        if not self._tiles:
            return
        here = self._tiles[self._current]
        middle_x, middle_y = (here.left + here.right) / 2, (here.top + here.bottom) / 2
        best, nearest = self._current, float("inf")
        for number, tile in enumerate(self._tiles):
            ahead = (tile.left - here.right if right > 0 else here.left - tile.right) if right else 0
            ahead = (tile.top - here.bottom if down > 0 else here.top - tile.bottom) if down else ahead
            if ahead < 0 or number == self._current:
                continue
            aside = max(tile.top - middle_y, middle_y - tile.bottom, 0) if right else 0
            aside = max(tile.left - middle_x, middle_x - tile.right, 0) if down else aside
            if ahead + 2 * aside < nearest:
                best, nearest = number, ahead + 2 * aside
        self._choose(best)

    def action_jump(self, number: int) -> None:
        """Move to the largest or the smallest tile."""
        if self._tiles:
            self._choose(number % len(self._tiles))

    def action_open(self) -> None:
        """Open the current tile."""
        if self.current is not None:
            self.post_message(self.Opened(self.current))

    def on_click(self, event: events.Click) -> None:
        """Choose the clicked tile. A double click on the current tile opens it."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        for number, tile in enumerate(self._tiles):
            if tile.left <= offset.x < tile.right and tile.top <= offset.y < tile.bottom:
                if number == self._current and event.chain > 1:
                    self.action_open()
                else:
                    self._choose(number)
                return


def _words(plot: Plot, width: int, height: int) -> list[str]:
    """Return the lines of a tile. The last column stays blank as a gap; so does the last line if there is room."""
    inner, lines = max(1, width - 1), height - 1 if height > 2 else height
    before = " " if inner > 6 else ""
    shown = [plot.name, formatting.size(plot.size_bytes)][:lines]
    return [_fitted(before + text, inner) for text in shown] + [" " * inner] * (lines - len(shown))


def _fitted(text: str, width: int) -> str:
    return set_cell_size(text, width - 1) + "…" if cell_len(text) > width > 1 else set_cell_size(text, width)


class MapView(View):
    """The map of all entries that the store pane lists. Opening the tile of one entry closes the view with its id."""

    HELP = (
        "One tile for each entry of the list. Its area is the size on disk, its colour the state: used, unused, "
        "damaged. Small entries share a tile. Opening it shows a map of these entries. Enter or a double click shows "
        "the files of an entry."
    )

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("backspace", "back", "Back", key_display="⌫"),
    ]

    def __init__(self, plots: Sequence[Plot], *, title: str) -> None:
        super().__init__(f"Map · {title}", command=commands.of("store", "list", "--sort", "size"))
        self._shown: list[Sequence[Plot]] = [plots]

    def body(self) -> ComposeResult:
        """Make the map."""
        yield TreeMap()

    def on_mount(self) -> None:
        """Show the plots."""
        super().on_mount()
        tree_map = self.query_one(TreeMap)
        tree_map.focus()
        tree_map.show(self._shown[-1])

    def on_tree_map_moved(self, event: TreeMap.Moved) -> None:
        """Say the facts of the current tile."""
        event.stop()
        total = sum(plot.size_bytes for plot in self._shown[0]) or 1
        share = event.plot.size_bytes / total * 100
        self.say(facts=f"{event.plot.facts} · {formatting.size(event.plot.size_bytes)}, {share:.1f} %")

    def on_tree_map_opened(self, event: TreeMap.Opened) -> None:
        """Close with the entry, or show the map of the entries that share the tile."""
        event.stop()
        if event.plot.rest:
            self._shown.append(event.plot.rest)
            self.query_one(TreeMap).show(event.plot.rest)
        else:
            self.action_answer(event.plot.key)

    def action_back(self) -> None:
        """Show the previous map. On the first map, close."""
        if len(self._shown) < 2:
            self.action_answer("")
            return
        self._shown.pop()
        self.query_one(TreeMap).show(self._shown[-1])


def plots_of(listing: entries.Listing, view: Sequence[int]) -> list[Plot]:
    """Return the plots of the entries of a listing with these indices."""
    found = []
    for place in view:
        stored, users = listing.stored[place], len(listing.users[place])
        name = formatting.printable(f"{stored.name} {stored.version}")
        used = f"linked by {formatting.count(users, 'environment')}" if users else "no environment links it"
        facts = f"{name} · {entries.short_bucket(stored.bucket)} · {used}"
        found.append(Plot(stored.id, name, facts, listing.sizes[place], listing.states[place]))
    return found
