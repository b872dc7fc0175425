"""A screen over the panes: a title, a line of facts, the content, and the keys that work."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Static

from pepip.tui import formatting
from pepip.tui.bars import Keys
from pepip.tui.dialogs import CommandLine, Dialog, Help


class View(Dialog):
    """A dialog on the whole screen. Escape closes it. A question mark shows its keys and `HELP`."""

    HELP: ClassVar[str] = ""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "answer('')", "Close", key_display="esc"),
        Binding("y", "copy", "Copy command", tooltip="Copy the command that shows the same"),
        Binding("question_mark", "help", "Help", key_display="?"),
    ]

    def compose(self) -> ComposeResult:
        """Make the lines, with the widgets of `body` between them."""
        with Vertical(classes="view"):
            yield Static(Text(formatting.printable(self.title_text), no_wrap=True), classes="view--title")
            yield Static("", classes="view--facts")
            yield from self.body()
            yield CommandLine(classes="view--command dialog--command")
            yield Keys()

    def say(self, *, title: str | None = None, facts: str | None = None) -> None:
        """Change the title or the line of facts. None keeps it."""
        for words, kind in ((title, ".view--title"), (facts, ".view--facts")):
            if words is not None:
                shown = Text(formatting.printable(words), no_wrap=True, overflow="ellipsis")
                self.query_one(kind, Static).update(shown)

    def action_help(self) -> None:
        """Show the keys of this screen."""

        def press(key: str | None) -> None:
            if key:
                self.app.simulate_key(key)

        self.app.push_screen(Help(self, self.title_text, self.HELP), press)
