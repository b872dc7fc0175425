"""The few text styles of all screens, by name, in the colours of the current theme.

They are computed once for each theme. Computing them from the style sheet for each widget would take a third of the
time of the first paint.
"""

from __future__ import annotations

from rich.style import Style
from textual.color import Color

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from textual.app import App
    from textual.theme import Theme

_BY_THEME: dict[str, dict[str, Style]] = {}


def of(app: App[Any]) -> dict[str, Style]:
    """Return the styles of the current theme by name."""
    theme = app.current_theme
    if theme.name not in _BY_THEME:
        _BY_THEME[theme.name] = _styles(theme)
    return _BY_THEME[theme.name]


def _styles(theme: Theme) -> dict[str, Style]:
    colors = theme.to_color_system().generate()

    def color(variable: str, *, on: str = "") -> Style:
        value = colors[variable]
        if value.startswith("auto"):
            return Style(color=Color.parse(colors[on]).get_contrast_text().rich_color)
        return Style(color=Color.parse(value).rich_color)

    def ground(variable: str) -> Style:
        return Style(bgcolor=Color.parse(colors[variable]).rich_color)

    bold, dim = Style(bold=True), Style(dim=True)
    cursor = color("block-cursor-foreground", on="block-cursor-background") + ground("block-cursor-background") + bold
    # ANSI themes use the terminal's own colours, which have no shades. There, underlining replaces the background.
    raised = Style(bold=True, underline=True) if theme.ansi else bold + ground("panel")

    def tile(kind: str) -> Style:
        if theme.ansi:
            return color(f"text-{kind}") + Style(reverse=True)
        return ground(f"{kind}-muted") + Style(color=Color.parse(colors["foreground"]).rich_color)

    # Only warnings, and unused entries on the map, have the colour of warnings. It is also the accent of the default
    # theme, so keys and bars are primary, not accent. In lists, unused entries have no colour: they are no fault.
    return {
        "": Style.null(),
        "name": bold,
        "muted": dim,
        "good": color("text-success"),
        "gain": color("text-success") + bold,
        "bad": color("text-error") + bold,
        "warn": color("text-warning"),
        "alarm": color("text-warning") + bold,
        "accent": color("text-primary"),
        "key": color("text-primary") + bold,
        "title": raised,
        "resting": raised,
        "cursor": cursor,
        "tile-used": tile("success"),
        "tile-unused": tile("warning"),
        "tile-damaged": tile("error"),
        "tile-busy": tile("primary"),
        "tile-rest": raised,
        "tile-layer": tile("secondary") if "secondary-muted" in colors else raised,
    }
