"""A treemap: rectangles with areas proportional to sizes, as square as possible. Pure, no widgets.

Source: Bruls, Huizing and van Wijk, "Squarified Treemaps" (2000).
"""

from __future__ import annotations

from pepip.fast_namedtuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Tile(NamedTuple):
    """A rectangle, from `left` and `top` up to `right` and `bottom`, both excluded."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """The width."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """The height."""
        return self.bottom - self.top

    @property
    def area(self) -> float:
        """The area."""
        return self.width * self.height


def squarified(sizes: Sequence[float], width: float, height: float) -> list[Tile]:
    """Return one tile for each of the `sizes`, which are greater than zero, the largest first.

    The tiles fill the rectangle of this width and height without overlap. Neighbours share the very same edges.
    """
    tiles: list[Tile] = []
    free = Tile(0.0, 0.0, float(width), float(height))
    pending = list(map(float, sizes))
    while pending and free.area:
        strip = _strip(pending, min(free.width, free.height), free.area / sum(pending))
        pending, share = pending[len(strip) :], sum(strip) / sum(pending)
        is_last = not pending
        if free.width >= free.height:
            edge = free.right if is_last else free.left + free.width * share
            edges = _edges(strip, free.top, free.bottom)
            tiles += [Tile(free.left, before, edge, after) for before, after in edges]
            free = free._replace(left=edge)
        else:
            edge = free.bottom if is_last else free.top + free.height * share
            edges = _edges(strip, free.left, free.right)
            tiles += [Tile(before, free.top, after, edge) for before, after in edges]
            free = free._replace(top=edge)
    return tiles


def cells(tiles: Sequence[Tile]) -> list[Tile]:
    """Return the tiles with edges on whole numbers. They still fill the same rectangle without overlap.

    The width or height of a small tile may become zero.
    """
    return [Tile(*(round(edge) for edge in tile)) for tile in tiles]


def _strip(sizes: Sequence[float], side: float, scale: float) -> list[float]:
    """Return as many of the first sizes as make the squarest tiles in a row along a `side`.

    `scale` is the area of a tile with size 1.
    """
    best, worst = 1, float("inf")
    area = 0.0
    for count, size in enumerate(sizes, 1):
        area += size * scale
        depth = area / side
        ratios = [
            max(depth, length) / min(depth, length) for length in (sizes[0] * scale / depth, size * scale / depth)
        ]
        if max(ratios) > worst:
            break
        best, worst = count, max(ratios)
    return list(sizes[:best])


def _edges(sizes: Sequence[float], start: float, end: float) -> list[tuple[float, float]]:
    """Return the edges of tiles of these sizes, one after the other from `start` to `end`."""
    total, done, found, before = sum(sizes), 0.0, [], start
    for number, size in enumerate(sizes, 1):
        done += size
        after = end if number == len(sizes) else start + (end - start) * (done / total)
        found.append((before, after))
        before = after
    return found
