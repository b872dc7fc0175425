"""The keys that work on every pane, and the keys that the help and the palette list."""

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
    Binding("P", "prune", "Prune", tooltip="Preview the unused entries, and remove them"),
    Binding("F", "reclaim", "Reclaim", show=False, tooltip="List the space that can be freed, and its cost"),
    Binding("z", "undo", "Undo", show=False, tooltip="Bring back the entries that the last prune removed"),
    Binding("r", "rescan", "Rescan", show=False, tooltip="Read the store again"),
    Binding("I", "install_anywhere", "Install anywhere…", show=False, tooltip="Install into a known or new project"),
    Binding(
        "plus", "store", "Store packages…", show=False, key_display="+", tooltip="Store packages without a project"
    ),
    Binding("V", "verify_all", "Verify all", show=False, tooltip="Verify every file of the store"),
    Binding("C", "scan", "Scan…", show=False, tooltip="Scan a folder for unregistered environments"),
    Binding("exclamation_mark", "doctor", "Doctor", show=False, tooltip="Check everything that pepip needs"),
    Binding("o", "report('audit')", "Audit", show=False, tooltip="List vulnerable, yanked and outdated packages"),
    Binding(
        "equals_sign",
        "report('compare')",
        "Compare",
        show=False,
        tooltip="Compare a project with another one, or with its lock",
    ),
    Binding("e", "report('export')", "Write list…", show=False, tooltip="Write this list as CSV, Markdown or JSON"),
    Binding(
        "comma",
        "report('settings')",
        "Settings",
        show=False,
        tooltip="Change the theme, the columns and the named filters",
    ),
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
"""Actions of Textual itself: moving the focus, editing a line, scrolling."""


def offered_on(screen: Screen[object]) -> Iterator[Binding]:
    """Yield the keys that work on a screen now, except those of Textual itself."""
    for active in screen.active_bindings.values():
        binding = active.binding
        is_of_textual = (binding.action, binding.description) in _OF_TEXTUAL
        if active.enabled and not binding.system and binding.description and not is_of_textual:
            yield binding
