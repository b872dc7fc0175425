"""The height of a list or text that grows with its content up to `max-height`.

Textual does not apply a `max-height` in `vh` when it measures a box of automatic height, such as a dialog. The box
would get the height of the whole content, and blank lines below its last widget.
"""

from __future__ import annotations

from fractions import Fraction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from textual.geometry import Size
    from textual.widget import Widget


def capped(widget: Widget, height: int, container: Size, viewport: Size) -> int:
    """Return the height of the content, at most the `max-height` of the widget."""
    most = widget.styles.max_height
    return height if most is None else min(height, int(most.resolve(container, viewport, Fraction(1))))
