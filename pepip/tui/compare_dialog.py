"""The dialog that compares a project with another one, or with its lock."""

from __future__ import annotations

import os

from rich.text import Text
from textual.app import ComposeResult
from textual.widgets import Static

from pepip.environment import purposes
from pepip.operations import census, compare
from pepip.tui import commands, formatting
from pepip.tui.catalog import name_of
from pepip.tui.dialogs import Choice, Dialog
from pepip.tui.job import FAILED, Job
from pepip.tui.table import Column, Table, TableRow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pepip.operations.compare import Comparison, Difference
    from pepip.operations.savings import VenvShare
    from pepip.store.root import Store
    from pepip.tui.catalog import Catalog
    from pepip.tui.job_queue import JobQueue

_OTHERS = (
    Column("name", "Compare with", 0, keeps_both_ends=True),
    Column("path", "Folder", 0, from_width=60, keeps_end=True),
)
_DIFFERENCES = (
    Column("sign", "", 1),
    Column("name", "Package", 0),
    Column("left", "Here", 22),
    Column("right", "There", 22),
)
_SIGNS = {compare.ADDED: ("+", "good"), compare.REMOVED: ("-", "bad"), compare.CHANGED: ("~", "accent")}
_LOCK = "uv.lock"


class CompareWhich(Dialog):
    """A list of all readable environments, with the roots in `first` at the top. Answers the chosen root."""

    def __init__(self, catalog: Catalog, first: Collection[str]) -> None:
        super().__init__("Compare which project?")
        there = [share for share in catalog.shares.values() if _is_there(share)]
        self._shares = sorted(there, key=lambda share: share.known.environment not in first)

    def body(self) -> ComposeResult:
        """Make the list."""
        columns = (_OTHERS[0]._replace(title="Project"), _OTHERS[1])
        yield Table(columns, verb="Compare", id="which")

    def choices(self) -> Sequence[Choice]:
        """Return the button."""
        return (Choice("", "Cancel"),)

    def on_mount(self) -> None:
        """Fill the list."""
        super().on_mount()
        table = self.query_one("#which", Table)
        table.empty_text = "no environment can be read"
        table.show([_row_of(share) for share in self._shares])
        table.focus()

    def on_table_moved(self, event: Table.Moved) -> None:
        """Stop the message: nothing follows the cursor."""
        event.stop()

    def on_table_chosen(self, event: Table.Chosen) -> None:
        """Answer with the chosen environment."""
        event.stop()
        self.dismiss(event.key)


