"""The form for an installation, and the dialog that previews an operation before it runs."""

from __future__ import annotations

import os
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Button, Input, Static

from pepip import paths
from pepip.errors import PepipError
from pepip.model import Progress
from pepip.tui import commands, formatting, plans, typed
from pepip.tui.dialogs import Choice, Dialog
from pepip.tui.job_queue import CANCELLED, FAILED, Failure
from pepip.tui.path_input import PathInput
from pepip.tui.scroll_text import ScrollText
from pepip.tui.table import Column, Table, TableRow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pepip.operations.savings import VenvShare
    from pepip.tui.job_queue import JobQueue
    from pepip.tui.jobs import PlannedAction
    from pepip.tui.plans import Plan, Step


_MARKS_OF_PROJECTS = ("pyproject.toml", ".venv", "requirements.txt", "setup.py")


class InstallForm(Dialog):
    """A form that asks for a project and requirements. Answers `go`; `place` and `line` keep the typed lines.

    `folder` is the one in which the app was started. If it is a project, the form begins with it.
    """

    COMMAND_LINES = 2

    def __init__(self, shares: Sequence[VenvShare], folder: str, *, place: str = "", line: str = "") -> None:
        super().__init__("Install")
        self.place, self.line = place, line
        self._folder = folder if os.path.isdir(folder) else ""
        self._projects = [share.known for share in shares if share.known.state in {"ok", "broken"}]
        self._home = paths.user_home(os.environ)

    def body(self) -> ComposeResult:
        """Make the two lines, and the list of known projects."""
        yield Static(Text("Project: a known one, or a new folder"), classes="dialog--label")
        if not self.place and any(os.path.exists(f"{self._folder}/{name}") for name in _MARKS_OF_PROJECTS):
            self.place = formatting.short_path(self._folder, self._home)
        place = PathInput(self.place, placeholder="~/code/my-project", id="place")
        yield place
        yield Table((Column("path", "Known projects", 0), Column("python", "Python", 8)), rests=False, id="known")
        yield Static(Text("Requirements, as for `pepip install`"), classes="dialog--label")
        line = Input(self.line, placeholder="requests 'numpy<2' -r requirements.txt", id="line")
        yield line
        place.cursor_blink = line.cursor_blink = False
        yield Static("", id="complaint")

    def choices(self) -> Sequence[Choice]:
        """Return the buttons."""
        return (Choice("go", "Show the plan", "primary"), Choice("", "Cancel"))

    def on_mount(self) -> None:
        """Focus the requirements if the project is given, else the project."""
        super().on_mount()
        self._narrow("")
        self.query_one("#line" if self.place else "#place", Input).focus()
        self._say()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Narrow the list down, and show the command."""
        if event.input.id == "place":
            self._narrow("" if event.value == self.place else event.value)
        self._say()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Move on to the requirements if they are missing, else answer `go`."""
        if event.input.id == "place" and not self.query_one("#line", Input).value:
            self.query_one("#line", Input).focus()
        else:
            self.action_answer("go")

    def on_table_chosen(self, event: Table.Chosen) -> None:
        """Take the chosen project, and move on to the requirements."""
        self._pick(event.key)
        self.query_one("#line", Input).focus()

    def on_table_moved(self, event: Table.Moved) -> None:
        """Take the project under the cursor, if the list has the focus."""
        if event.table.has_focus and event.key:
            self._pick(event.key)

    def action_look_further(self, rows: int) -> None:
        """Move the focus to the known projects, and take the one under the cursor."""
        del rows
        table = self.query_one("#known", Table)
        if table.cursor_key:
            table.focus()
            self._pick(table.cursor_key)

    def _pick(self, key: str) -> None:
        place = self.query_one("#place", Input)
        with place.prevent(Input.Changed):
            place.value = formatting.short_path(key, self._home)
        self._say()

    def action_answer(self, key: str) -> None:
        """Close with an answer. For `go`, check both lines first; an error keeps the form open."""
        self.place = self.query_one("#place", Input).value
        self.line = self.query_one("#line", Input).value
        if key == "go":
            try:
                typed.environment_at(self.place)
                typed.requirements(self.line)
            except PepipError as error:
                hint = f"; {error.hint}" if error.hint else ""
                self.query_one("#complaint", Static).update(Text(f"{error.message}{hint}"))
                return
        self.dismiss(key)

    def _narrow(self, typed: str) -> None:
        wanted = typed.strip()
        if self._home and (wanted == "~" or wanted.startswith("~/")):
            wanted = self._home + wanted[1:]
        rows = [
            TableRow(
                known.project if os.path.basename(known.environment) == ".venv" else known.environment,
                (formatting.printable(formatting.short_path(known.project, self._home)), known.python[:7]),
                ("", "muted"),
            )
            for known in self._projects
            if wanted in known.environment
        ]
        if self._folder and wanted in self._folder and all(row.key != self._folder for row in rows):
            shown = formatting.printable(formatting.short_path(self._folder, self._home))
            rows.insert(0, TableRow(self._folder, (f"(started here) {shown}", ""), ("", "")))
        table = self.query_one("#known", Table)
        table.empty_text = "a new project" if wanted else "no project is known yet: type the path of one"
        table.show(rows)

    def _say(self) -> None:
        self.query_one("#complaint", Static).update("")
        try:
            environment = typed.environment_at(self.query_one("#place", Input).value)
            _, words = typed.requirements(self.query_one("#line", Input).value)
        except PepipError:
            self.say_command("")
            return
        self.say_command(commands.on_environment("install", environment, *words))


