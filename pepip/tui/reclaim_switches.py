"""The line of options in the dialog that frees space."""

from __future__ import annotations

from rich.text import Text

from pepip import humanized
from pepip.tui.bars import ClickTarget, Line

_IDLE_DAYS = (90, 180, 365, 7, 30)


class Switches(Line):
    """The options of the removal. A click or a key changes them."""

    def __init__(self) -> None:
        super().__init__(id="switches")
        self.with_cache = False
        self.trash_seconds = 0.0
        self.is_kept = False
        self.idle_days = _IDLE_DAYS[0]

    def take_next_idle_days(self) -> None:
        """Take the next number of days after which an environment counts as idle. The first follows the last."""
        self.idle_days = _IDLE_DAYS[(_IDLE_DAYS.index(self.idle_days) + 1) % len(_IDLE_DAYS)]

    def render(self) -> Text:
        """Return the line, in a short form for a narrow screen."""
        is_short = self.size.width < 78
        trash = f"keep in the trash for {humanized.duration(self.trash_seconds)}"
        parts = [
            (f"c [{_mark(self.with_cache)}] {'' if is_short else 'also '}uv's cache", "screen.toggle_cache"),
            (f"t [{_mark(self.is_kept)}] {'trash' if is_short else trash}", "screen.toggle_trash"),
            (f"n {self.idle_days} d idle" if is_short else f"n idle after {self.idle_days} days", "screen.next_idle"),
        ]
        if not self.trash_seconds:
            del parts[1]
        text = Text(no_wrap=True, end="")
        self.click_targets = []
        for words, action in parts:
            start = len(text.plain)
            text.append(words[:1], self.style_of("key"))
            text.append(words[1:], self.style_of(""))
            self.click_targets.append(ClickTarget(start, len(text.plain), action))
            text.append("  " if is_short else "   ")
        return text


def _mark(is_on: bool) -> str:
    return "x" if is_on else " "
