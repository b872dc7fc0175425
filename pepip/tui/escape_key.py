"""Escape and a key that a person types soon after it. A terminal sends the same bytes for Alt and that key.

Textual waits up to 0.1 s for the second key, and makes of both an Alt key, or a character that Option and the key
write on a Mac: `™` for 2. The app has no Alt keys, so here both keys count. vi does the same.
"""

from __future__ import annotations

from typing import cast

from textual import events
from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual._xterm_parser import XTermParser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_ESCAPE = "\x1b"

_INTRODUCERS = "[]O"
"""After Escape, each of these begins a control sequence (ECMA-48), which may be one that Textual does not know."""


def separate() -> None:
    """Let the parser of this process report Escape and a key after it as two keys. Calling it again does nothing."""
    if XTermParser._sequence_to_key_events is _separately:
        return
    known = cast("dict[str, object]", ANSI_SEQUENCES_KEYS)
    for sequence in [name for name, keys in known.items() if len(name) == 2 and isinstance(keys, str)]:
        del known[sequence]
    setattr(XTermParser, "_sequence_to_key_events", _separately)  # noqa: B010 - mypy knows only methods of the class


_together = XTermParser._sequence_to_key_events


def _separately(parser: XTermParser, sequence: str, alt: bool = False) -> Iterable[events.Key]:
    """Yield the keys of a sequence. With `alt`, an Escape came before it."""
    if not alt or sequence in _INTRODUCERS:
        yield from _together(parser, sequence, alt)
        return
    yield events.Key("escape", _ESCAPE)
    yield from _together(parser, sequence)
