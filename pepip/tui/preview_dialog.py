"""The dialog that previews an action before it runs."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Button, Static

from pepip.operations.reporting import Progress
from pepip.tui import formatting, previews
from pepip.tui.dialogs import Choice, Dialog
from pepip.tui.job import CANCELLED, FAILED, Failure
from pepip.tui.scroll_text import ScrollText
from pepip.tui.table import Column, Table, TableRow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pepip.tui.job_queue import JobQueue
    from pepip.tui.previews import Change, Preview, PreviewedAction


class PreviewDialog(Dialog):
    """The preview of an action.

    Answers `go` to carry out the action, `instead` to run its alternative job, `back` to change the request.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Back"),
        Binding("x", "answer('')", "Cancel", show=False),
    ]

    def __init__(self, action: PreviewedAction, queue: JobQueue, *, can_go_back: bool = False) -> None:
        super().__init__(action.title[:1].upper() + action.title[1:], command=action.preview.command)
        self.action = action
        self._queue = queue
        self._can_go_back = can_go_back
        self._shown = self._words = ""
        self.is_ready = False

    def body(self) -> ComposeResult:
        """Make the sentence, the table of changes, and the text for the output of uv."""
        yield Static(Text("Looking for the changes …"), id="preview-sentence")
        columns = (Column("sign", "", 1), Column("name", "Change", 0, keeps_end=True), Column("effect", "Effect", 0))
        yield Table(columns, id="preview")
        yield Static("", id="preview-row")
        with ScrollText(id="preview-error", classes="dialog--scroll"):
            yield Static("", id="preview-words")

    def choices(self) -> Sequence[Choice]:
        """Return the buttons. Cancel is always the first one."""
        go = Choice("go", self.action.verb, "error" if self.action.is_destructive else "primary")
        back = [Choice("back", "Back")] if self._can_go_back else []
        instead = [Choice("instead", self.action.verb_instead, go.kind)] if self.action.instead else []
        return (Choice("", "Cancel"), *back, *instead, go)

    def on_mount(self) -> None:
        """Submit the preview, and poll for its result."""
        super().on_mount()
        for hidden in self.query("#preview, #preview-row, #preview-error"):
            hidden.display = False
        for forward in self.query("#answer-go, #answer-instead").results(Button):
            forward.disabled = True
        self.set_focus(None)  # a second Enter by mistake must press no button
        self._queue.submit(self.action.preview)
        self.set_interval(0.05, self._look)

    def on_unmount(self) -> None:
        """Cancel an unfinished preview."""
        if not self.action.preview.is_over:
            self._queue.cancel(self.action.preview)

    def action_leave(self) -> None:
        """Go back to the form with the typed lines. Without a form, close."""
        self.dismiss("back" if self._can_go_back else "")

    def on_table_moved(self, event: Table.Moved) -> None:
        """Show the cut texts of the row under the cursor in full, unless the text below has them."""
        event.stop()
        self._describe()

    def on_table_resized(self, event: Table.Resized) -> None:
        """Show the texts that the table cuts at its new size, also when it gets its first one."""
        event.stop()
        self._describe()

    def _describe(self) -> None:
        table, line = self.query_one("#preview", Table), self.query_one("#preview-row", Static)
        line.display = table.display and table.is_cutting
        cut = [text.strip() for text in table.cut_here if text.removeprefix("fails: ") not in self._words]
        line.update(Text(" · ".join(cut)))

    def _look(self) -> None:
        job = self.action.preview
        if self._shown == "over":
            return
        if not job.is_over:
            current = self._queue.current
            waits = current is not None and current is not job
            words = f"Waiting for: {current.title} …" if waits and current else _asking(job.step)
            if words != self._shown:
                self._shown = words
                self.query_one("#preview-sentence", Static).update(Text(words))
            return
        self._shown = "over"
        if job.state == FAILED and job.failure is not None:
            self._complain(job.failure)
            self.query("#answer-back, #answer-").first(Button).focus()
        elif job.state != CANCELLED and job.result is not None:
            self._show(job.result, [line for line in job.log if line.startswith("warning:")])
        self.is_ready = True

    def _complain(self, failure: Failure) -> None:
        self.query_one("#preview-sentence", Static).update(Text(_failed(failure)))
        self.query_one("#preview-error").display = True
        hint = f"\n\nhint: {failure.hint}" if failure.hint else ""
        self.query_one("#preview-words", Static).update(Text(printable_lines(failure.output) + hint))

    def _show(self, preview: Preview, warnings: Sequence[str]) -> None:
        text = Text(preview.sentence)
        for line in warnings:
            text.append(f"\n{line}", "italic")
        if self.action.note:
            text.append(f"\n{self.action.note}", "italic")
        self.query_one("#preview-sentence", Static).update(text)
        self.say_command(preview.command or self.command)
        self._words = preview.words
        self.query_one("#preview-error").display = bool(preview.words)
        self.query_one("#preview-words", Static).update(Text(printable_lines(preview.words)))
        self.set_class(bool(preview.words), "-with-words")
        table = self.query_one("#preview", Table)
        table.display = bool(preview.changes)
        table.show([_row(number, change) for number, change in enumerate(preview.changes)])
        self.call_after_refresh(self._describe)
        go = self.query_one("#answer-go", Button)
        go.disabled = not preview.has_work
        for instead in self.query("#answer-instead").results(Button):
            instead.disabled = False
        if preview.has_work and not self.action.is_destructive:
            go.focus()
        else:
            self.query_one("#answer-", Button).focus()


_NO_SOLUTION = "No solution found"
"""With these words, uv reports that no set of versions satisfies a request."""


def _failed(failure: Failure) -> str:
    """Return the sentence above uv's own explanation."""
    return "No version fits:" if _NO_SOLUTION in failure.output else f"Failed: {failure.message}"


def printable_lines(output: str) -> str:
    """Return the output of a program with unprintable characters escaped."""
    return "\n".join(formatting.printable(line) for line in output.strip("\n").splitlines())


def _asking(step: Progress) -> str:
    return f"{step.title or 'Looking for the changes'} {step.detail}".rstrip() + " …"


_TONES = {previews.COMES: "good", previews.GOES: "bad", previews.IS_LOST: "warn", previews.STAYS: "muted"}


def _row(number: int, change: Change) -> TableRow:
    cells = (change.sign, formatting.printable(change.name), formatting.printable(change.effect))
    return TableRow(f"{number} {change.name}", cells, (_TONES[change.sign], "name", "muted"))
