"""The dialog of the settings: trash, bell, columns, named filters and the theme. Nothing is written before `Save`."""

from __future__ import annotations

import os
from typing import ClassVar

from rich.text import Text
from textual import constants
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Button, Input, Static

from pepip import humanized
from pepip.errors import PepipError
from pepip.operations import preferences
from pepip.tui import commands, entries, formatting
from pepip.tui.dialogs import Choice, Dialog
from pepip.tui.table import Column, Table, TableRow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pepip.operations.preferences import Preferences

_TRASH = ("", "7d", "30d", "0")
"""The times of the trash that the dialog offers; the empty one is the default. `pepip settings` takes any time."""
_TRASH_BY_DEFAULT = "1d"
_TIME = "PEPIP_TRASH_TIME"

_COLUMNS = (Column("mark", "", 8), Column("name", "Setting", 0), Column("value", "", 0))


class SettingsDialog(Dialog):
    """The settings. Answers `go` to write `settings`. Cancel restores the previous theme.

    Space, Enter or a click chooses the next time of the trash, turns the bell on or off, shows or hides a column,
    chooses a theme, or removes a filter. A chosen theme shows at once.
    """

    COMMAND_LINES = 2
    BINDINGS: ClassVar[list[BindingType]] = [Binding("space", "change", "Change", show=False)]

    def __init__(self, before: Preferences, themes: Sequence[str]) -> None:
        super().__init__("Settings")
        self._before = before
        self._themes = themes
        self.settings = before
        self._theme_before = ""

    def body(self) -> ComposeResult:
        """Make the list, and the line for a new filter."""
        yield Table(_COLUMNS, is_quick=True, verb="Change", id="settings")
        yield Static(Text("A new named filter; @name in a filter line applies it"), classes="dialog--label")
        line = Input(placeholder="big = >100MB -torch", id="new-filter")
        line.cursor_blink = False
        yield line
        yield Static("", id="complaint")

    def choices(self) -> Sequence[Choice]:
        """Return the buttons."""
        return (Choice("go", "Save", "primary"), Choice("", "Cancel"))

    def on_mount(self) -> None:
        """Fill the list."""
        super().on_mount()
        self._theme_before = self.app.theme
        self._show()
        self.query_one("#settings").focus()

    def on_table_moved(self, event: Table.Moved) -> None:
        """Stop the message: nothing follows the cursor."""
        event.stop()

    def on_table_chosen(self, event: Table.Chosen) -> None:
        """Change the setting under the cursor."""
        event.stop()
        self.action_change()

    def action_change(self) -> None:
        """Change the setting under the cursor."""
        kind, _, name = self.query_one("#settings", Table).cursor_key.partition(":")
        hidden, filters = set(self.settings.hidden), dict(self.settings.filters)
        if kind == "column":
            hidden ^= {name}
            self.settings = self.settings._replace(hidden=tuple(key for key in entries.HIDEABLE if key in hidden))
        elif kind == "filter":
            filters.pop(name)
            self.settings = self.settings._replace(filters=filters)
        elif kind == "trash":
            place = _TRASH.index(self.settings.trash) if self.settings.trash in _TRASH else 0
            self.settings = self.settings._replace(trash=_TRASH[(place + 1) % len(_TRASH)])
        elif kind == "bell":
            self.settings = self.settings._replace(bell=not self.settings.bell)
        elif kind == "theme":
            self.app.theme = name
            self.settings = self.settings._replace(theme="" if name == constants.DEFAULT_THEME else name)
        self._show()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show the command with the typed filter."""
        event.stop()
        self._say()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Add the typed filter to the list. If the line is empty, answer `go`."""
        event.stop()
        if not event.value.strip():
            self.action_answer("go")
            return
        if self._take_line():
            self._show()

    def action_answer(self, key: str) -> None:
        """Close with an answer. For `go`, first take a typed filter; an error in it keeps the dialog open."""
        if key == "go" and self.query_one("#new-filter", Input).value.strip() and not self._take_line():
            return
        if key != "go":
            self.app.theme = self._theme_before
        self.dismiss(key)

    def _take_line(self) -> bool:
        line = self.query_one("#new-filter", Input)
        try:
            self.settings = self._with(line.value)
        except PepipError as error:
            self.query_one("#complaint", Static).update(Text(f"{error.message}; {error.hint}"))
            return False
        with line.prevent(Input.Changed):
            line.value = ""
        return True

    def _with(self, line: str) -> Preferences:
        """Return the settings with a typed filter. Raises UsageError if it has no name."""
        name, is_named, value = line.partition("=")
        return preferences.changed(self.settings, [f"filter.{name.strip()}{is_named}{value.strip()}"])

    def _show(self) -> None:
        titles = {column.key: column.title for column in entries.COLUMNS if column.title}
        rows = [
            _trash(self.settings.trash),
            _row("bell", "", "ring a bell when a long job ends", "", is_on=self.settings.bell),
        ]
        rows += [
            _row("column", key, f"column {titles[key]}", "", is_on=key not in self.settings.hidden)
            for key in entries.HIDEABLE
        ]
        rows += [
            _row("filter", name, f"filter @{name}", line, is_on=True)
            for name, line in sorted(self.settings.filters.items())
        ]
        rows += [_row("theme", name, f"theme {name}", "", is_on=name == self.app.theme) for name in self._themes]
        self.query_one("#settings", Table).show(rows)
        self._say()

    def _say(self) -> None:
        self.query_one("#complaint", Static).update("")
        after = self.settings
        line = self.query_one("#new-filter", Input).value
        if line.strip():
            try:
                after = self._with(line)
            except PepipError:
                after = self.settings
        words = preferences.words_of(self._before, after)
        self.say_command(commands.of("settings", *words) if words else "")
        self.query_one("#answer-go", Button).disabled = not words and not line.strip()


def _trash(setting: str) -> TableRow:
    """Return the row of the time of the trash. A variable has priority over the setting."""
    seconds = preferences.seconds_of(setting or _TRASH_BY_DEFAULT) or 0.0
    name = f"keep removed entries for {humanized.duration(seconds)}" if seconds else "keep no removed entries"
    value = f"now {_TIME} says {os.environ[_TIME]}" if os.environ.get(_TIME) else ""
    return _row("trash", "", name, value, is_on=bool(seconds))


def _row(kind: str, key: str, name: str, value: str, *, is_on: bool) -> TableRow:
    mark = "☑" if is_on else "☐"
    if kind == "theme":
        mark = "●" if is_on else "○"
    cells = (mark, formatting.printable(name), formatting.printable(value))
    return TableRow(f"{kind}:{key}", cells, ("accent" if is_on else "muted", "", "muted"))
