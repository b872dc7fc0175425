"""The line below a filter: how many rows each facet lets through, and how many rows are shown."""

from __future__ import annotations

from rich.cells import cell_len
from rich.text import Text
from textual.message import Message

from pepip.tui.bars import ClickTarget, Line


class Facets(Line):
    """The line. A click on a facet adds it to the filter, or removes it."""

    class Toggled(Message):
        """A facet was clicked."""

        def __init__(self, facet: str) -> None:
            super().__init__()
            self.facet = facet

    def __init__(self, *, id: str = "facets") -> None:  # noqa: A002 - textual's name
        super().__init__(id=id)
        self.counts: dict[str, int] = {}
        self.line = ""
        self.shown = ""

    def say(self, counts: dict[str, int], line: str, shown: str) -> None:
        """Show the count of each facet, and the text `shown` at the right. Highlight the facets in the filter."""
        self.counts, self.line, self.shown = counts, line, shown
        self.refresh()

    def render(self) -> Text:
        """Return the line."""
        text = Text(" ", no_wrap=True, end="")
        self.click_targets = []
        words = self.line.split()
        room = self.size.width - cell_len(self.shown) - 2
        for facet, number in self.counts.items():
            is_on = facet in words
            label = f"{facet.rstrip(':')} {number:,}"
            if (not number and not is_on) or cell_len(text.plain) + len(label) + 2 > room:
                continue
            start = cell_len(text.plain)
            text.append(label, self.style_of("cursor" if is_on else "accent"))
            self.click_targets.append(ClickTarget(start, cell_len(text.plain), facet))
            text.append("  ")
        text.append(" " * max(1, self.size.width - cell_len(text.plain) - cell_len(self.shown) - 1))
        text.append(self.shown, self.style_of("muted"))
        return text

    async def press(self, action: str) -> None:
        """Post the clicked facet."""
        self.post_message(self.Toggled(action))
