"""The actions of the app itself: store, verify, scan, examine, quit. Reports the end of each job."""

from __future__ import annotations

from collections import Counter

from rich.text import Text
from textual.worker import get_current_worker

from pepip.errors import PepipError
from pepip.operations import doctor
from pepip.tui import background, commands, formatting, jobs, styles
from pepip.tui.base_actions import BaseActions
from pepip.tui.dialogs import Choice, MessageDialog, Question
from pepip.tui.entry_actions import EntryActions
from pepip.tui.job import CANCELLED, DONE, FAILED, Failure, Job
from pepip.tui.messages import Explained, Leave
from pepip.tui.preview_dialog import printable_lines
from pepip.tui.project_actions import ProjectActions
from pepip.tui.report_actions import ReportActions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import App
    from textual.notifications import SeverityLevel

    from pepip.operations.scan import Scanned
    from pepip.tui.job import JobGroup
    from pepip.tui.session import Session


_TONES = {doctor.OK: "good", doctor.WARNING: "warn", doctor.ERROR: "bad"}


class AppActions(BaseActions):
    """The actions of the app itself. `entries`, `projects` and `reports` have those of the panes."""

    def __init__(self, session: Session, app: App[None]) -> None:
        super().__init__(session, app)
        self.entries = EntryActions(session, app)
        self.projects = ProjectActions(session, app)
        self.reports = ReportActions(session, app)
        self._concluded: JobGroup | None = None

    def ask_to_store(self, *, line: str = "") -> None:
        """Ask for requirements, and store their wheels without a project."""

        def entered(answer: str | None) -> None:
            if answer:
                try:
                    self.session.queue.submit(jobs.store(self.session.store, answer))
                except PepipError as error:
                    self.ask_to_store(line=answer)
                    self.complain(error)

        text = (
            "Stores packages and their dependencies for later projects. They are unused until a project links them."
        )
        self._ask("Store without a project", text, value=line, verb="Store", command=jobs.store_command, then=entered)

    def verify_all(self) -> None:
        """Verify the whole store."""
        ids = self.session.catalog.stored if self.session.catalog else {}
        self.session.queue.submit(jobs.verify_all(self.session.store, ids))

    def ask_to_scan(self, *, folder: str = "~") -> None:
        """Ask for a folder, and register the environments below it."""

        def entered(answer: str | None) -> None:
            if answer:
                self.ask_disk(
                    lambda: jobs.scan(self.session.store, answer),
                    submit,
                    failed=lambda error: ask_again(answer, error),
                )

        def submit(job: Job[Scanned]) -> None:
            self.session.queue.submit(job)

        def ask_again(line: str, error: PepipError) -> None:
            self.ask_to_scan(folder=line)
            self.complain(error)

        text = "Registers the environments below a folder that link the store, such as moved or restored ones."
        self._ask("Scan for environments", text, value=folder, verb="Scan", command=jobs.scan_command, then=entered)

    def _ask(
        self,
        title: str,
        text: str,
        *,
        value: str,
        verb: str,
        command: Callable[[str], str],
        then: Callable[[str | None], None],
    ) -> None:
        """Ask for a line, and call `then` with it. A line that was typed before an Escape is there again."""
        drafts = self.session.drafts
        (value,) = drafts.pop(title, (value,))
        question = Question(title, text, value=value, verb=verb, command=command)

        def answered(answer: str | None) -> None:
            if not answer and question.value:
                drafts[title] = (question.value,)
            then(answer)

        self.app.push_screen(question, answered)

    def examine(self) -> None:
        """Run the checks of `pepip doctor` in a thread, and show the results."""
        text = Text()

        def show() -> None:
            if not get_current_worker().is_cancelled:
                self.app.post_message(Explained("Doctor", text, commands.of("doctor")))

        def examine() -> None:
            for check in doctor.examine(self.session.store):
                text.append(f"{check.state:<8} ", styles.of(self.app)[_TONES[check.state]])
                text.append(f"{check.topic}: ", "bold")
                text.append(f"{formatting.printable(check.sentence)}\n")
                if check.hint and check.state != doctor.OK:
                    text.append(f"         {check.hint}\n", "dim")
            show()

        def refused(reason: str) -> None:
            text.append(f"The store can't be read: {reason}\n")
            show()

        background.run(self.app, examine, group="doctor", refused=refused)

    def conclude(self, job: Job[object]) -> None:
        """Report the end of a job: a failure in full in a dialog, any other end in a short notification.

        Jobs of a group are reported together when the last of them is over.
        """
        self.session.verified.update(job.report.verified)
        if job.group is not None and len(job.group.jobs) > 1:
            self._conclude_group(job.group)
        elif job.state == CANCELLED:
            self.app.notify(f"{job.title}: cancelled", severity="warning", markup=False)
        elif job.state == FAILED and job.failure is not None:
            self.explain(f"Failed: {job.title}", _text_of(job.failure), command=job.command)
        else:
            severity: SeverityLevel = "warning" if job.report.problem else "information"
            self.app.notify(job.outcome, title=formatting.printable(job.title), severity=severity, markup=False)

    def _conclude_group(self, group: JobGroup) -> None:
        if group is self._concluded or not all(job.is_over for job in group.jobs):
            return
        self._concluded = group
        count = Counter(job.state for job in group.jobs)
        sentence = ", ".join(f"{count[state]} {state}" for state in (DONE, FAILED, CANCELLED) if count[state])
        failed = [job for job in group.jobs if job.state == FAILED]
        if not failed:
            severity: SeverityLevel = "warning" if count[CANCELLED] else "information"
            self.app.notify(sentence, title=formatting.printable(group.title), severity=severity, markup=False)
            return
        text = Text(f"{sentence}. Activity (4) has the output of each operation.\n")
        for job in failed:
            text.append(f"\n{formatting.printable(job.title)}\n", "bold")
            text.append(f"{formatting.printable(job.outcome)}\n")
            output = printable_lines(job.failure.output).splitlines() if job.failure else []
            text.append("".join(f"{line}\n" for line in output[:6]))
            text.append(f"hint: {job.failure.hint}\n" if job.failure and job.failure.hint else "")
        self.explain(f"Failed in part: {group.title}", text, command="; ".join(job.command for job in failed))

    def run_again(self, job: Job[object]) -> None:
        """Ask to run a finished job again. A job of an earlier run of the app is repeated by its command."""

        def ask(again: Job[object]) -> None:
            self.confirm("Run again", text, "Run", again)

        when = f", {formatting.moment(job.ended_at)}" if job.ended_at else ""
        text = Text(f"{formatting.printable(job.title)}\n", "bold")
        text.append(f"\nlast run{when}: {formatting.printable(job.outcome or job.state)}", "not bold")
        self.ask_disk(lambda: jobs.again(job), ask)

    def ask_to_quit(self) -> None:
        """Ask whether to finish or cancel the unfinished jobs. The app exits when they are over."""
        queue, unfinished = self.session.queue, self.session.queue.unfinished
        titles = "\n".join(f"  {job.title}" for job in unfinished)
        choices = (
            Choice("", "Stay"),
            Choice("finish", "Finish, then quit"),
            Choice("cancel", "Cancel, then quit", "error"),
        )

        def decided(answer: str | None) -> None:
            if not answer:
                return
            self.session.is_leaving, self.session.last_jobs = True, unfinished
            if answer == "cancel":
                queue.cancel_all()
            if queue.unfinished:
                self.app.notify("The app exits when the operations are over …", timeout=60)
            self.app.post_message(Leave())

        self.app.push_screen(MessageDialog("Unfinished operations", Text(titles), choices), decided)


def _text_of(failure: Failure) -> Text:
    text = Text(f"{failure.message}\n", "bold")
    if failure.output:
        text.append(f"\n{printable_lines(failure.output)}\n", "not bold")
    if failure.hint:
        text.append(f"\nhint: {failure.hint}\n", "not bold")
    return text


def last_words(job: Job[object]) -> Text:
    """Return the title of a failed job and its failure, for the terminal after the end of the app."""
    text = Text(f"failed: {formatting.printable(job.title)}\n")
    return text.append_text(_text_of(job.failure)) if job.failure else text
