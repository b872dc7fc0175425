"""The flow of each action: the dialogs that ask, the job that runs, and the report at its end."""

from __future__ import annotations

from rich.text import Text

from pepip import humanized
from pepip.errors import PepipError
from pepip.model import Summary
from pepip.operations import detach, doctor, prune, scan, store_add, verify
from pepip.operations.project import Outcome
from pepip.tui import commands, formatting, jobs, styles
from pepip.tui.dialogs import Choice, MessageDialog, Question
from pepip.tui.job_queue import CANCELLED, FAILED, Job
from pepip.tui.plan_dialog import InstallForm, PlanDialog, wording_of
from pepip.tui.prune_dialog import PruneDialog
from pepip.tui.store_pane import StorePane

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pepip.model import Stored
    from pepip.tui.app import PepipApp
    from pepip.tui.catalog import Catalog
    from pepip.tui.jobs import PlannedAction
    from pepip.tui.projects_pane import ProjectsPane


_TONES = {doctor.OK: "good", doctor.WARNING: "warn", doctor.ERROR: "bad"}


class Actions:
    """The action flows of one app."""

    def __init__(self, app: PepipApp) -> None:
        self.app = app
        self.store = app.store
        self.runner = app.runner

    @property
    def catalog(self) -> Catalog | None:
        """The catalog that the app shows now."""
        return self.app.catalog

    def explain(self, title: str, text: Text, *, command: str = "") -> None:
        """Show a text in a dialog."""
        self.app.push_screen(MessageDialog(title, text, command=command))

    def complain(self, error: PepipError) -> None:
        """Show an error and its hint in a dialog."""
        hint = f"\n\nhint: {error.hint}" if error.hint else ""
        self.explain("Not possible", Text(f"{error.message}{hint}"))

    def copy(self, command: str) -> None:
        """Copy a command line to the clipboard, and show it."""
        self.app.copy_to_clipboard(command)
        self.app.notify(formatting.printable(command), title="Copied", markup=False)

    # Installing

    def ask_to_install(self, *, place: str = "", line: str = "") -> None:
        """Ask for a project and requirements, show the preview, and install."""
        shares = list(self.catalog.shares.values()) if self.catalog else []
        form = InstallForm(shares, place=place, line=line)

        def asked(answer: str | None) -> None:
            if answer == "go":
                self.begin(
                    lambda: jobs.install(self.store, jobs.environment_at(form.place), form.line),
                    go_back=lambda: self.ask_to_install(place=form.place, line=form.line),
                )

        self.app.push_screen(form, asked)

    def begin(self, make: Callable[[], PlannedAction], *, go_back: Callable[[], None] | None = None) -> None:
        """Show the preview of an action, and submit its job if the user agrees.

        `go_back` opens the dialog before this one.
        """
        try:
            plan = make()
        except PepipError as error:
            self.complain(error)
            return

        def decided(answer: str | None) -> None:
            if answer == "go":
                self.runner.submit(plan.carry_out)
            elif answer == "instead" and plan.instead is not None:
                self.runner.submit(plan.instead)
            elif answer == "back" and go_back is not None:
                go_back()

        self.app.push_screen(PlanDialog(plan, self.runner, can_go_back=go_back is not None), decided)

    # Pruning

    def ask_to_prune(self, options: prune.PruneOptions | None = None) -> None:
        """Preview a prune with these options, and remove the ticked orphans."""
        options = options or prune.PruneOptions()
        if self.catalog is None or self.catalog.overview is None or isinstance(self.app.screen, PruneDialog):
            return

        def preview(dialog: PruneDialog) -> None:
            self.app.run_worker(lambda: self._preview_prune(dialog, options), thread=True, group="prune")

        dialog = PruneDialog(preview)

        def decided(answer: str | None) -> None:
            if answer == "go" and dialog.preview is not None:
                is_all = len(dialog.chosen) == len(dialog.preview.orphans) and options.only is None
                self.runner.submit(jobs.prune(self.store, dialog.chosen, is_all=is_all))

        self.app.push_screen(dialog, decided)

    def _preview_prune(self, dialog: PruneDialog, options: prune.PruneOptions) -> None:
        try:
            preview = prune.preview(self.store, options)
        except (PepipError, OSError) as error:
            sentence = f"The store can't be looked at: {error}"
            self.app.hand_over(lambda: dialog.complain(sentence))
            return
        if dialog.is_running:
            self.app.hand_over(lambda: dialog.show(preview))

    # The store

    def of_entries(self, event: StorePane.Asked) -> None:
        """Carry out a request of the store pane."""
        chosen = event.chosen
        if event.what == "install":
            line = f"{chosen[0].name}=={chosen[0].version}" if chosen else ""
            self.ask_to_install(line=line)
        elif not chosen:
            return
        elif event.what == "detail":
            self.app.run_worker(lambda: self._show_detail(chosen[0]), thread=True, group="detail")
        elif event.what == "remove":
            self._ask_to_remove(chosen)
        elif event.what == "verify":
            self.runner.submit(jobs.verify(self.store, _pins(chosen), frozenset(item.id for item in chosen)))
        elif event.what == "repair":
            self._ask_to_repair(chosen)
        elif event.what == "copy":
            self.copy(commands.of("store", "show", _pins(chosen)[0]))

    def _show_detail(self, stored: Stored) -> None:
        if self.catalog is not None:
            width = min(84, int(self.app.size.width * 0.96) - 5)  # within the frame, beside the scroll bar
            text = self.app.query_one(StorePane).text_of(stored, self.catalog, width)
            command = commands.of("store", "show", f"{stored.name}=={stored.version}")
            self.app.hand_over(lambda: self.explain("Entry", text, command=command))

    def _ask_to_remove(self, chosen: Sequence[Stored]) -> None:
        """Preview the removal of entries. If an environment links any of them, name those and remove nothing."""
        users = self.catalog.users if self.catalog else {}
        linked = [item for item in chosen if item.id in users]
        if linked:
            text = Text()
            for item in linked[:12]:
                who = humanized.listed([formatting.short_path(user) for user in users[item.id]], most=2)
                text.append(f"{item.name} {item.version}", "bold")
                text.append(f" is linked by {who}\n")
            if len(linked) > 12:
                text.append(f"and {len(linked) - 12} more\n")
            text.append("\nWhat an environment links stays: uninstall it there first.")
            self.explain("Linked entries are not removed", text)
            return
        self.ask_to_prune(prune.PruneOptions(only=frozenset(item.id for item in chosen)))

    def ask_to_store(self, *, line: str = "") -> None:
        """Ask for requirements, and store their wheels without a project."""

        def typed(answer: str | None) -> None:
            if answer:
                try:
                    self.runner.submit(jobs.store(self.store, answer))
                except PepipError as error:
                    self.ask_to_store(line=answer)
                    self.complain(error)

        text = "Stores packages, and what they need, for projects to come. Until one links them they are orphans."
        question = Question("Store without a project", text, value=line, verb="Store", command=jobs.store_command)
        self.app.push_screen(question, typed)

    def verify_all(self) -> None:
        """Verify the whole store."""
        self.runner.submit(jobs.verify(self.store, (), frozenset()))

    def _ask_to_repair(self, chosen: Sequence[Stored]) -> None:
        """Name the environments that a repair affects, ask, and repair."""
        users = self.catalog.users if self.catalog else {}
        concerned = sorted({user for item in chosen for user in users.get(item.id, ())})
        job = jobs.repair(self.store, _pins(chosen), frozenset(item.id for item in chosen))
        text = Text("What differs from its hashes is fetched again; nothing else is changed.\n")
        if concerned:
            text.append(f"\n{formatting.count(len(concerned), 'environment')} linked to it are linked anew:\n")
            text.append("\n".join(f"  {formatting.short_path(user)}" for user in concerned[:15]))
            if len(concerned) > 15:
                text.append(f"\n  and {len(concerned) - 15} more")
        else:
            text.append("\nNo environment links it.")
        self._confirm(f"Repair {', '.join(_pins(chosen)[:3])}", text, "Repair", job)

    def _confirm(self, title: str, text: Text, verb: str, job: Job[object], *, is_destructive: bool = False) -> None:
        """Submit a job if the user agrees. Cancel has the focus."""

        def decided(answer: str | None) -> None:
            if answer == "go":
                self.runner.submit(job)

        choices = (Choice("", "Cancel"), Choice("go", verb, "error" if is_destructive else "primary"))
        self.app.push_screen(MessageDialog(title, text, choices, command=job.command), decided)

    # Projects

    def of_project(self, event: ProjectsPane.Asked) -> None:
        """Carry out a request of the projects pane."""
        environment, packages = event.environment, event.packages
        if event.what == "install":
            self.ask_to_install(place=formatting.short_path(environment.removesuffix("/.venv")))
        elif event.what == "repair":
            text = Text(
                "All entries are checked, every byte read; what differs is fetched again, and environments "
                "that dangle are linked anew."
            )
            self._confirm("Repair the store", text, "Repair", jobs.repair(self.store, (), frozenset()))
        elif not environment:
            return
        elif event.what == "sync":
            self.begin(lambda: jobs.sync(self.store, environment))
        elif event.what == "forget":
            self._ask_to_forget(environment)
        elif event.what == "show":
            self._show_in_store(environment, packages[0])
        elif event.what == "copy":
            self.copy(commands.of("projects", environment))
        elif event.what == "upgrade":
            names = packages or ([] if jobs.has_lock(environment) else self._all_of(environment))
            self.begin(lambda: jobs.upgrade(self.store, environment, names))
        elif not packages:
            self.app.notify("Enter goes to the packages of this project: choose or mark some there.", timeout=4)
        elif event.what == "uninstall":
            self.begin(lambda: jobs.uninstall(self.store, environment, packages))
        elif event.what == "detach":
            text = Text("The package becomes a real, writable copy in this environment alone. Others don't notice.")
            self._confirm(f"Detach {packages[0]}", text, "Detach", jobs.detach(self.store, environment, packages[0]))
        elif event.what == "attach":
            self.begin(lambda: jobs.attach(self.store, environment, packages[0]))

    def _show_in_store(self, environment: str, name: str) -> None:
        share = self.catalog.shares.get(environment) if self.catalog else None
        found = [package for package in share.known.packages if package.name == name] if share else []
        if found and found[0].store_id:
            self.app.call_later(self.app.show_in_store, name, found[0].store_id)
        else:
            self.app.notify(f"{name} is the project's own: it is not in the store", markup=False)

    def _all_of(self, environment: str) -> list[str]:
        share = self.catalog.shares.get(environment) if self.catalog else None
        return sorted(package.name for package in share.known.packages) if share else []

    def _ask_to_forget(self, environment: str) -> None:
        text = Text(
            "What only it links becomes an orphan, which a prune removes. An environment that is still there "
            "comes back with its next install."
        )
        text.append(f"\n\n{formatting.printable(environment)}", "bold")
        self._confirm(
            "Forget this environment", text, "Forget", jobs.forget(self.store, environment), is_destructive=True
        )

    def ask_to_scan(self) -> None:
        """Ask for a folder, and register the environments below it."""

        def typed(folder: str | None) -> None:
            if folder:
                try:
                    self.runner.submit(jobs.scan(self.store, folder))
                except PepipError as error:
                    self.complain(error)

        text = "Registers every environment below a folder that links the store: moved, copied, restored."
        question = Question("Scan for environments", text, value="~", verb="Scan", command=jobs.scan_command)
        self.app.push_screen(question, typed)

    def examine(self) -> None:
        """Run the checks of the doctor in a thread, and show the results."""

        def look() -> None:
            text = Text()
            try:
                for check in doctor.examine(self.store):
                    text.append(f"{check.state:<8} ", styles.of(self.app)[_TONES[check.state]])
                    text.append(f"{check.topic}: ", "bold")
                    text.append(f"{formatting.printable(check.sentence)}\n")
                    if check.hint and check.state != doctor.OK:
                        text.append(f"         {check.hint}\n", "dim")
            except (PepipError, OSError) as error:
                text.append(f"The store can't be looked at: {error}\n")
            self.app.hand_over(lambda: self.explain("Doctor", text, command=commands.of("doctor")))

        self.app.run_worker(look, thread=True, exclusive=True, group="doctor")

    # The end of a job

    def conclude(self, job: Job[object]) -> None:
        """Report the end of a job: a failure in full in a dialog, any other end in a short notification."""
        if job.state == CANCELLED:
            self.app.notify(f"{job.title}: cancelled", severity="warning", markup=False)
        elif job.state == FAILED and job.failure is not None:
            text = Text()
            text.append(f"{job.failure.message}\n", "bold")
            if job.failure.output:
                text.append(f"\n{wording_of(job.failure.output)}\n")
            if job.failure.hint:
                text.append(f"\nhint: {job.failure.hint}\n")
            self.explain(f"Failed: {job.title}", text, command=job.command)
        else:
            job.outcome = self._outcome(job)
            job.say(job.outcome)
            self.app.notify(job.outcome, title=formatting.printable(job.title), markup=False)

    def _outcome(self, job: Job[object]) -> str:
        """Return the result of a job as a sentence. Record the flaws that a verification found."""
        result = job.result
        if isinstance(result, Outcome):
            result = result.summary
        if isinstance(result, Summary):
            return formatting.outcome(result)
        if isinstance(result, prune.PrunePreview):
            kept = f", {len(result.refused)} are another user's" if result.refused else ""
            removed = formatting.count(len(result.orphans), "entry", "entries")
            return f"{removed} removed, {formatting.size(result.freed_bytes)} free now{kept}"
        if isinstance(result, store_add.Added):
            for name in result.unshared:
                job.say(f"can't be shared, and is not stored: {name}")
            unshared = f", {len(result.unshared)} can't be shared" if result.unshared else ""
            stored = formatting.count(len(result.stored), "entry", "entries")
            return f"{stored} stored, {len(result.reused)} there before{unshared}"
        if isinstance(result, verify.Verdict):
            return self._note_findings(job, result)
        if isinstance(result, verify.Repaired):
            self.app.verified.update(dict.fromkeys(result.entries, ()))
            for entry_id, reason in result.failed:
                job.say(f"could not be repaired: {entry_id}: {reason}")
            failed = f", {len(result.failed)} could not be" if result.failed else ""
            repaired = formatting.count(len(result.entries), "entry", "entries")
            return f"{repaired} repaired{failed}, {formatting.count(len(result.environments), 'environment')} healed"
        if isinstance(result, detach.Detached):
            return f"{result.name} {result.version} is a private copy now, in {result.site_packages}"
        if isinstance(result, detach.Attached):
            return f"{result.name} {result.version} is linked from the store again"
        if isinstance(result, scan.Scanned):
            new = sum(not item.was_known for item in result.found)
            for item in result.found:
                job.say(f"{'known' if item.was_known else 'found'}: {item.environment}")
            return f"{new} found, {len(result.found)} link the store"
        return "done"

    def _note_findings(self, job: Job[object], verdict: verify.Verdict) -> str:
        seen = job.touches or (self.catalog.stored if self.catalog else {})
        self.app.verified.update(dict.fromkeys(seen, ()))
        for finding in verdict.findings:
            self.app.verified[finding.stored.id] = finding.flaws
            job.say(f"damaged: {finding.stored.id}")
            for flaw in finding.flaws:
                job.say(f"  {flaw.words:<16} {flaw.path}")
        if verdict.findings:
            checked = formatting.count(verdict.checked, "entry", "entries")
            return f"{checked} checked, {len(verdict.findings)} damaged: R repairs"
        checked = formatting.count(verdict.checked, "entry", "entries")
        return f"{checked} checked, {'all ' if verdict.checked > 1 else ''}intact"

    def ask_to_leave(self) -> None:
        """Ask whether to finish or cancel the unfinished jobs, and exit when they are over."""
        titles = "\n".join(f"  {job.title}" for job in self.runner.busy)
        choices = (
            Choice("", "Stay"),
            Choice("finish", "Finish, then leave"),
            Choice("cancel", "Cancel, then leave", "error"),
        )

        def decided(answer: str | None) -> None:
            if answer:
                if answer == "cancel":
                    self.runner.cancel_all()
                self.app.notify("Leaving when it is over …", timeout=60)
                self.app.run_worker(self._leave_when_over, thread=True, group="leave")

        self.app.push_screen(MessageDialog("Something is running", Text(titles), choices), decided)

    def _leave_when_over(self) -> None:
        while not self.runner.wait(0.5):
            if not self.app.is_running:
                return
        self.app.hand_over(self.app.exit)


def _pins(chosen: Sequence[Stored]) -> list[str]:
    return [f"{item.name}=={item.version}" for item in chosen]
