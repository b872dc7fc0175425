"""The list of environments that other tools made, with the space that adopting each would free."""

from __future__ import annotations

import os
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Static

from pepip.tui import formatting, pane_requests
from pepip.tui.table import Column, Table, TableRow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from pepip.operations.adoption.preview import AdoptionPreview, FoundVenv

COLUMNS = (
    Column("name", "Not yet shared", 0, keeps_both_ends=True),
    Column("path", "Folder", 0, from_width=72, keeps_end=True),
    Column("tool", "Made by", 10, from_width=58),
    Column("packages", "Packages", 8, is_right=True, from_width=64),
    Column("size", "On disk", 9, is_right=True, from_width=40),
    Column("freed", "Frees", 9, is_right=True),
)


class UnsharedList(Vertical):
    """A sentence, and a row for each environment. Hidden if there is none and no search runs.

    The same list is in the projects pane and on the first screen of an empty store.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("A", "adopt", "Adopt", tooltip="Link the marked environments of other tools, or all"),
        Binding("space", "mark", "Mark", key_display="␣", tooltip="Mark an environment that is not yet shared"),
        Binding("a", "mark_all", "Mark all", show=False),
    ]

    def __init__(self, *, id: str) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id, classes="unshared")
        self._found: AdoptionPreview | None = None
        self._shown: list[FoundVenv] = []

    def compose(self) -> ComposeResult:
        """Make the sentence and the list."""
        yield Static("", classes="unshared--sentence")
        yield Table(COLUMNS, can_mark=True, keeps_cursor=False, verb="Preview", id="unshared-list")

    @property
    def table(self) -> Table:
        """The list."""
        return self.query_one(Table)

    @property
    def chosen(self) -> list[str]:
        """The marked environments, or all if none is marked."""
        marks = self.table.marks
        return [item.environment for item in self._shown if not marks or item.environment in marks]

    def show(self, found: AdoptionPreview | None, known: Collection[str], place: str) -> None:
        """Show the result of a search, without the environments in `known`. A running search has reached `place`."""
        self._found = found
        candidates = [item for item in found.venvs if item.environment not in known] if found else []
        self._shown = [item for item in candidates if _linkable(item)] if found else []
        if found:
            self._shown.sort(key=lambda item: (-found.freed_by(item).size_bytes, item.environment))
        self.display = bool(self._shown or place)
        self.table.display = bool(self._shown)
        self.query_one(".unshared--sentence", Static).update(self._sentence(len(candidates), place))
        self.table.show([self._row(item) for item in self._shown])

    def _sentence(self, number: int, place: str) -> Text:
        text = Text(no_wrap=True, overflow="ellipsis")
        found = self._found
        if found is None or not self._shown:
            room = max(10, self.app.size.width - 34)
            return text.append(f"searching for environments: {formatting.fit(place, room)}" if place else "", "dim")
        freed = sum(found.freed_by(item).size_bytes for item in self._shown)
        shown = formatting.count(len(self._shown), "environment")
        if freed > 0:
            text.append(f"{formatting.size(freed)} can be freed", "bold")
            text.append(f" by adopting {shown}")
        else:
            text.append(f"Adopting {shown} frees nothing now")
        if number > len(self._shown):
            text.append(f" · {number - len(self._shown)} more have nothing to share", "dim")
        return text

    def _row(self, item: FoundVenv) -> TableRow:
        project, name = os.path.split(item.environment)
        if name in {".venv", "venv", "env"}:
            project, name = os.path.split(project)
        freed = self._found.freed_by(item).size_bytes if self._found else 0
        return TableRow(
            item.environment,
            (
                formatting.printable(name),
                formatting.printable(formatting.short_path(project)),
                formatting.printable(item.tool),
                f"{_linkable(item):,}",
                formatting.size(item.survey.allocated_bytes),
                formatting.size(freed) if freed > 0 else "-",
            ),
            ("name", "muted", "muted", "", "", "gain" if freed > 0 else "muted"),
        )

    def on_table_moved(self, event: Table.Moved) -> None:
        """Stop the message: nothing here depends on the cursor."""
        event.stop()

    def on_table_marked(self, event: Table.Marked) -> None:
        """Stop the message: nothing here depends on marks."""
        event.stop()

    def on_table_sorted(self, event: Table.Sorted) -> None:
        """Stop the message: the environment that frees most is always first."""
        event.stop()

    def on_table_chosen(self, event: Table.Chosen) -> None:
        """Ask to adopt one environment. The preview comes first."""
        event.stop()
        self.post_message(pane_requests.AdoptEnvironments([event.key]))

    def action_mark(self) -> None:
        """Mark or unmark the environment under the cursor."""
        self.table.action_mark()

    def action_mark_all(self) -> None:
        """Mark all environments, or unmark them if all are marked."""
        self.table.action_mark_all()

    def action_adopt(self) -> None:
        """Ask to adopt the chosen environments."""
        if self.chosen:
            self.post_message(pane_requests.AdoptEnvironments(self.chosen))


def _linkable(item: FoundVenv) -> int:
    """Return the number of distributions that would be linked."""
    return 0 if item.reason else sum(not copy.reason for copy in item.survey.copies)