class CompareDialog(Dialog):
    """Compares the packages of a project with those of another environment, or of the project's own lock.

    The list begins with the lock if the project `has_lock`. Then come the other environments, those with the most
    packages in common first. The cursor begins on `other` if it is there. The columns have the names of the compared
    projects.
    """

    COMMAND_LINES = 2

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        share: VenvShare,
        queue: JobQueue,
        *,
        other: str = "",
        has_lock: bool = False,
    ) -> None:
        super().__init__(f"Compare {_name(share)}")
        self._store, self._queue = store, queue
        self._left = share
        self._versions = _versions(share)
        there = [other for other in catalog.shares.values() if other is not share and _is_there(other)]
        there.sort(key=lambda other: -len(_versions(other).keys() & self._versions.keys()))
        self._others = {other.known.environment: other for other in there}
        self._has_lock = has_lock
        self._lock_job: Job[Comparison] | None = None
        self._other, self._compared = other, ""

    def body(self) -> ComposeResult:
        """Make the list of other projects, a sentence, and the list of differences."""
        yield Table(_OTHERS, verb="Compare", id="others")
        yield Static("", id="compare-text")
        yield Table(_DIFFERENCES, keeps_cursor=False, id="differences")

    def choices(self) -> Sequence[Choice]:
        """Return the button."""
        return (Choice("", "Close"),)

    def on_mount(self) -> None:
        """Fill the list of other projects, the lock first, and compare with the first row."""
        super().on_mount()
        table = self.query_one("#others", Table)
        table.empty_text = "no other environment can be read"
        rows = [TableRow(_LOCK, (f"its {_LOCK}", ""), ("name", ""))] if self._has_lock else []
        rows += map(_row_of, self._others.values())
        table.show(rows)
        self.query_one("#differences").display = False
        table.focus()
        self.set_interval(0.05, self._look)
        table.put_cursor(self._other)
        if rows:
            self._compare(table.cursor_key)

    def on_unmount(self) -> None:
        """Cancel an unfinished comparison with the lock."""
        if self._lock_job is not None and not self._lock_job.is_over:
            self._queue.cancel(self._lock_job)

    def on_table_moved(self, event: Table.Moved) -> None:
        """Compare with the environment under the cursor."""
        event.stop()
        if event.table.id == "others" and event.key:
            self._compare(event.key)

    def action_scroll_content(self, rows: int) -> None:
        """Move through the list that has the focus."""
        table = self.query_one("#differences", Table)
        (table if table.gets_keys else self.query_one("#others", Table)).action_move(rows)

    def _compare(self, key: str) -> None:
        left = self._left.known.environment
        if self._lock_job is not None and not self._lock_job.is_over:
            self._queue.cancel(self._lock_job)
        self._lock_job = None
        self._name_columns(self._others.get(key))
        if key != _LOCK:
            self.say_command(commands.of("diff", left, key))
            self._show(compare.differing(self._versions, _versions(self._others[key])))
            return
        project = self._left.known.project
        named = left if os.path.dirname(left) == project else project
        self.say_command(commands.of("diff", "--lock", named))
        self.query_one("#compare-text", Static).update(Text("Asking uv for the packages of the lock …"))
        self.query_one("#differences").display = False
        self._lock_job = Job(
            f"compare {_name(self._left)} with its lock",
            self.command,
            lambda: compare.with_lock(self._store, left),
            folder=project,
            is_listed=False,
        )
        self._queue.submit(self._lock_job)

    def _name_columns(self, other: VenvShare | None) -> None:
        """Name the compared projects in the titles. Without `other`, the second one is the lock."""
        left, right = _name(self._left), _name(other) if other else f"its {_LOCK}"
        if other and left == right:
            left, right = (f"{_folder_of(share)}/{left}" for share in (self._left, other))
        self._compared = f"From {left} to {right}"
        sign, package, first, second = _DIFFERENCES
        columns = (sign, package, first._replace(title=left), second._replace(title=right))
        self.query_one("#differences", Table).columns = columns

    def _look(self) -> None:
        job = self._lock_job
        if job is None or not job.is_over:
            return
        self._lock_job = None
        if job.result is not None:
            self._show(job.result.differences)
        elif job.state == FAILED and job.failure is not None:
            failure = job.failure
            words = f"{failure.message}\n{failure.output.strip()}".strip()
            self.query_one("#compare-text", Static).update(
                Text("\n".join(map(formatting.printable, words.splitlines())))
            )

    def _show(self, found: Sequence[Difference]) -> None:
        counts = [
            f"{sum(item.kind == kind for item in found)} {kind}"
            for kind in _SIGNS
            if any(item.kind == kind for item in found)
        ]
        sentence = f"{self._compared}: {', '.join(counts) or 'the same packages in the same versions'}"
        self.query_one("#compare-text", Static).update(Text(sentence))
        table = self.query_one("#differences", Table)
        table.display = bool(found)
        table.show([_row(item) for item in found])


def has_lock(share: VenvShare) -> bool:
    """Return whether a project has a lock. Reads the disk."""
    return os.path.isfile(f"{share.known.project}/{_LOCK}")


def _row_of(share: VenvShare) -> TableRow:
    folder = formatting.short_path(os.path.dirname(share.known.project))
    return TableRow(share.known.environment, (_name(share), formatting.printable(folder)), ("name", "muted"))


def _row(item: Difference) -> TableRow:
    sign, tone = _SIGNS[item.kind]
    cells = (sign, item.name, item.left or "-", item.right or "-")
    return TableRow(item.name, tuple(map(formatting.printable, cells)), (tone, "name", "", ""))


def _folder_of(share: VenvShare) -> str:
    """Return the name of the folder that holds a project."""
    return formatting.printable(os.path.basename(os.path.dirname(share.known.project)))


def _versions(share: VenvShare) -> dict[str, str]:
    return {package.name: package.version for package in share.known.packages}


def _is_there(share: VenvShare) -> bool:
    return share.known.state in census.READABLE


def _name(share: VenvShare) -> str:
    if share.known.purpose.kind != purposes.PROJECT:
        return name_of(share.known)
    folder, name = os.path.split(share.known.environment)
    project = os.path.basename(folder) or folder
    return formatting.printable(project if name == ".venv" else f"{project} ({name})")
