"""The command palette: the actions whose keys work on the screen now, and the choice of a theme."""

from __future__ import annotations

from functools import partial

from textual.app import SystemCommand

from pepip.tui import key_bindings
from pepip.tui.bars import label_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.screen import Screen


def commands_of(screen: Screen[object]) -> Iterator[SystemCommand]:
    """Yield the actions that are possible on a screen. Choosing one presses its key."""
    seen: set[str] = set()
    app = screen.app
    for binding in key_bindings.offered_on(screen):
        if binding.action in seen or binding.key == "ctrl+p":
            continue
        is_pane = binding.action.startswith("show(")
        if binding.tooltip or binding.show or is_pane:
            seen.add(binding.action)
            title = f"Go to {binding.description}" if is_pane else label_of(binding, screen).rstrip("…")
            if title in seen:
                continue
            seen.add(title)
            yield SystemCommand(title, binding.tooltip or "", partial(app.simulate_key, binding.key))
    yield SystemCommand(
        "Theme", "Change the colours; the ansi themes use the colours of the terminal", app.action_change_theme
    )
