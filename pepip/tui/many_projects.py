"""The actions on several marked projects: one dialog with the plan for all, then a job for each project."""

from __future__ import annotations

import functools
import shlex

from pepip.environment import purposes
from pepip.errors import PepipError
from pepip.host import running_processes
from pepip.operations.adoption import eject as ejecting
from pepip.operations.census import MISSING, READABLE
from pepip.tui import (
    adoption_jobs,
    commands,
    environment_jobs,
    formatting,
    pane_requests,
    removal,
    upgrade_actions,
    user_input,
)
from pepip.tui.base_actions import BaseActions
from pepip.tui.catalog import name_of
from pepip.tui.combined_action import CombinedAction, Part
from pepip.tui.dialogs import Question
from pepip.tui.job import Job, once
from pepip.tui.preview_dialog import PreviewDialog
from pepip.tui.previews import Preview, PreviewedAction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from pepip.host.running_processes import Process
    from pepip.operations.census import Census, KnownVenv
    from pepip.tui.pane_requests import EnvironmentRequest
    from pepip.tui.removal import Removal


class ManyProjectActions(BaseActions):
    """The actions on several projects. One that can't be changed is named, and the others are changed."""

    def carry_out(self, request: EnvironmentRequest) -> None:
        """Carry out a request of the projects pane on several environments."""
        catalog = self.session.catalog
        if catalog is None or catalog.overview is None:
            return
        chosen = [catalog.shares[root].known for root in request.environments if root in catalog.shares]
        match request:
            case pane_requests.UpgradePackages():
                upgrade_actions.UpgradeActions(self.session, self.app).upgrade([(known, ()) for known in chosen])
            case pane_requests.SyncEnvironment():
                self.ask_disk(
                    lambda: [self._sync(known) for known in chosen], lambda parts: self._begin("sync", "Sync", parts)
                )
            case pane_requests.InstallIntoEnvironment():
                self._ask_to_install(chosen)
            case pane_requests.EjectEnvironment():
                parts = [self._part(known, self._eject, is_there=True) for known in chosen]
                roots = [known.environment for known, part in zip(chosen, parts, strict=True) if part.action]
                self._begin("eject", "Eject", parts, command=commands.of("eject", *roots))
            case pane_requests.ForgetEnvironment():
                forget = functools.partial(self._forget, catalog.overview.census)
                self._begin("forget", "Forget", [self._part(known, forget) for known in chosen])
            case pane_requests.RemoveEnvironment():
                self._remove(catalog.overview.census, chosen)
            case pane_requests.CopyEnvironmentCommand():
                self.copy(commands.of("projects", *(known.environment for known in chosen)))

    def _begin(
        self,
        operation: str,
        verb: str,
        parts: Sequence[Part],
        *,
        command: str = "",
        total: Callable[[list[Part]], str] | None = None,
        settled: Callable[[], Sequence[Part]] | None = None,
        jobs_of: Callable[[list[Part]], Sequence[Job[Any]]] | None = None,
    ) -> None:
        """Preview an operation on several environments, and submit a job for each one that changes."""
        queue, title = self.session.queue, f"{operation} {formatting.count(len(parts), 'environment')}"
        combined = CombinedAction(title, verb, parts, command=command, total=total, settled=settled, jobs_of=jobs_of)

        def decided(answer: str | None) -> None:
            if answer == "go":
                queue.submit_all(combined.title, combined.jobs)

        self.app.push_screen(PreviewDialog(combined.action, queue), decided)

    @staticmethod
    def _part(known: KnownVenv, make: Callable[[KnownVenv], PreviewedAction], *, is_there: bool = False) -> Part:
        """Return the action on one environment. With `is_there`, it is only for an environment that can be read."""
        if is_there and known.state not in READABLE:
            return Part(name_of(known), None, known.reason or known.state)
        return Part(name_of(known), make(known), environment=known.environment)

    def _sync(self, known: KnownVenv) -> Part:
        place = _place(known)
        if known.purpose.kind != purposes.PROJECT or not environment_jobs.syncs_by_lock(place):
            return Part(name_of(known), None, "no pyproject.toml with a [project] table is beside it")
        return Part(name_of(known), environment_jobs.sync(self.session.store, place))

    def _ask_to_install(self, chosen: Sequence[KnownVenv], line: str = "") -> None:
        """Ask for requirements, and preview their installation into several environments."""

        def install(known: KnownVenv) -> PreviewedAction:
            return environment_jobs.install(self.session.store, _place(known), line)

        own = [known for known in chosen if known.purpose.kind == purposes.PROJECT and known.state in READABLE]

        def command(typed: str) -> str:
            try:
                words = shlex.split(typed)
            except ValueError:  # a quote is not closed yet
                words = [typed]
            return "; ".join(commands.in_its_folder("install", _place(known), *words) for known in own)

        title = f"Install into {formatting.count(len(chosen), 'environment')}"
        text = "Packages, such as: requests 'numpy<2'. The preview comes first."
        question = Question(title, text, value=line, verb="Preview", command=command)

        def asked(answer: str | None) -> None:
            nonlocal line
            line = answer or ""
            if line.strip():
                try:
                    user_input.requirements(line)
                except PepipError as error:
                    self._ask_to_install(chosen, line)
                    self.complain(error)
                    return
                self.ask_disk(
                    lambda: [part(known) for known in chosen],
                    lambda parts: self._begin(f"install {line.strip()} into", "Install", parts),
                )

        def part(known: KnownVenv) -> Part:
            if known.purpose.kind != purposes.PROJECT:
                return Part(name_of(known), None, "uv keeps this environment")
            return self._part(known, install, is_there=True)

        self.app.push_screen(question, asked)

    def _eject(self, known: KnownVenv) -> PreviewedAction:
        store, root = self.session.store, known.environment
        job = adoption_jobs.eject(store, root)

        def look() -> Preview:
            found = ejecting.linking(store, root)
            if not found.packages:
                return Preview("it links nothing", (), has_work=False)
            packages = formatting.count(found.packages, "package")
            size = formatting.size(found.size_bytes)
            return Preview(f"{packages} become real files, up to {size} more", (), has_work=True)

        return _with_preview(job, "Eject", look)

    def _forget(self, census: Census, known: KnownVenv) -> PreviewedAction:
        job = environment_jobs.forget(self.session.store, known, census.projects)
        sentence = "leaves the registry; entries that no other environment links become unused"
        return _with_preview(job, "Forget", lambda: Preview(sentence, (), has_work=True), is_destructive=True)

    def _remove(self, census: Census, chosen: Sequence[KnownVenv]) -> None:
        """Preview the removal of environments with the entries that only they link. One prune removes them.

        If one of them must stay, so do the entries that it links.
        """
        store = self.session.store
        projects = [known for known in chosen if known.purpose.kind != purposes.TOOL and known.state in READABLE]
        self.ask_disk(lambda: removal.of(store, census, projects), lambda whole: self._preview_removal(whole, chosen))

    def _preview_removal(self, whole: Removal, chosen: Sequence[KnownVenv]) -> None:
        projects = [*whole.far, *whole.near]

        @functools.cache  # listing all processes takes long, so do it once
        def processes() -> Mapping[str, Sequence[Process]]:
            return running_processes.users_of([known.environment for known in projects])

        def parts(possible: Removal) -> list[Part]:
            make = functools.partial(self._removal_of, possible, processes)
            return [self._part(known, make, is_there=known.state != MISSING) for known in chosen]

        def settled() -> list[Part]:
            free = {item.environment for item in projects if not removal.obstacle(item, processes())}
            return parts(whole.only(free))

        def going(working: Sequence[Part]) -> Removal:
            return whole.only({part.environment for part in working})

        def all_jobs(working: Sequence[Part]) -> list[Job[Any]]:
            removed = going(working)
            roots = {known.environment for known in (*removed.far, *removed.near)}
            others = [part.action.carry_out for part in working if part.action and part.environment not in roots]
            return [*others, *removed.jobs()]

        def total(working: Sequence[Part]) -> str:
            return going(working).gain()

        self._begin("remove", "Remove", parts(whole), total=total, settled=settled, jobs_of=all_jobs)

    def _removal_of(
        self, whole: Removal, processes: Callable[[], Mapping[str, Sequence[Process]]], known: KnownVenv
    ) -> PreviewedAction:
        if known.state == MISSING:
            return self._forget(whole.census, known)  # only its registration is left
        if known.purpose.kind == purposes.TOOL:
            job = environment_jobs.uninstall_tool(self.session.store, known.environment)
            sentence = "uv uninstalls the tool with its launchers"
            return _with_preview(job, "Remove", lambda: Preview(sentence, (), has_work=True), is_destructive=True)
        return removal.remove_with_others(whole, known, processes)


def _place(known: KnownVenv) -> str:
    """Return the `.venv` by which a project knows its environment, which may lie elsewhere."""
    return known.name if known.purpose.kind == purposes.PROJECT else known.environment


def _with_preview(
    job: Job[Any], verb: str, look: Callable[[], Preview], *, is_destructive: bool = False
) -> PreviewedAction:
    preview = Job(job.title, job.command, once(look), is_listed=False)
    return PreviewedAction(job.title, verb, preview, job, is_destructive=is_destructive)
