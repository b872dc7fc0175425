"""The common part of all actions: a preview or a question, the job that follows, and a text to read."""

from __future__ import annotations

from typing import cast

from rich.text import Text

from pepip.errors import PepipError
from pepip.tui import environment_jobs, formatting, install_form, user_input
from pepip.tui.dialogs import Choice, MessageDialog
from pepip.tui.disk_wait import DiskWait
from pepip.tui.install_form import InstallForm
from pepip.tui.preview_dialog import PreviewDialog

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from textual.app import App

    from pepip.tui.install_form import Start
    from pepip.tui.job import Job
    from pepip.tui.previews import PreviewedAction
    from pepip.tui.session import Session

    T = TypeVar("T")


class BaseActions:
    """The base class of actions. They open dialogs on the screen of `app`, and submit jobs to the session's queue."""

    def __init__(self, session: Session, app: App[None]) -> None:
        self.session = session
        self.app = app

    def ask_disk(
        self,
        read: Callable[[], T],
        then: Callable[[T], object],
        *,
        failed: Callable[[PepipError], None] | None = None,
    ) -> None:
        """Call `read` in a thread, because a disk may hang. Call `then` with its result in the app's own thread.

        Call `failed` with a PepipError or OSError of `read`; by default, show it. Keys that the user presses before
        the app says that it waits are for the screen that then opens.
        """
        wait = DiskWait(read)

        def ended(has_read: bool | None) -> None:
            if not has_read:
                return
            if wait.error is not None:
                (failed or self.complain)(wait.error)
            elif wait.result:
                then(cast("T", wait.result[0]))
            # The screen that has opened takes keys as soon as it is drawn.
            self.app.screen.call_after_refresh(press_again)

        def press_again() -> None:
            for key in wait.early_keys:
                self.app.post_message(key)

        self.app.push_screen(wait, ended)

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

        A thread makes the action. `go_back` opens the dialog that led to the preview.
        """
        self.ask_disk(make, lambda action: self._preview(action, go_back))

    def _preview(self, action: PreviewedAction, go_back: Callable[[], None] | None) -> None:
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
        shares = list(catalog.shares.values()) if catalog else []

        def ask(start: Start) -> None:
            draft = (place, line) if place or line else drafts.pop("Install", ("", ""))
            form = InstallForm(shares, start, place=draft[0], line=draft[1])
            before = form.place
            self.app.push_screen(form, lambda answer: asked(form, before, answer))

        def asked(form: InstallForm, before: str, answer: str | None) -> None:
            if form.line or form.place != before:
                drafts["Install"] = (form.place, form.line)
            if answer == "go":
                self.begin(
                    lambda: environment_jobs.install(store, user_input.environment_at(form.place), form.line),
                    go_back=lambda: self.ask_to_install(place=form.place, line=form.line),
                )

        self.ask_disk(lambda: install_form.look_at(self.session.folder), ask)
