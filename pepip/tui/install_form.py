"""The form for an installation: a project and requirements."""

from __future__ import annotations

import os
from functools import partial

from rich.text import Text
from textual.app import ComposeResult
from textual.message import Message
from textual.widgets import Input, Static

from pepip import paths
from pepip.environment import purposes
from pepip.errors import PepipError
from pepip.fast_namedtuple import NamedTuple
from pepip.operations import census
from pepip.tui import background, commands, formatting, user_input
from pepip.tui.dialogs import Choice, Dialog
from pepip.tui.path_input import PathInput
from pepip.tui.table import Column, Table, TableRow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pepip.operations.census import KnownVenv
    from pepip.operations.savings import VenvShare


_MARKS_OF_PROJECTS = ("pyproject.toml", ".venv", "requirements.txt", "setup.py")


def _key_of(known: KnownVenv) -> str:
    return known.project if os.path.basename(known.name) == ".venv" else known.environment


class Start(NamedTuple):
    """The folder in which the app was started, empty if it is gone: whether it is a project, or an environment."""

    folder: str
    is_project: bool
    is_environment: bool


def look_at(folder: str) -> Start:
    """Look at the folder in which the app was started. Reads the disk."""
    is_project = any(os.path.exists(f"{folder}/{name}") for name in _MARKS_OF_PROJECTS)
    there = folder if os.path.isdir(folder) else ""
    return Start(there, bool(there) and is_project, os.path.isfile(f"{folder}/pyvenv.cfg"))


class InstallForm(Dialog):
    """A form that asks for a project and requirements. Answers `go`. `place` and `line` are the typed lines.

    The app was started in `folder`. If this folder is a project, the form begins with it.
    """

    COMMAND_LINES = 2

    class Looked(Message):
        """The command for the typed lines is known. If they name no installation, `complaint` says why."""

        def __init__(self, typed: tuple[str, str], command: str, complaint: str) -> None:
            super().__init__()
            self.typed, self.command, self.complaint = typed, command, complaint

    def __init__(self, shares: Sequence[VenvShare], start: Start, *, place: str = "", line: str = "") -> None:
        super().__init__("Install")
        self.place, self.line = place, line
        self._is_looking = self._is_asked = False
        self._folder = start.folder
        self._projects = [
            share.known
            for share in shares
            if share.known.state in census.READABLE and share.known.purpose.kind == purposes.PROJECT
        ]
        self._home = paths.user_home(os.environ)
        self._environments = {_key_of(known): known.name for known in self._projects}
        if start.folder and not start.is_environment:
            self._environments.setdefault(start.folder, f"{start.folder}/.venv")
        if start.is_project and not place:
            self.place = self._place_of(start.folder)

    def body(self) -> ComposeResult:
        """Make the two lines, and the list of known projects."""
        yield Static(Text("Project: a known one, or a new folder"), classes="dialog--label")
        place = PathInput(self.place, placeholder="~/code/my-project", id="place")
        yield place
        yield Table(
            (Column("path", "Known projects", 0, keeps_end=True), Column("python", "Python", 8)),
            keeps_cursor=False,
            id="known",
        )
        yield Static(Text("Requirements, as for `pepip install`"), classes="dialog--label")
        line = Input(self.line, placeholder="requests 'numpy<2' -r requirements.txt", id="line")
        yield line
        place.cursor_blink = line.cursor_blink = False
        yield Static("", id="complaint")

    def choices(self) -> Sequence[Choice]:
        """Return the buttons."""
        return (Choice("go", "Preview", "primary"), Choice("", "Cancel"))

    def on_mount(self) -> None:
        """Focus the requirements if the project is given, else the project."""
        super().on_mount()
        self._narrow("")
        self.query_one("#line" if self.place else "#place", Input).focus()
        self._say()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Narrow the list down, and show the command."""
        self._is_asked = False
        if event.input.id == "place":
            self._narrow("" if event.value == self.place else event.value)
        self._say()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Move to the requirements if they are missing, else answer `go`."""
        if event.input.id == "place" and not self.query_one("#line", Input).value:
            self.query_one("#line", Input).focus()
        else:
            self.action_answer("go")

    def on_table_chosen(self, event: Table.Chosen) -> None:
        """Take the chosen project, and move to the requirements."""
        self._pick(event.key)
        self.query_one("#line", Input).focus()

    def on_table_moved(self, event: Table.Moved) -> None:
        """Take the project under the cursor, if the list has the focus."""
        if event.table.has_focus and event.key:
            self._pick(event.key)

    def action_scroll_content(self, rows: int) -> None:
        """Move the focus to the known projects, and take the one under the cursor."""
        del rows
        table = self.query_one("#known", Table)
        if table.cursor_key:
            table.focus()
            self._pick(table.cursor_key)

    def _pick(self, key: str) -> None:
        place = self.query_one("#place", Input)
        with place.prevent(Input.Changed):
            place.value = self._place_of(key)
        self._say()

    def _place_of(self, key: str) -> str:
        """Return the path to type for a row of the list. It means the environment of the row."""
        return formatting.short_path(user_input.place_of(self._environments.get(key, key)), self._home)

    def action_answer(self, key: str) -> None:
        """Close with an answer. For `go`, a thread first checks both lines; an error keeps the form open."""
        self.place, self.line = self._typed
        self._is_asked = key == "go"
        if self._is_asked:
            self._say()
        else:
            self.dismiss(key)

    def _narrow(self, typed: str) -> None:
        wanted = typed.strip()
        if self._home and (wanted == "~" or wanted.startswith("~/")):
            wanted = self._home + wanted[1:]
        rows = []
        for known in self._projects:
            if wanted in known.environment:
                key = _key_of(known)
                shown = formatting.printable(formatting.short_path(key, self._home))
                rows.append(TableRow(key, (shown, known.python[:7]), ("", "muted")))
        if self._folder and wanted in self._folder and all(row.key != self._folder for row in rows):
            shown = formatting.printable(formatting.short_path(self._folder, self._home))
            rows.insert(0, TableRow(self._folder, (f"{shown} (started here)", ""), ("", "")))
        table = self.query_one("#known", Table)
        table.empty_text = "a new project" if wanted else "no known project: type a path"
        table.show(rows)

    def _say(self) -> None:
        """Show the command for the typed lines, as soon as a thread has looked at the path: its disk may hang.

        One thread at a time looks, so that keys which are typed meanwhile leave threads for the rest of the app.
        """
        self.query_one("#complaint", Static).update("")
        if not self._is_looking:
            self._is_looking = True
            background.run(self, partial(self._look, *self._typed), group="command", is_exclusive=False)

    @property
    def _typed(self) -> tuple[str, str]:
        return self.query_one("#place", Input).value, self.query_one("#line", Input).value

    def _look(self, place: str, line: str) -> None:
        command = complaint = ""
        try:
            environment = user_input.environment_at(place)
            _, words = user_input.requirements(line)
            command = commands.on_environment("install", environment, *words)
        except PepipError as error:
            complaint = f"{error.message}; {error.hint}" if error.hint else error.message
        self.post_message(self.Looked((place, line), command, complaint))

    def on_install_form_looked(self, event: Looked) -> None:
        """Show the command, and answer if the user has asked for that. Look again if the lines have changed."""
        event.stop()
        self._is_looking = False
        if event.typed != self._typed:
            self._say()
            return
        self.say_command(event.command)
        if self._is_asked and event.complaint:
            self._is_asked = False
            self.query_one("#complaint", Static).update(Text(event.complaint))
        elif self._is_asked:
            self.dismiss("go")
