"""The keys of the app and the requests of its panes: each starts an action. Shows nothing of the store itself."""

from __future__ import annotations

from rich.text import Text
from textual import on
from textual.app import App
from textual.screen import ModalScreen

from pepip.tui import formatting, key_bindings
from pepip.tui.bars import Tabs
from pepip.tui.messages import Explained, Leave, RunAgain, WorkFailed
from pepip.tui.pane_requests import AdoptEnvironments, EntryRequest, EnvironmentRequest, UpgradeEverywhere
from pepip.tui.panes import Panes
from pepip.tui.printable_filter import PrintableFilter
from pepip.tui.welcome import HELP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from textual.app import SystemCommand
    from textual.filter import LineFilter
    from textual.notifications import SeverityLevel
    from textual.screen import Screen

    from pepip.tui.app_actions import AppActions
    from pepip.tui.session import Session


class ActionApp(App[None]):
    """The part of the app that carries out keys and requests, on the state of a session."""

    BINDINGS = key_bindings.OF_THE_APP

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self._printable = PrintableFilter()
        self._actions: AppActions | None = None
        self.faults: list[str] = []

    @property
    def actions(self) -> AppActions:
        """The actions. They are imported on first use, because the first paint does not need them."""
        if self._actions is None:
            from pepip.tui.app_actions import AppActions

            self._actions = AppActions(self.session, self)
        return self._actions

    @property
    def here(self) -> str:
        """The name of the visible pane."""
        return self.query_one(Panes).here

    @property
    def _takes_requests(self) -> bool:
        """Whether no dialog is open. A key that was pressed twice reaches a pane twice, before its dialog opens."""
        return not isinstance(self.screen, ModalScreen)

    def on_run_again(self, event: RunAgain) -> None:
        """Ask to run a finished job again."""
        if self._takes_requests:
            self.actions.run_again(event.job)

    def on_explained(self, event: Explained) -> None:
        """Show a text that a thread has made, unless the user has opened a dialog meanwhile."""
        if self.is_running and self._takes_requests:
            self.actions.explain(event.title, event.text, command=event.command)

    def on_work_failed(self, event: WorkFailed) -> None:
        """Show why the work of a thread failed. Show a fault of pepip in full, but only once."""
        if not self.is_running:
            return
        if not event.details:
            self.notify(event.reason, severity="error", markup=False)
        elif event.details not in self.faults:
            self.faults.append(event.details)
            self.actions.explain("Internal error in pepip", Text(event.details))

    @on(EntryRequest)
    def _on_entry_request(self, request: EntryRequest) -> None:
        if self._takes_requests:
            self.actions.entries.carry_out(request)

    @on(EnvironmentRequest)
    def _on_environment_request(self, request: EnvironmentRequest) -> None:
        if self._takes_requests:
            self.actions.projects.carry_out(request)

    def on_show_map(self) -> None:
        """Show the map of the listed entries."""
        if self._takes_requests:
            self.actions.entries.show_map()

    def on_upgrade_everywhere(self, request: UpgradeEverywhere) -> None:
        """Preview the upgrade of packages in many environments, and upgrade them."""
        if self._takes_requests:
            self.actions.projects.upgrade_cells(request.cells)

    def on_adopt_environments(self, request: AdoptEnvironments) -> None:
        """Preview the adoption of environments, and adopt them."""
        if self._takes_requests:
            self.actions.projects.ask_to_adopt(request.environments)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable `prune` and `reclaim` if the store is empty, missing or unreadable."""
        found = self.session.catalog
        if action in {"prune", "reclaim"}:
            return found is None or (found.trouble is None and not found.is_empty)
        return super().check_action(action, parameters)

    def action_prune(self) -> None:
        """Preview a prune, and remove the ticked orphans."""
        self.actions.entries.ask_to_prune()

    def action_reclaim(self) -> None:
        """List the space that can be freed, and free the ticked part."""
        self.actions.entries.ask_to_reclaim()

    def action_undo(self) -> None:
        """Bring back the entries that the last prune put into the trash."""
        self.actions.entries.ask_to_undo()

    def action_install_anywhere(self) -> None:
        """Ask to install into a project, known or new."""
        self.actions.ask_to_install()

    def action_store(self) -> None:
        """Ask for requirements, and store their wheels without a project."""
        self.actions.ask_to_store()

    def action_verify_all(self) -> None:
        """Verify the whole store."""
        self.actions.verify_all()

    def action_doctor(self) -> None:
        """Run the checks of the doctor, and show the results."""
        self.actions.examine()

    def action_scan(self) -> None:
        """Ask for a folder, and register the environments below it."""
        self.actions.ask_to_scan()

    def action_report(self, name: str) -> None:
        """Begin a report: `audit`, `compare`, `export` or `settings`."""
        self.actions.reports.begin_report(name, self.here)

    def action_help(self) -> None:
        """Show the keys of the pane that has the focus."""
        if not isinstance(self.screen, ModalScreen):
            from pepip.tui.dialogs import Help

            self.push_screen(Help(self.screen, Tabs.TITLES[self.here], HELP[self.here]), self._press)

    def _press(self, key: str | None) -> None:
        if key:
            self.simulate_key(key)

    def action_command_palette(self) -> None:
        """Show the command palette, except over a dialog."""
        if not isinstance(self.screen, ModalScreen):
            super().action_command_palette()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Return the actions that are possible on this screen, for the command palette."""
        from pepip.tui import palette

        return palette.commands_of(screen)

    def action_copy_link(self, address: str) -> None:
        """Copy the address of a clicked link."""
        self.copy_to_clipboard(address)
        self.notify(address, title="Copied", markup=False)

    def action_explain(self) -> None:
        """Show the full text of all notices."""
        notices = self.session.catalog.notices if self.session.catalog else ()
        if notices:
            text = Text("\n\n".join(f"{notice.sentence}\n{notice.advice}" for notice in notices))
            self.actions.explain("Notices", text)

    async def action_quit(self) -> None:
        """Exit. If a job is unfinished, first ask whether to finish or cancel it."""
        if isinstance(self.screen, ModalScreen):
            from pepip.tui.dialogs import Dialog

            if isinstance(self.screen, Dialog):
                self.screen.action_answer("")  # restores a theme that was only tried, and keeps typed lines
            else:
                self.screen.dismiss("")
        if self.session.queue.unfinished:
            self.actions.ask_to_quit()
        else:
            self.session.is_leaving = True  # a job may just have failed: the app says so as it exits
            self.post_message(Leave())

    def action_help_quit(self) -> None:
        """Say how to quit. Textual calls this for ctrl+c, where no text is selected."""
        self.notify("q quits", timeout=3)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return Textual's filters, and one that lets no control character reach the terminal."""
        return [*super().get_line_filters(), self._printable]

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None:
        """Show a note in one line in place of the keys, and of an earlier note."""
        self.clear_notifications()
        words = f"{title}: {message}" if title else message
        words = formatting.printable(" ".join(words.split()))
        super().notify(words, severity=severity, timeout=timeout, markup=markup and not title)
