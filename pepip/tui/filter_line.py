"""The line above a list in which a filter is typed."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input


class FilterLine(Input):
    """The filter of the list `target`. Down and Enter move to the list. Escape empties the line first."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,enter", "leave", "To the list", show=False),
        Binding("escape", "clear", "Clear", key_display="esc"),
    ]

    def __init__(self, target: str, *, placeholder: str, id: str) -> None:  # noqa: A002 - textual's name
        super().__init__(placeholder=placeholder, id=id)
        self.cursor_blink = False
        self._target = target

    def action_leave(self) -> None:
        """Move the focus to the list at once, so that the list gets the next key."""
        self.screen.set_focus(self.screen.query_one(self._target))

    def action_clear(self) -> None:
        """Empty the line, and move to the list."""
        self.value = ""
        self.action_leave()
