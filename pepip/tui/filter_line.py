"""The line above a list in which a filter is typed, and the panes that have one."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input

from pepip.tui.bars import Drawer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class FilterLine(Input):
    """The filter of the list `target`. Down, Enter and Escape move to the list. Escape also empties the line.

    These keys have priority: the app moves the focus before it reads the next key. Otherwise a busy app would send
    the next key to the line, too.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,enter", "leave", "To the list", show=False, priority=True),
        Binding("escape", "clear", "Clear", key_display="esc", priority=True),
    ]

    def __init__(self, target: str, *, placeholder: str, id: str) -> None:  # noqa: A002 - textual's name
        super().__init__(placeholder=placeholder, id=id)
        self.cursor_blink = False
        self._target = target

    def action_leave(self) -> None:
        """Move the focus to the list at once, so that the list gets the next key."""
        self.screen.set_focus(self.screen.query_one(self._target))

    def action_clear(self) -> None:
        """Move to the list at once. Empty the line only after it has received the keys that were typed earlier."""
        self.action_leave()
        self.call_later(self._empty)

    def _empty(self) -> None:
        self.value = ""


def key_to(*, tooltip: str, show: bool = True) -> Binding:
    """Return the key that moves from a list to its filter line. It has priority, like those that move back."""
    return Binding("slash", "filter", "Filter", show=show, tooltip=tooltip, priority=True)


class FilteredPane(Vertical):
    """A pane with a filter line. While the line has the focus, a slash is a letter."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable `filter` while the user types."""
        if action == "filter":
            return self.is_attached and not isinstance(self.screen.focused, Input)
        return super().check_action(action, parameters)

    def action_filter(self) -> None:
        """Move the focus to the filter."""
        self.screen.set_focus(self.query_one(FilterLine))

    def step_back(self, unmark: Callable[[], object]) -> None:
        """Hide the drawer, and clear the filter. If neither is there, unmark all rows."""
        line = self.query_one(FilterLine)
        is_hiding = any(drawer.display for drawer in self.app.default_screen.query(Drawer))
        if not line.value and not is_hiding:
            unmark()
        line.value = ""
        self.app.call_later(self.app.run_action, "hide_drawer")
