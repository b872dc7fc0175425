"""The keys that work on every pane, and those that the help and the palette offer."""

from __future__ import annotations

from typing import cast

from textual.binding import Binding, BindingType
from textual.containers import ScrollableContainer
from textual.screen import Screen
from textual.widgets import Input

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

OF_THE_APP: list[BindingType] = [
    Binding("1", "show('store')", "Store", show=False),
    Binding("2", "show('projects')", "Projects", show=False),
    Binding("3", "show('savings')", "Savings", show=False),
    Binding("4", "show('activity')", "Activity", show=False),
    Binding("5", "show('versions')", "Versions", show=False),
    Binding("P", "prune", "Prune", tooltip="Preview what no environment links, and remove it"),
    Binding("F", "reclaim", "Reclaim", show=False, tooltip="List all that can be freed, and what it costs"),
    Binding("z", "undo", "Undo", show=False, tooltip="Bring back what the last prune put into the trash"),
    Binding("r", "rescan", "Rescan", show=False, tooltip="Look at the disk again"),
    Binding("I", "install_anywhere", "Install anywhere…", show=False, tooltip="Install into a project, known or new"),
    Binding(
        "plus", "store", "Store packages…", show=False, key_display="+", tooltip="Store packages without a project"
    ),
    Binding("V", "verify_all", "Verify all", show=False, tooltip="Verify every file of the store"),
    Binding("C", "scan", "Scan…", show=False, tooltip="Scan a folder for environments nobody registered"),
    Binding("exclamation_mark", "doctor", "Doctor", show=False, tooltip="Look at everything that pepip rests on"),
    Binding(
        "o", "report('audit')", "Audit", show=False, tooltip="Packages vulnerable, yanked or outdated; asks first"
    ),
    Binding(
        "equals_sign", "report('compare')", "Compare", show=False, tooltip="Compare with another, or with the lock"
    ),
    Binding("e", "report('export')", "Write list…", show=False, tooltip="Write this list as CSV, Markdown or JSON"),
    Binding("comma", "report('settings')", "Settings", show=False, tooltip="Theme, columns, named filters"),
    Binding("x", "cancel_job", "Cancel", show=False, tooltip="Cancel the running operation"),
    Binding("escape", "hide_drawer", "Hide", show=False, system=True),
    Binding("question_mark", "help", "Help", key_display="?"),
    Binding("ctrl+p", "command_palette", "Commands", key_display="^p", tooltip="All commands, by name"),
    Binding("q", "quit", "Quit"),
    Binding("ctrl+q", "quit", "Quit", show=False, priority=True),
]

_OF_TEXTUAL = {
    (binding.action, binding.description)
    for owner in (Screen, Input, ScrollableContainer)
    for binding in cast("list[Binding]", owner.BINDINGS)
}
"""The actions that Textual names: to move the focus, to edit a line, and to scroll."""


def offered_on(screen: Screen[object]) -> Iterator[Binding]:
    """Yield the keys that work on a screen now, without those that Textual names."""
    for active in screen.active_bindings.values():
        binding = active.binding
        is_of_textual = (binding.action, binding.description) in _OF_TEXTUAL
        if active.enabled and not binding.system and binding.description and not is_of_textual:
            yield binding
