"""The files of an entry, folder by folder, the largest first: which of them fill the disk."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.worker import get_current_worker

from pepip import paths
from pepip.operations import entry_files
from pepip.tui import background, entries, formatting, jobs
from pepip.tui.table import Column, Table, TableRow
from pepip.tui.view import View

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.host.disk_usage import Branch
    from pepip.store.listing import Stored

_BAR = 20

COLUMNS = (
    Column("size", "Size", 9, is_right=True),
    Column("share", "", 6, is_right=True, from_width=44),
    Column("bar", "", _BAR, from_width=56),
    Column("name", "Name", 0),
    Column("files", "Files", 8, is_right=True, from_width=46),
)


_OWN = frozenset((paths.READY, paths.ENTRY_METADATA))
"""The folder and the file in an entry that are no part of its wheel."""


class FilesView(View):
    """The folders and files of one entry. Enter goes into a folder, Backspace goes up."""

    HELP = (
        "Sizes are those on disk, in whole blocks; each inode counts once. A bar shows the share of the open folder. "
        "`.pepip` and `pepip-entry.json` belong to the store. All other files come from the wheel, or are bytecode. "
        "Enter goes into a folder, Backspace goes up."
    )

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("backspace,h,left", "up", "Up", key_display="⌫"),
        Binding("l,right", "open", "Into the folder", show=False),
    ]

    class Walked(Message):
        """The reading of the entry has ended. If it failed, `tree` is None, and `reason` says why."""

        def __init__(self, tree: Branch | None, reason: str) -> None:
            super().__init__()
            self.tree, self.reason = tree, reason

    def __init__(self, stored: Stored) -> None:
        name = f"{stored.name} {stored.version}"
        super().__init__(
            f"{name} · {entries.short_bucket(stored.bucket)} · files", command=jobs.files_command(stored)
        )
        self.stored = stored
        self.way: list[Branch] = []

    def body(self) -> ComposeResult:
        """Make the list."""
        table = Table(COLUMNS, verb="Open", id="files")
        table.empty_text = "reading the entry …"
        yield table

    def on_mount(self) -> None:
        """Read the entry in a thread."""
        super().on_mount()
        self.query_one("#files", Table).focus()
        background.run(
            self, self._walk, group="files", refused=lambda reason: self.post_message(self.Walked(None, reason))
        )

    def _walk(self) -> None:
        tree = entry_files.of(self.stored)
        if not get_current_worker().is_cancelled:
            self.post_message(self.Walked(tree, ""))

    def on_files_view_walked(self, event: Walked) -> None:
        """Show the tree."""
        if event.tree is None:
            self.query_one("#files", Table).empty_text = event.reason
            self.query_one("#files", Table).show(())
            return
        self.way = [event.tree]
        self._show("")

    def _show(self, cursor: str) -> None:
        """Show the folder that is open, the last one in `way`. Put the cursor on its child with the name `cursor`."""
        here, table = self.way[-1], self.query_one("#files", Table)
        table.empty_text = "an empty folder"
        table.show([_row(number, child, here) for number, child in enumerate(here.children)])
        table.action_jump(0)
        place = next((row for row, child in zip(table.keys, here.children, strict=True) if child.name == cursor), "")
        if place:
            table.put_cursor(place)
        path = "/".join(branch.name for branch in self.way[1:])
        size, files = formatting.size(here.size_bytes), formatting.count(here.file_count, "file")
        own = sum(child.file_count for child in here.children if child.name in _OWN) if not path else 0
        self.say(facts=f"/{path}   {size}, {files}" + (f", {own} of them pepip's own" if own else ""))

    def on_table_chosen(self, event: Table.Chosen) -> None:
        """Go into the chosen folder."""
        event.stop()
        self.action_open()

    def action_open(self) -> None:
        """Go into the folder under the cursor."""
        key = self.query_one("#files", Table).cursor_key
        if not self.way or not key:
            return
        child = self.way[-1].children[int(key)]
        if child.is_folder:
            self.way.append(child)
            self._show("")

    def action_up(self) -> None:
        """Go up, and put the cursor on the folder that was left. At the top, close the view."""
        if len(self.way) < 2:
            self.action_answer("")
            return
        left = self.way.pop()
        self._show(left.name)


def _row(number: int, branch: Branch, above: Branch) -> TableRow:
    share = branch.size_bytes / above.size_bytes if above.size_bytes else 0.0
    return TableRow(
        str(number),
        (
            formatting.size(branch.size_bytes),
            f"{share * 100:.1f} %" if branch.size_bytes else "",
            formatting.bar(share, _BAR),
            formatting.printable(branch.name) + ("/" if branch.is_folder else ""),
            f"{branch.file_count:,}" if branch.is_folder else "",
        ),
        ("", "muted", "accent", "name" if branch.is_folder else "", "muted"),
    )
