"""Keeps control characters from the terminal, whatever text a widget draws.

Names in a store or an environment come from wheels, from other users and from checkouts. A terminal would obey an
escape sequence in such a name. Widgets show names by `formatting.printable`; this filter covers all other text.
"""

from __future__ import annotations

import re

from rich.segment import Segment
from textual.filter import LineFilter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from textual.color import Color

_CONTROL = re.compile("[\0-\x1f\x7f-\x9f]")  # without width on the screen: a line keeps its length without them
_HALF = re.compile("[\ud800-\udfff]")  # Python reads a byte that is not UTF-8 as one of these; it can't be encoded


class PrintableFilter(LineFilter):
    """Drops control characters, and shows half a pair of surrogates as a replacement character."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the segments of a line, as they are if all their characters can be shown."""
        del background
        if all(segment.text.isprintable() for segment in segments):
            return segments
        return [segment if segment.control else _shown(segment) for segment in segments]


def _shown(segment: Segment) -> Segment:
    text = _HALF.sub("\N{REPLACEMENT CHARACTER}", _CONTROL.sub("", segment.text))
    return Segment(text, segment.style)
