"""The line of a dialog that says whether removed entries stay in the trash. A click or `t` changes that."""

from __future__ import annotations

from rich.text import Text

from pepip import humanized
from pepip.tui.bars import ClickTarget, Line


class TrashLine(Line):
    """The line. The trash keeps entries for `seconds`, 0 if it keeps none."""

    def __init__(self) -> None:
        super().__init__(id="trash-line")
        self.seconds = 0.0
        self.is_on = False

    def say(self, seconds: float, *, is_on: bool) -> None:
        """Show for how long the trash keeps entries, and whether the user wants that."""
        self.seconds, self.is_on = seconds, is_on
        self.refresh()

    def render(self) -> Text:
        """Return the line."""
        text = Text(no_wrap=True, end="")
        if not self.seconds:
            return text.append(
                "the space is free at once: the trash is off, or the disk is too full for it", self.style_of("muted")
            )
        mark = "x" if self.is_on else " "
        words = f"[{mark}] keep in the trash for {humanized.duration(self.seconds)}: z undoes the removal"
        text.append(words, self.style_of(""))
        self.click_targets = [ClickTarget(0, len(words), "screen.toggle_trash")]
        return text
