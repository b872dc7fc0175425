"""The treemap: areas are as the sizes are, tiles fill the rectangle, and none lies over another."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pepip.tui import treemap
from pepip.tui.map_view import Plot, merged
from pepip.tui.treemap import Tile

pytestmark = pytest.mark.unit

SIZES = st.lists(st.integers(1, 10**12), min_size=1, max_size=60).map(lambda sizes: sorted(sizes, reverse=True))
SIDES = st.integers(1, 400)


def overlap(one: Tile, other: Tile) -> float:
    """Return the area that two tiles have in common."""
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    return max(0.0, width) * max(0.0, height)


@given(SIZES, SIDES, SIDES)
def test_areas_are_proportional_to_sizes(sizes: list[int], width: int, height: int) -> None:
    """Each tile has its share of the rectangle, and all together have its area."""
    tiles = treemap.squarified(sizes, width, height)

    assert len(tiles) == len(sizes)
    for size, tile in zip(sizes, tiles, strict=True):
        assert tile.area == pytest.approx(width * height * size / sum(sizes), rel=1e-6, abs=1e-6)
    assert sum(tile.area for tile in tiles) == pytest.approx(width * height)


@given(SIZES, SIDES, SIDES)
def test_no_tile_lies_over_another_or_outside(sizes: list[int], width: int, height: int) -> None:
    """Tiles are within the rectangle, and have at most edges in common."""
    tiles = treemap.squarified(sizes, width, height)

    for tile in tiles:
        assert 0 <= tile.left <= tile.right <= width
        assert 0 <= tile.top <= tile.bottom <= height
    assert all(overlap(one, other) == 0 for one, other in itertools.combinations(tiles, 2))


@given(SIZES, SIDES, SIDES)
def test_cells_cover_each_place_once(sizes: list[int], width: int, height: int) -> None:
    """In whole cells, too, the tiles fill the rectangle without overlap."""
    tiles = treemap.cells(treemap.squarified(sizes, width, height))

    assert sum(tile.area for tile in tiles) == width * height
    assert all(overlap(one, other) == 0 for one, other in itertools.combinations(tiles, 2))


def test_equal_sizes_make_squares() -> None:
    """Four equal sizes in a square are four squares, not four strips."""
    tiles = treemap.squarified([1, 1, 1, 1], 10, 10)

    assert all((tile.width, tile.height) == (5, 5) for tile in tiles)


@given(st.lists(st.integers(0, 10**9), max_size=300), st.integers(1, 8000))
def test_gathering_loses_no_byte(sizes: list[int], cells: int) -> None:
    """The plots of a map have the bytes of all entries together. Each entry is in one of them, unless it is empty."""
    plots = [Plot(str(number), "", "", size, "used") for number, size in enumerate(sizes)]

    found = merged(plots, cells)

    assert sum(plot.size_bytes for plot in found) == sum(sizes)
    assert [plot.size_bytes for plot in found] == sorted((plot.size_bytes for plot in found), reverse=True)
    keys = [item.key for plot in found for item in (plot.rest or (plot,))]
    assert sorted(keys) == sorted(plot.key for plot in plots if plot.size_bytes)
