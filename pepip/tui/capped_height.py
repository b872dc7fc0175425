"""The height of a list or text that grows with its content up to `max-height`, and no further than its dialog allows.

Textual does not apply a `max-height` in `vh` when it measures a box of automatic height, such as a dialog. The box
would get the height of the whole content, and blank lines below its last widget. If the box itself is too high for
the screen, Textual cuts off its last lines: in a dialog, these are the buttons.
"""

from __future__ import annotations

from fractions import Fraction

from textual.widget import Widget

TYPE_CHECKING = False
if TYPE_CHECKING:
    from textual.css.scalar import Scalar
    from textual.geometry import Size
_LEAST = 3
"""The height that a list keeps, even if the rest of its dialog needs more than the screen."""


def capped(widget: Widget, height: int, container: Size, viewport: Size, width: int) -> int:
    """Return the height of the content, at most the `max-height` of the widget and the room in its dialog."""
    height = _at_most(widget.styles.max_height, height, container, viewport)
    box = widget.parent
    if not isinstance(box, Widget) or not box.has_class("dialog"):
        return height
    most = _at_most(box.styles.max_height, viewport.height, viewport, viewport) - box.gutter.height
    others = sum(_height_of(other, container, viewport, width) for other in box.children if other is not widget)
    return min(height, max(_LEAST, most - others - widget.gutter.height - widget.styles.margin.height))


def _height_of(other: Widget, container: Size, viewport: Size, width: int) -> int:
    """Return the height of another widget in the dialog with its margins, as far as the style sheet limits it."""
    styles = other.styles
    if not other.display:
        return 0
    around = styles.margin.height + other.gutter.height
    if styles.height is not None and not styles.is_auto_height:
        return int(styles.height.resolve(container, viewport, Fraction(1))) + styles.margin.height
    content: int = getattr(other, "whole_height", other.get_content_height)(container, viewport, width)
    content = _at_most(styles.max_height, content, container, viewport)
    if styles.min_height is not None:
        content = max(content, int(styles.min_height.resolve(container, viewport, Fraction(1))))
    return content + around


def _at_most(limit: Scalar | None, height: int, container: Size, viewport: Size) -> int:
    return height if limit is None else min(height, int(limit.resolve(container, viewport, Fraction(1))))
