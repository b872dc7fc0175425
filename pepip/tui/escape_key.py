"""Escape and a key that a person types soon after it. A terminal sends the same bytes for Alt and that key.

Textual waits up to 0.1 s for the second key. Then it reports one Alt key, or the character that Option and this key
give on a Mac: `™` for 2. The app has no Alt keys, so here both keys count. vi does the same.
"""

from __future__ import annotations

import contextlib
from typing import cast

from textual import events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from textual._xterm_parser import XTermParser

_ESCAPE = "\x1b"

_INTRODUCERS = "[]O"
"""After Escape, each of these begins a control sequence (ECMA-48), which may be one that Textual does not know."""


def separate() -> None:
    """Let the parser of this process report Escape and a key after it as two keys. Calling it again does nothing.

    The parser is not part of Textual's public interface. If a version has another parser, nothing is changed.
    """
    with contextlib.suppress(ImportError, AttributeError, TypeError):
        from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
        from textual._xterm_parser import XTermParser

        together = XTermParser._sequence_to_key_events
        if getattr(together, "__name__", "") == _NAME:
            return
        known = cast("dict[str, object]", ANSI_SEQUENCES_KEYS)
        for sequence in [name for name, keys in known.items() if len(name) == 2 and isinstance(keys, str)]:
            del known[sequence]
        setattr(XTermParser, "_sequence_to_key_events", _separated(together))  # noqa: B010 - no method for mypy


_NAME = "events_of_separate_keys"


def _separated(together: Callable[..., Iterable[events.Key]]) -> Callable[..., Iterable[events.Key]]:
    """Return a method of the parser that reports Escape by itself. `together` is the method that it replaces."""

    def events_of_separate_keys(parser: XTermParser, sequence: str, alt: bool = False) -> Iterable[events.Key]:
        if not alt or sequence in _INTRODUCERS:
            yield from together(parser, sequence, alt)
            return
        yield events.Key("escape", _ESCAPE)
        yield from together(parser, sequence)

    return events_of_separate_keys
