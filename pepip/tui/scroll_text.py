"""A container for long text: the keys of a list and the wheel scroll it."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll

from pepip.tui.capped_height import capped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from textual.geometry import Size


class ScrollText(VerticalScroll, can_focus=True, inherit_bindings=False):
    """The container. Text scrolls only up and down, so left and right work on the widgets around it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "scroll_down", "Down", show=False),
        Binding("up,k", "scroll_up", "Up", show=False),
        Binding("pagedown,ctrl+d", "page_down", "Page down", show=False),
        Binding("pageup,ctrl+u", "page_up", "Page up", show=False),
        Binding("g,home", "scroll_home", "First", show=False),
        Binding("G,end", "scroll_end", "Last", show=False),
    ]

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return the height of the text, at most `max-height`."""
        return capped(self, super().get_content_height(container, viewport, width), container, viewport)
