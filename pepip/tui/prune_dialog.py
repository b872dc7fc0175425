"""The preview of a prune. The user can untick each orphan. The default button removes nothing."""

from __future__ import annotations

import os
from functools import partial
from typing import ClassVar, NamedTuple

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Button, Static

from pepip.operations import prune, undo
from pepip.tui import background, commands, entries, formatting
from pepip.tui.dialogs import Choice, Dialog
from pepip.tui.scroll_text import ScrollText
from pepip.tui.table import Column, Table, TableRow
from pepip.tui.trash_line import TrashLine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from pepip.operations.prune import Orphan, PruneOptions, PrunePreview
    from pepip.store.listing import Stored
    from pepip.store.root import Store


class _Ticked(NamedTuple):
    """The ids of the ticked orphans, and the seconds for which the trash keeps them, 0 for no trash."""

    ids: frozenset[str]
    keep_seconds: float


_COLUMNS = (
    Column("name", "Package", 0),
    Column("version", "Version", 16),
    Column("python", "Python", 11, from_width=64),
    Column("when", "Last linked", 11, from_width=52),
    Column("size", "On disk", 9, is_right=True),
)
_NOTHING = "Nothing to prune: environments link all entries."


class PruneDialog(Dialog):
    """The dialog. It makes the preview in a thread. Answers `go` to remove the orphans in `chosen`.

    `stored` has all entries of the store.
    """

    COMMAND_LINES = 2

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "tick", "Tick", show=False),
        Binding("a", "tick_all", "Tick all", show=False),
        Binding("t", "toggle_trash", "Trash", show=False, tooltip="Keep in the trash, or free at once"),
        Binding("tab", "app.focus_next", "Next", show=False),
    ]

    class Previewed(Message):
        """The preview is ready. By default, the trash keeps the removed entries for `keep_seconds`."""

        def __init__(self, preview: PrunePreview, keep_seconds: float) -> None:
            super().__init__()
            self.preview, self.keep_seconds = preview, keep_seconds

    class Measured(Message):
        """The `gain` says in words how much space a choice of orphans frees."""

        def __init__(self, choice: _Ticked, gain: str) -> None:
            super().__init__()
            self.choice, self.gain = choice, gain

    class Refused(Message):
        """There is no preview. `reason` says why."""

        def __init__(self, reason: str) -> None:
            super().__init__()
            self.reason = reason

    def __init__(self, store: Store, options: PruneOptions, stored: Collection[Stored]) -> None:
        super().__init__("Prune unused entries · ␣ unticks · t trash")
        self.preview: PrunePreview | None = None
        self._store = store
        self._options = options
        self._stored = stored
        self._gains: dict[_Ticked, str] = {}
        self.keep_seconds = 0.0
        self._table = Table(_COLUMNS, can_mark=True, id="orphans")

    def body(self) -> ComposeResult:
        """Make the sentence, the list of orphans, and the notes."""
        yield Static(Text("Looking at the links of every environment …"), id="prune-sentence")
        yield self._table
        yield TrashLine()
        with ScrollText(id="prune-notes"):
            yield Static("", id="prune-notes-text")

    def choices(self) -> Sequence[Choice]:
        """Return the buttons, Cancel first."""
        return (Choice("", "Cancel"), Choice("go", "Remove", "error"))

    def on_mount(self) -> None:
        """Start the preview, with the focus on Cancel."""
        super().on_mount()
        for unknown in self.query("#orphans, #prune-notes, TrashLine"):
            unknown.display = False
        self.query_one("#answer-go", Button).disabled = True
        self.query_one("#answer-", Button).focus()
        self._run(self._look, "prune")

    def _run(self, work: Callable[[], None], group: str) -> None:
        background.run(self, work, group=group, refused=lambda reason: self.post_message(self.Refused(reason)))

    def _look(self) -> None:
        keep_seconds = undo.default_trash_seconds(self._store, os.environ)
        self.post_message(self.Previewed(prune.preview(self._store, self._options), keep_seconds))

    @property
    def chosen(self) -> list[Orphan]:
        """The orphans that are ticked, also after the dialog has closed."""
        marks = self._table.marks
        return [orphan for orphan in self.preview.orphans if orphan.stored.id in marks] if self.preview else []

    @property
    def is_all(self) -> bool:
        """Whether every orphan of the store is ticked."""
        preview = self.preview
        return self._options.only is None and preview is not None and len(self.chosen) == len(preview.orphans)

    def _measure(self, preview: PrunePreview, chosen: Sequence[Orphan], choice: _Ticked) -> None:
        options = self._options._replace(keep_seconds=choice.keep_seconds)
        freed, shared, trashed = prune.measure(self._store, chosen, preview.gone, options)
        if choice.keep_seconds:
            gain = formatting.waiting(trashed, shared, choice.keep_seconds)
        else:
            gain = formatting.gain(freed, shared)
        self.post_message(self.Measured(choice, gain))

    def on_prune_dialog_measured(self, event: Measured) -> None:
        """Update the sentence."""
        event.stop()
        self._gains[event.choice] = event.gain
        self._say()

    def action_toggle_trash(self) -> None:
        """Keep the removed entries in the trash, or free their space at once."""
        line = self.query_one(TrashLine)
        if line.seconds:
            line.is_on = not line.is_on
            self.keep_seconds = line.seconds if line.is_on else 0.0
            line.refresh()
            self._say()

    def on_prune_dialog_refused(self, event: Refused) -> None:
        """Show the reason why there is no preview."""
        event.stop()
        self.query_one("#prune-sentence", Static).update(Text(f"The store can't be read: {event.reason}"))

    def on_prune_dialog_previewed(self, event: Previewed) -> None:
        """Show the preview, with all orphans ticked."""
        event.stop()
        preview = self.preview = event.preview
        self.keep_seconds = event.keep_seconds if preview.orphans else 0.0
        line = self.query_one(TrashLine)
        line.say(event.keep_seconds, is_on=bool(self.keep_seconds))
        line.display = bool(preview.orphans) and not preview.blocked
        rows = [
            TableRow(
                orphan.stored.id,
                (
                    formatting.printable(orphan.stored.name),
                    formatting.printable(orphan.stored.version),
                    entries.short_bucket(orphan.stored.bucket),
                    formatting.day(orphan.stored.last_used_at),
                    formatting.size(orphan.allocated_bytes),
                ),
                ("name", "", "muted", "muted", ""),
            )
            for orphan in preview.orphans
        ]
        table = self._table
        table.marks = {row.key for row in rows}
        table.display = bool(rows)
        table.show(rows)
        notes = list(_notes(preview))
        self.query_one("#prune-notes").display = bool(notes)
        self.query_one("#prune-notes-text", Static).update(Text("\n".join(notes)))
        self._say()

    def on_table_marked(self) -> None:
        """Update the sentence and the command to the ticked orphans."""
        self._say()

    def on_table_chosen(self, event: Table.Chosen) -> None:
        """Tick or untick a row on Enter."""
        event.table.action_mark()

    def action_tick(self) -> None:
        """Tick or untick the row under the cursor."""
        self._table.action_mark()

    def action_tick_all(self) -> None:
        """Tick all rows, or untick them if all are ticked."""
        self._table.action_mark_all()

    def _say(self) -> None:
        preview = self.preview
        if preview is None:
            return
        chosen = self.chosen
        is_all = len(chosen) == len(preview.orphans)
        go = self.query_one("#answer-go", Button)
        go.disabled = bool(preview.blocked) or not (chosen or (is_all and (preview.freed_bytes or preview.gone)))
        sentence = self.query_one("#prune-sentence", Static)
        if preview.blocked:
            sentence.update(Text(f"Nothing can be removed: {preview.blocked}."))
            self.say_command("")
            return
        if not preview.orphans and not preview.freed_bytes:
            refused = formatting.count(len(preview.refused), "unused entry", "unused entries")
            nothing = f"{refused}: only the owner or root can remove them." if preview.refused else _NOTHING
            sentence.update(Text(nothing))
            self.say_command("")
            return
        choice = _Ticked(frozenset(orphan.stored.id for orphan in chosen), self.keep_seconds)
        if choice not in self._gains:
            self._run(partial(self._measure, preview, chosen, choice), "measure")
        if not preview.orphans and preview.emptied_bytes:
            size = formatting.size(preview.freed_bytes)
            said = f"No entry is unused. Emptying the trash frees {size} at once."
            sentence.update(Text(said + formatting.emptying(preview.restorable_bytes)))
            go.label = Text("Empty the trash")
            go.refresh(layout=True)
            self.say_command(commands.prune((), is_all=True))
            return
        entry_count = formatting.count(len(chosen), "entry", "entries")
        most = "" if is_all else f" of {len(preview.orphans)}"
        said = f"{entry_count}{most} to remove: {self._gains.get(choice, '…')}."
        if not self.keep_seconds:
            said += formatting.emptying(preview.restorable_bytes)
        sentence.update(Text(said))
        go.label = Text(f"Remove {entry_count}")
        go.refresh(layout=True)  # Textual keeps the width of the old label
        patterns = commands.patterns_of([orphan.stored for orphan in chosen], self._stored)
        command = commands.prune(patterns, is_all=self.is_all, is_kept=bool(self.keep_seconds))
        self.say_command(command if chosen or self.is_all else "")


def _notes(preview: PrunePreview) -> list[str]:
    """Return the facts that a user should know before a removal, one line each."""
    found = []
    if preview.shared_bytes:
        found.append("uv's cache has hard links to these files: Reclaim (F) can remove them")
    found += [f"gone: {known.environment} ({known.reason})" for known in preview.gone]
    for known in preview.unreachable:
        kept = "all entries" if known.entries is None else formatting.count(len(known.entries), "entry", "entries")
        found.append(f"kept: {kept} of {known.environment}, which is unreachable: {known.reason}")
    found += [f"kept: the entries of {environment}, which was not registered" for environment in preview.unregistered]
    found += [f"kept: {orphan.stored.id} {prune.refusal(orphan)}" for orphan in preview.refused]
    return [formatting.printable(line) for line in found]
