"""The app: panes that show one catalog of the store, dialogs for changes, and one queue of jobs.

At the start the app shows the catalog of the last reading, and reads the store again while the user works. The app
shows, asks and reports; `pepip.operations` does the work.
"""

from __future__ import annotations

import asyncio
import contextlib
import os

from rich.text import Text
from textual.app import ComposeResult

from pepip import paths
from pepip.errors import PepipError
from pepip.tui import background, bell, formatting, job_history
from pepip.tui import catalog as catalogs
from pepip.tui.action_app import ActionApp
from pepip.tui.background_checks import BackgroundChecks
from pepip.tui.bars import Drawer, Keys, Notices, SavingsLine, Tabs
from pepip.tui.garbage_collection import GarbageCollection
from pepip.tui.job import FAILED
from pepip.tui.job_queue import STARTED_IN, JobQueue
from pepip.tui.messages import EntryWanted, HistoryRead, JobChanged, Leave
from pepip.tui.panes import Panes
from pepip.tui.scanner import Scanner
from pepip.tui.session import Session
from pepip.tui.store_pane import StorePane
from pepip.tui.unshared_search import UnsharedSearch
from pepip.tui.welcome import Welcome, keys_of, text_without_figures

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.operations.preferences import Preferences
    from pepip.store.root import Store
    from pepip.tui.catalog import Catalog
    from pepip.tui.entries import Listing
    from pepip.tui.job import Job

_SECONDS_BETWEEN_CHECKS = 2.0