class PlanDialog(Dialog):
    """The preview of an action.

    Answers `go` to carry it out, `instead` to run its other job, `back` to change the request.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Back"),
        Binding("x", "answer('')", "Cancel", show=False),
    ]

    def __init__(self, plan: PlannedAction, runner: JobQueue, *, can_go_back: bool = False) -> None:
        super().__init__(plan.title[:1].upper() + plan.title[1:], command=plan.preview.command)
        self.plan = plan
        self._runner = runner
        self._can_go_back = can_go_back
        self._seen = ""
        self.is_ready = False

    def body(self) -> ComposeResult:
        """Make the sentence, the table of changes, and the text for the output of uv."""
        yield Static(Text("Looking at what would change …"), id="plan-sentence")
        columns = (Column("sign", "", 1), Column("name", "Package", 0), Column("what", "What happens", 0))
        yield Table(columns, id="plan")
        with ScrollText(id="plan-error", classes="dialog--scroll"):
            yield Static("", id="plan-words")

    def choices(self) -> Sequence[Choice]:
        """Return the buttons. Cancel comes first, so a removal never does."""
        go = Choice("go", self.plan.verb, "error" if self.plan.is_destructive else "primary")
        back = [Choice("back", "Back")] if self._can_go_back else []
        instead = [Choice("instead", self.plan.verb_instead, go.kind)] if self.plan.instead else []
        return (Choice("", "Cancel"), *back, *instead, go)

    def on_mount(self) -> None:
        """Submit the preview, and poll for its result."""
        super().on_mount()
        self.query_one("#plan").display = self.query_one("#plan-error").display = False
        for ahead in self.query("#answer-go, #answer-instead").results(Button):
            ahead.disabled = True
        self.set_focus(None)  # an Enter too many must neither cancel nor go on
        self._runner.submit(self.plan.preview)
        self.set_interval(0.05, self._look)

    def on_unmount(self) -> None:
        """Cancel an unfinished preview, because nobody waits for its result."""
        if not self.plan.preview.is_over:
            self._runner.cancel(self.plan.preview)

    def action_leave(self) -> None:
        """Go back to the form, which has the typed lines. Close if there was none."""
        self.dismiss("back" if self._can_go_back else "")

    def _look(self) -> None:
        job = self.plan.preview
        if self._seen == "over":
            return
        if not job.is_over:
            current = self._runner.current
            waits = current is not None and current is not job
            words = f"Waiting for: {current.title} …" if waits and current else _asking(job.step)
            if words != self._seen:
                self._seen = words
                self.query_one("#plan-sentence", Static).update(Text(words))
            return
        self._seen = "over"
        if job.state == FAILED and job.failure is not None:
            self._complain(job.failure)
            self.query("#answer-back, #answer-").first(Button).focus()
        elif job.state != CANCELLED and job.result is not None:
            self._show(job.result, [line for line in job.log if line.startswith("warning:")])
        self.is_ready = True

    def _complain(self, failure: Failure) -> None:
        self.query_one("#plan-sentence", Static).update(Text(_failed(failure)))
        self.query_one("#plan-error").display = True
        hint = f"\n\nhint: {failure.hint}" if failure.hint else ""
        self.query_one("#plan-words", Static).update(Text(wording_of(failure.output) + hint))

    def _show(self, plan: Plan, warnings: Sequence[str]) -> None:
        text = Text(plan.sentence)
        for line in warnings:
            text.append(f"\n{line}", "italic")
        if self.plan.note:
            text.append(f"\n{self.plan.note}", "italic")
        self.query_one("#plan-sentence", Static).update(text)
        self.query_one("#plan-error").display = bool(plan.words)
        self.query_one("#plan-words", Static).update(Text(wording_of(plan.words)))
        self.set_class(bool(plan.words), "-with-words")
        table = self.query_one("#plan", Table)
        table.display = bool(plan.steps)
        table.show([_row(number, step) for number, step in enumerate(plan.steps)])
        go = self.query_one("#answer-go", Button)
        go.disabled = not plan.has_work
        for instead in self.query("#answer-instead").results(Button):
            instead.disabled = False
        if plan.has_work and not self.plan.is_destructive:
            go.focus()
        else:
            self.query_one("#answer-", Button).focus()


_NO_SOLUTION = "No solution found"
"""How uv begins its report that no set of versions satisfies a request."""


def _failed(failure: Failure) -> str:
    """Return the sentence over uv's own words, which say why."""
    return "No version fits:" if _NO_SOLUTION in failure.output else f"Failed: {failure.message}"


def wording_of(output: str) -> str:
    """Return the output of a program with unprintable characters escaped."""
    return "\n".join(formatting.printable(line) for line in output.strip("\n").splitlines())


def _asking(step: Progress) -> str:
    return f"{step.title or 'Looking at what would change'} {step.detail}".rstrip() + " …"


_TONES = {plans.COMES: "good", plans.GOES: "bad", plans.IS_LOST: "warn", plans.STAYS: "muted"}


def _row(number: int, step: Step) -> TableRow:
    cells = (step.sign, formatting.printable(step.name), formatting.printable(step.effect))
    return TableRow(f"{number} {step.name}", cells, (_TONES[step.sign], "name", "muted"))
