"""Chooses the wheel of a version that an interpreter gets. This module repeats a rule of uv, and nothing else.

A lock lists every wheel of a version, and uv does not say which one it will take. pepip must know that before
anything is downloaded. uv takes the wheel with the most specific tag that the interpreter supports, then the one with
the highest build number, then the first one in the list.
Source: `PrioritizedDist` in uv's `uv-distribution-types`, and "File name convention" of the binary distribution
format. `tests/differential` compares the choice with uv's.
"""

from __future__ import annotations

from pepip.errors import InvalidWheelError
from pepip.wheel import tags

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def best(file_names: Sequence[str], rank: Mapping[str, int]) -> int | None:
    """Return the position of the wheel that uv takes, None if the interpreter can use no wheel of the list.

    `rank` gives each supported tag its place, 0 for the most specific one. A wheel variant is never chosen: only uv
    knows which variants a machine has.
    """
    found: int | None = None
    highest: tuple[int, tuple[int, str]] | None = None
    for position, file_name in enumerate(file_names):
        try:
            name = tags.parse(file_name)
        except InvalidWheelError:
            continue
        if name.variant:
            continue
        place = min((rank[tag] for tag in tags.expand(name.tag) if tag in rank), default=None)
        if place is None:
            continue
        order = (-place, _build_order(name.build))
        if highest is None or order > highest:
            found, highest = position, order
    return found


def _build_order(build: str) -> tuple[int, str]:
    """Return the sort key of a build tag: its number, then the rest as text. An empty tag comes first."""
    if not build:
        return -1, ""
    digits = len(build) - len(build.lstrip("0123456789"))
    return int(build[:digits] or 0), build[digits:]