class PepipApp(ActionApp):
    """The app, started in `folder`. It also searches for environments below that folder.

    With `is_still`, for screenshots, the app shows no running times and searches for no environments.
    """

    CSS_PATH = "app.tcss"
    TITLE = "pepip"
    AUTO_FOCUS = None  # Textual would focus the filter, even behind the screen of an empty store
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012 - textual declares it so
    VERTICAL_BREAKPOINTS = [(0, "-low"), (24, "-high"), (32, "-tall")]  # noqa: RUF012 - textual declares it so

    def __init__(
        self, store: Store, *, pane: str = "store", folder: str = STARTED_IN, is_still: bool = False
    ) -> None:
        super().__init__(Session(store, JobQueue(lambda job: self.post_message(JobChanged(job))), folder))
        self.is_still = is_still
        self._scanner = Scanner(self.session, self)
        self._checks = BackgroundChecks(self.session, self)
        self._search = UnsharedSearch(self.session, self)
        self._first_pane = pane
        self._collection = GarbageCollection()
        self._finished: set[int] = set()
        self._ended_at_last: list[Job[object]] = []

    def compose(self) -> ComposeResult:
        """Make the lines, the welcome screen and the panes. The first catalog fills them."""
        yield Tabs()
        yield SavingsLine()
        yield Notices()
        yield Welcome(self.session)
        yield Panes(self.session)
        yield Drawer()
        yield Keys()

    async def on_mount(self) -> None:
        """Show the catalog of the last reading, then read the store."""
        self.query_one(Drawer).is_still = self.is_still
        background.run(
            self,
            lambda: self.post_message(HistoryRead(job_history.read(self.session.store))),
            group="history",
            is_exclusive=False,
        )
        await self.action_show(self._first_pane)
        self._scanner.begin()
        self._say_status()
        if not self.is_still:
            self.set_interval(_SECONDS_BETWEEN_CHECKS, self._check)
            self.set_interval(0.5, self._show_times)

    # Reading the store

    @property
    def is_reading(self) -> bool:
        """Whether a thread is reading the store."""
        return self._scanner.is_reading

    def read_again(self) -> None:
        """Read the store again, and update the status."""
        self._scanner.read_again()
        self._say_status()

    # While the app exits, threads still post messages, but the widgets are gone: so the handlers of these messages
    # ask whether the app runs.
    def on_scanner_remembered(self, event: Scanner.Remembered) -> None:
        """Show the catalog of the last run."""
        if self.is_running:
            self._show(event.catalog, event.listing)
            self.call_after_refresh(event.is_painted.set)

    def on_scanner_read(self, event: Scanner.Read) -> None:
        """Show the result of the last reading."""
        if self.is_running and self._scanner.is_last(event):
            self._show(event.catalog, event.listing)
            self._mark_busy()  # jobs may have begun or ended since the listing was made
            is_known = event.catalog.trouble is None or event.catalog.trouble.kind == catalogs.ABSENT
            if event.catalog.trouble is None:
                self._checks.begin(event.catalog)
            if is_known and not self.is_still:
                self._search.update(event.catalog)

    def on_unshared_search_progressed(self, event: UnsharedSearch.Progressed) -> None:
        """Show the folder that the search for environments has reached."""
        self.session.search_place = event.place
        self._show_unshared()

    def on_unshared_search_ended(self, event: UnsharedSearch.Ended) -> None:
        """Show the environments that are not yet shared."""
        self.session.unshared, self.session.search_place = event.found, ""
        self._show_unshared()

    def on_background_checks_prune_previewed(self, event: BackgroundChecks.PrunePreviewed) -> None:
        """Show the space that a prune would free."""
        self.session.prunable = event.preview
        if self.is_running:
            self._say_savings()
            self.query_one(Panes).fill()

    def on_background_checks_needs_found(self, event: BackgroundChecks.NeedsFound) -> None:
        """Show which environments have unmet needs."""
        if event.unmet != self.session.unmet:
            self.session.unmet = event.unmet
            if self.is_running and self.here == "projects":
                self.query_one(Panes).fill()

    def _show_unshared(self) -> None:
        if self.is_running and self.session.catalog is not None:
            self._show_welcome()
            self.query_one(Panes).fill_unshared()

    def on_scanner_stamped(self, event: Scanner.Stamped) -> None:
        """Read the store again if it or an environment has changed on disk."""
        if self._scanner.is_outdated(event) and self.is_running:
            self.read_again()

    def on_scanner_listed(self, event: Scanner.Listed) -> None:
        """Show another listing of the catalog, unless a newer catalog came meanwhile."""
        if self.is_running and self.session.catalog is event.catalog:
            self.query_one(StorePane).show(event.catalog, event.listing)

    def _show(self, catalog: Catalog, listing: Listing) -> None:
        """Show a catalog and its listing. If the store has disappeared, keep the earlier data."""
        if catalog.trouble is not None and catalog.trouble.kind == catalogs.AWAY and self.session.catalog is not None:
            catalog = self.session.catalog._replace(trouble=catalog.trouble, notices=catalog.notices)
        self.session.catalog = catalog
        is_welcome = self._show_welcome()
        self.query_one(Notices).say(catalog.notices)
        self._say_savings()
        self.query_one(StorePane).show(catalog, listing)
        self.query_one(Panes).fill()
        self._say_status()
        if self.default_screen.focused is None and not is_welcome:
            self.default_screen.set_focus(self.query_one(Panes).list_here)
        self._collection.resume(freezes=catalog.is_fresh and catalog.trouble is None)

    def _show_welcome(self) -> bool:
        """Show the welcome screen if the store is empty or unreadable, else the panes. Return whether it is shown.

        The welcome screen never replaces the activity pane.
        """
        welcome, panes, catalog = self.query_one(Welcome), self.query_one(Panes), self.session.catalog
        is_welcome = welcome.show() and self.here != "activity"
        welcome.display, panes.display = is_welcome, not is_welcome
        self.query_one(Keys).say(keys_of(catalog) if is_welcome and catalog else ())
        if is_welcome:
            self.default_screen.set_focus(welcome.list_here)
        return is_welcome

    def _say_savings(self) -> None:
        catalog = self.session.catalog
        if catalog is not None:
            self.query_one(SavingsLine).say(catalog, self.session.prunable, otherwise=text_without_figures(catalog))

    def _say_status(self) -> None:
        root = formatting.short_path(self.session.store.root, paths.user_home(os.environ))
        status = root if not self.is_reading or self.is_still else "reading …"
        self.query_one(Tabs).say(status=status, running=len(self.session.queue.unfinished))

    def _check(self) -> None:
        """Let a thread find out whether the store or an environment has changed on disk, and update the status."""
        if self.is_running and self.session.catalog is not None:
            self._scanner.check()
            self._say_status()

    def on_app_focus(self) -> None:
        """Read the store again when the terminal gets the focus, because uv may have changed environments."""
        if self.session.catalog is not None and not self.is_reading:
            self.read_again()

    def action_rescan(self) -> None:
        """Read the store again, unless a thread is reading it, and search for environments again."""
        if not self.is_reading:
            self._search.forget()
            self.read_again()

    async def on_job_changed(self, event: JobChanged) -> None:
        """Show the progress of a job. When it ends, report its result and read the store again."""
        job = event.job
        if not job.is_listed or not self.is_running:
            return
        has_just_ended = job.is_over and job.number not in self._finished
        if has_just_ended:
            self._finished.add(job.number)
            if self.session.is_leaving:
                await self._leave_after(job)
            else:
                background.run(
                    self, lambda: job_history.add(self.session.store, job), group="history", is_exclusive=False
                )
        if self.session.is_leaving and not self.session.queue.unfinished:
            return
        self._show_jobs()
        self._mark_busy()
        if has_just_ended:
            bell.ring(self, job, rings=self.session.preferences.bell)
            self.actions.conclude(job)
            self.read_again()

    def on_leave(self, event: Leave) -> None:
        """Exit, at once if the ends of all jobs are reported, else after the report of the last one."""
        event.stop()
        self._exit_after_the_last_job()

    async def _leave_after(self, job: Job[object]) -> None:
        """Add an ended job to the history, and exit after the last one."""
        with contextlib.suppress(PepipError, OSError):
            await asyncio.to_thread(job_history.add, self.session.store, job)
        self._ended_at_last.append(job)
        self._exit_after_the_last_job()

    def _exit_after_the_last_job(self) -> None:
        """Exit if the ends of all jobs are reported.

        If jobs have failed since the user asked to leave, the exit code is 1, and the terminal shows why.
        """
        jobs = self.session.queue.jobs
        if any(job.number not in self._finished for job in jobs):
            return
        from pepip.tui.app_actions import last_words  # late, like all actions

        last = (*self._ended_at_last, *self.session.last_jobs)
        words = [last_words(job) for job in jobs if job.state == FAILED and job in last]
        self.exit(return_code=1 if words else 0, message=Text("\n").join(words) or None)

    def _show_jobs(self) -> None:
        """Show the state of the jobs in the drawer, in the tabs and in the activity pane."""
        if not self.is_running:
            return
        self.query_one(Drawer).follow(self.session.queue)
        self.query_one(Tabs).say(running=len(self.session.queue.unfinished))
        if self.here == "activity":
            self.query_one(Panes).fill()

    def _show_times(self) -> None:
        """Show the times of the running job."""
        if self.session.queue.unfinished:
            self._show_jobs()

    def _mark_busy(self) -> None:
        """Mark the entries and environments that jobs work on."""
        catalog = self.session.catalog
        if catalog is None or catalog.trouble is not None:
            return
        if self._scanner.mark_busy(catalog) and self.here == "projects":
            self.query_one(Panes).fill()

    def action_cancel_job(self) -> None:
        """Cancel the operation under the cursor. Without one, cancel the running one with the rest of its group."""
        queue, job = self.session.queue, self.query_one(Panes).current_job
        group = None
        if job is not None and job.is_over:
            self.notify(f"This operation is over: {job.title}", timeout=3, markup=False)
            return
        if job is None:
            job = queue.current
            group = job.group if job else None
        if job is not None and job.is_listed:
            for other in reversed(group.jobs if group else (job,)):  # the running one last: no other one begins
                if not other.is_over:
                    queue.cancel(other)
            self.notify(f"Cancelling: {group.title if group else job.title}", timeout=3, markup=False)

    def action_hide_drawer(self) -> None:
        """Hide the drawer until the next job runs. The running job continues."""
        self.query_one(Drawer).hide()

    async def action_show(self, pane: str) -> None:
        """Show a pane."""
        panes = self.query_one(Panes)
        await panes.go_to(pane)
        self.query_one(Tabs).say(here=pane)
        self._show_welcome()
        if panes.display:
            self.default_screen.set_focus(panes.list_here)

    async def on_entry_wanted(self, event: EntryWanted) -> None:
        """Show all versions of a package in the store, with the cursor on one of them."""
        await self.action_show("store")
        self.query_one(StorePane).seek(f"name:{event.name}", event.entry_id)

    def on_history_read(self, event: HistoryRead) -> None:
        """Show the jobs of earlier runs."""
        self.session.earlier = event.jobs
        if self.is_running and self.here == "activity":
            self.query_one(Panes).fill()

    def use(self, settings: Preferences) -> None:
        """Take the user's settings, before the app runs."""
        self.session.preferences = settings
        if settings.theme in self.available_themes:
            self.theme = settings.theme

    def exit_on_signal(self, signal_number: int) -> None:
        """Exit after a signal, such as SIGHUP if the terminal is gone. Cancel all jobs at their next safe point."""
        self.session.queue.cancel_all()
        self.exit(return_code=128 + signal_number)

    def complete_history(self) -> None:
        """Add the jobs that have ended since the app stopped to the history. Call this when no job runs any more."""
        for job in self.session.queue.jobs:
            if job.is_over and job.number not in self._finished:
                self._finished.add(job.number)
                with contextlib.suppress(PepipError, OSError):
                    job_history.add(self.session.store, job)
