"""The common part of all actions: a preview or a question, the job that follows, and a text to read."""

from __future__ import annotations

from rich.text import Text

from pepip.errors import PepipError
from pepip.tui import environment_jobs, formatting, user_input
from pepip.tui.dialogs import Choice, MessageDialog
from pepip.tui.install_form import InstallForm
from pepip.tui.preview_dialog import PreviewDialog

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import App

    from pepip.tui.job import Job
    from pepip.tui.previews import PreviewedAction
    from pepip.tui.session import Session


class BaseActions:
    """The base class of actions. They open dialogs on the screen of `app`, and submit jobs to the session's queue."""

    def __init__(self, session: Session, app: App[None]) -> None:
        self.session = session
        self.app = app

    def explain(self, title: str, text: Text, *, command: str = "") -> None:
        """Show a text in a dialog. `command` is the command line that prints the same."""
        self.app.push_screen(MessageDialog(title, text, command=command))

    def complain(self, error: PepipError) -> None:
        """Show an error and its hint in a dialog."""
        hint = f"\n\nhint: {error.hint}" if error.hint else ""
        self.explain("Not possible", Text(f"{error.message}{hint}"))

    def copy(self, command: str) -> None:
        """Copy a command line to the clipboard, and show it."""
        self.app.copy_to_clipboard(command)
        self.app.notify(formatting.printable(command), title="Copied", markup=False)

    def confirm(self, title: str, text: Text, verb: str, job: Job[object], *, is_destructive: bool = False) -> None:
        """Submit a job if the user agrees. Cancel has the focus."""

        def decided(answer: str | None) -> None:
            if answer == "go":
                self.session.queue.submit(job)

        choices = (Choice("", "Cancel"), Choice("go", verb, "error" if is_destructive else "primary"))
        self.app.push_screen(MessageDialog(title, text, choices, command=job.command), decided)

    def ask_why(self, name: str, *, version: str = "", environment: str = "") -> None:
        """Show why a package is in an environment; without one, in all environments that have the package."""
        from pepip.tui.reasons_view import ReasonsView, WhyQuestion

        shares = self.session.catalog.shares if self.session.catalog else {}
        known = [share.known for share in shares.values()]
        self.app.push_screen(ReasonsView(self.session.store, WhyQuestion(name, version, environment), known))

    def begin(self, make: Callable[[], PreviewedAction], *, go_back: Callable[[], None] | None = None) -> None:
        """Show the preview of an action, and submit its job if the user agrees.

        `go_back` opens the dialog that led to the preview.
        """
        try:
            action = make()
        except PepipError as error:
            self.complain(error)
            return
        queue = self.session.queue

        def decided(answer: str | None) -> None:
            if answer == "go":
                self.session.drafts.pop("Install", None)
                queue.submit(action.carry_out)
            elif answer == "instead" and action.instead is not None:
                text = Text(
                    "uv changes pyproject.toml and uv.lock, and syncs the environment with the new lock. The preview "
                    "was for another command: more packages may change."
                )
                self.confirm(action.instead.title, text, action.verb_instead, action.instead)
            elif answer == "back" and go_back is not None:
                go_back()

        self.app.push_screen(PreviewDialog(action, queue, can_go_back=go_back is not None), decided)

    def ask_to_install(self, *, place: str = "", line: str = "") -> None:
        """Ask for a project and requirements, show the preview, and install.

        If the user left the form by Escape, the next form shows the typed lines again.
        """
        catalog, store, drafts = self.session.catalog, self.session.store, self.session.drafts
        if not place and not line:
            place, line = drafts.pop("Install", ("", ""))
        shares = list(catalog.shares.values()) if catalog else []
        form = InstallForm(shares, self.session.folder, place=place, line=line)

        def asked(answer: str | None) -> None:
            if form.line or form.place != place:
                drafts["Install"] = (form.place, form.line)
            if answer == "go":
                self.begin(
                    lambda: environment_jobs.install(store, user_input.environment_at(form.place), form.line),
                    go_back=lambda: self.ask_to_install(place=form.place, line=form.line),
                )

        self.app.push_screen(form, asked)
