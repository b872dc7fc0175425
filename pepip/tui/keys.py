"""The keys that work on every pane."""

from __future__ import annotations

from textual.binding import Binding, BindingType

OF_THE_APP: list[BindingType] = [
    Binding("1", "show('store')", "Store", show=False),
    Binding("2", "show('projects')", "Projects", show=False),
    Binding("3", "show('savings')", "Savings", show=False),
    Binding("4", "show('activity')", "Activity", show=False),
    Binding("P", "prune", "Prune", tooltip="Preview what no environment links, and remove it"),
    Binding("r", "rescan", "Rescan", show=False, tooltip="Look at the disk again"),
    Binding("I", "install_anywhere", "Install…", show=False, tooltip="Install into a project, known or new"),
    Binding("plus", "store", "Store…", show=False, key_display="+", tooltip="Store packages without a project"),
    Binding("V", "verify_all", "Verify all", show=False, tooltip="Verify every file of the store"),
    Binding("C", "scan", "Scan…", show=False, tooltip="Scan a folder for environments nobody registered"),
    Binding("exclamation_mark", "doctor", "Doctor", show=False, tooltip="Look at everything that pepip rests on"),
    Binding("x", "cancel_job", "Cancel", show=False, tooltip="Cancel the running operation"),
    Binding("escape", "hide_drawer", "Hide", show=False, system=True),
    Binding("question_mark", "help", "Help", key_display="?"),
    Binding("ctrl+p", "command_palette", "Commands", key_display="^p", tooltip="All commands, by name"),
    Binding("q", "quit", "Quit"),
    Binding("ctrl+q", "quit", "Quit", show=False, priority=True),
]
