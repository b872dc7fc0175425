"""The activity pane: the operations of this run and of earlier ones, and the log of one of them."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from pepip.tui import formatting
from pepip.tui.bars import current_step
from pepip.tui.job import CANCELLED, DONE, FAILED, RUNNING, WAITING
from pepip.tui.messages import RunAgain
from pepip.tui.scroll_text import ScrollText
from pepip.tui.table import Column, Table, TableRow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pepip.tui.job import Job

_PROBLEM = "!"
"""The glyph of a job that did its work and found a problem, or did only a part."""

_GLYPHS = {WAITING: "·", RUNNING: "◐", DONE: "✓", FAILED: "✗", CANCELLED: "○"}
_TONES = {WAITING: "muted", RUNNING: "accent", DONE: "good", FAILED: "bad", CANCELLED: "muted"}

COLUMNS = (
    Column("state", "", 1),
    Column("title", "Operation", 0),
    Column("outcome", "Outcome", 0, from_width=80),
    Column("state", "State", 10, from_width=48),
    Column("seconds", "Seconds", 7, is_right=True, from_width=40),
    Column("bytes", "Bytes", 10, is_right=True, from_width=46),
    Column("when", "When", 11, from_width=54),
)


class ActivityPane(Vertical):
    """The list of operations, and the log of the operation under the cursor.

    Unfinished operations come first, in their order, then the others, newest first.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("x", "app.cancel_job", "Cancel", tooltip="Cancel this operation"),
        Binding("y", "copy", "Copy", tooltip="Copy the command that does the same"),
        Binding("a", "again", "Again", tooltip="Run this operation again"),
        Binding("l,right", "app.focus_next", "To the log", show=False),
        Binding("h,left", "app.focus_previous", "To the list", show=False),
    ]

    def __init__(self) -> None:
        super().__init__(id="activity")
        self._jobs: dict[str, Job[object]] = {}
        self._shown: Job[object] | None = None

    def compose(self) -> ComposeResult:
        """Make the list and the log."""
        with Horizontal(id="activity-split"):
            yield Table(COLUMNS, verb="Log", id="jobs")
            with ScrollText(id="log"):
                yield Static("", id="log-text")

    @property
    def current(self) -> Job[object] | None:
        """The operation under the cursor."""
        return self._jobs.get(self.query_one("#jobs", Table).cursor_key)

    def show(self, jobs: Sequence[Job[object]]) -> None:
        """Show the current state of the operations."""
        self._jobs = {str(job.number): job for job in jobs}
        rows = [
            TableRow(
                key,
                (
                    _PROBLEM if job.report.problem else _GLYPHS[job.state],
                    formatting.printable(job.title),
                    formatting.printable(job.outcome or (current_step(job) if job.state == RUNNING else "")),
                    job.report.problem or job.state,
                    f"{job.seconds:.1f}" if job.is_over else "",
                    _bytes_of(job),
                    formatting.moment(job.ended_at)[5:] if job.ended_at else "this run",
                ),
                (_tone_of(job), "name", "muted", _tone_of(job), "muted", "muted", "muted"),
            )
            for key, job in sorted(self._jobs.items(), key=lambda item: _place_of(item[1]))
        ]
        table = self.query_one("#jobs", Table)
        table.empty_text = "no operation yet: I installs, P prunes, V verifies"
        table.show(rows)
        if not self.query_one("#log").has_focus:
            table.stay_at_top()
        self._log()

    def _log(self) -> None:
        job, text, log = self.current, self.query_one("#log-text", Static), self.query_one("#log")
        follows = job is not self._shown or log.scroll_y >= log.max_scroll_y  # else the user reads earlier lines
        self._shown = job
        if job is None:
            text.update("")
            return
        shown = Text()
        shown.append(f"$ {formatting.printable(job.command)}\n\n", "bold")
        shown.append("\n".join(job.log))
        text.update(shown)
        if job.state == RUNNING and follows:
            log.scroll_end(animate=False)

    def on_table_moved(self, event: Table.Moved) -> None:
        """Show the log of the operation under the cursor."""
        event.stop()
        self._log()

    def on_table_chosen(self, event: Table.Chosen) -> None:
        """Move the focus to the log."""
        event.stop()
        self.screen.set_focus(self.query_one("#log"))

    def action_again(self) -> None:
        """Ask to run the operation under the cursor again."""
        if self.current is not None and self.current.is_over:
            self.post_message(RunAgain(self.current))

    def action_copy(self) -> None:
        """Copy the command of the operation under the cursor."""
        if self.current is not None:
            self.app.copy_to_clipboard(self.current.command)
            self.app.notify(formatting.printable(self.current.command), title="Copied", markup=False)


def _place_of(job: Job[object]) -> tuple[int, int]:
    """Return a sort key: the running job comes first, then the waiting ones, the next one first."""
    if job.is_over:
        return (2, -job.number)
    return (1, job.number) if job.state == WAITING else (0, job.number)


def _tone_of(job: Job[object]) -> str:
    return "bad" if job.report.problem else _TONES[job.state]


def _bytes_of(job: Job[object]) -> str:
    """Return the bytes that a job has freed (`-`) or fetched (`+`); empty if there are none."""
    if job.report.freed_bytes:
        return f"-{formatting.size(job.report.freed_bytes)}"
    return f"+{formatting.size(job.fetched_bytes)}" if job.fetched_bytes else ""
