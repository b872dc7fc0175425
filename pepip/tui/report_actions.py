"""The actions of the reports: the audit, comparisons, lists in files, and the settings."""

from __future__ import annotations

import functools
import os
from typing import cast

from pepip.errors import PepipError
from pepip.operations import inventory, preferences, sheets
from pepip.operations.audit import asking
from pepip.store.audit_answers import VULNERABLE
from pepip.tui import commands, compare_dialog, entries, filtered_lists, filtering, formatting, user_input
from pepip.tui.audit_dialog import AuditDialog
from pepip.tui.base_actions import BaseActions
from pepip.tui.compare_dialog import CompareDialog, CompareWhich
from pepip.tui.dialogs import Question
from pepip.tui.job import Job, Report, once
from pepip.tui.messages import EntryWanted
from pepip.tui.projects_pane import ProjectsPane
from pepip.tui.settings_dialog import SettingsDialog
from pepip.tui.store_pane import StorePane
from pepip.tui.versions_pane import VersionsPane

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.operations.audit.asking import Audit
    from pepip.operations.preferences import Preferences
    from pepip.operations.savings import VenvShare
    from pepip.operations.sheets import Sheet
    from pepip.store.root import Store

_OF_THE_APP_ALONE = frozenset({"marked", "damaged", "busy"})
"""States that only the filter of the app knows. For them, the shown command names each row instead."""


class ReportActions(BaseActions):
    """The actions of the reports: see `begin_report`."""

    def begin_report(self, name: str, pane: str) -> None:
        """Begin the report `audit`, `compare`, `export` or `settings`. `pane` is the visible pane."""
        if name == "settings":
            self.ask_for_settings()
        elif self.session.catalog is None:
            self.app.notify("The store is still being read.", timeout=3)
        elif self.session.catalog.overview is None:
            self.app.notify("Nothing is stored yet.", timeout=3)
        elif name == "audit":
            self.show_audit()
        elif name == "compare":
            self.compare(pane)
        else:
            self.ask_to_export(pane)

    def show_audit(self) -> None:
        """Show the last answers of an audit, and audit again if the user agrees."""
        assert self.session.catalog is not None
        dialog = AuditDialog(self.session.catalog, command=audit_command)

        def decided(answer: str | None) -> None:
            if answer == "go":
                self.session.queue.submit(audit(self.session.store, dialog.records))
            elif answer:
                _, name, version = answer.split(" ")
                self.app.post_message(EntryWanted(name, self._entry_of(name, version)))

        self.app.push_screen(dialog, decided)

    def _entry_of(self, name: str, version: str) -> str:
        stored = self.session.catalog.stored.values() if self.session.catalog else ()
        return next((item.id for item in stored if (item.name, item.version) == (name, version)), "")

    def compare(self, pane: str) -> None:
        """Compare the project under the cursor with others, or two marked ones with each other.

        Ask for the project if the pane has none.
        """
        catalog = self.session.catalog
        assert catalog is not None
        root, other = "", ""
        if pane == "projects":
            projects = self.app.query_one(ProjectsPane)
            root = projects.current.known.environment if projects.current else ""
            if len(projects.chosen) == 2:
                root, other = projects.chosen
        elif pane == "versions":
            root = self.app.query_one(VersionsPane).matrix.cursor[1]

        def chosen(root: str | None) -> None:
            share = catalog.shares.get(root or "")
            if share is not None:
                self.ask_disk(lambda: compare_dialog.has_lock(share), functools.partial(show, share))

        def show(share: VenvShare, has_lock: object) -> None:
            store, queue = self.session.store, self.session.queue
            dialog = CompareDialog(store, catalog, share, queue, other=other, has_lock=bool(has_lock))
            self.app.push_screen(dialog)

        if root:
            chosen(root)
        elif catalog.shares:
            stored = self.app.query_one(StorePane).current if pane == "store" else None
            first = catalog.users.get(stored.id, ()) if stored else ()
            self.app.push_screen(CompareWhich(catalog, first), chosen)
        else:
            self.app.notify("No environment links the store yet.", timeout=3)

    def ask_to_export(self, pane: str) -> None:
        """Ask for a file, and write the visible list of entries or of projects to it."""
        if pane not in {"store", "projects"}:
            self.app.notify("Only the lists of the store (1) and of the projects (2) can be written.", timeout=3)
            return
        sheet, words = self._entries() if pane == "store" else self._projects()
        if not sheet.rows:
            self.app.notify("The list is empty.", timeout=3)
            return
        noun = ("entry", "entries") if pane == "store" else ("environment", "environments")
        text = f"Writes the {formatting.count(len(sheet.rows), *noun)} of this list to a new .csv, .md or .json file."
        self._ask_for_file(text, sheet, words, f"{self.session.folder}/pepip-{pane}.csv")

    def _ask_for_file(self, text: str, sheet: Sheet, words: list[str], value: str) -> None:
        def command(line: str) -> str:
            return commands.of(*words, "--output", _path(line))

        def entered(line: str | None) -> None:
            if not line:
                return
            path = _path(line)
            try:
                form = sheets.format_of(path)
            except PepipError as error:
                self._ask_for_file(text, sheet, words, line)
                self.complain(error)
                return
            done = Report(
                f"{formatting.count(len(sheet.rows), 'row')} of {form} written to {formatting.short_path(path)}"
            )
            job = Job(
                f"write {os.path.basename(path)}",
                command(line),
                once(lambda: sheets.save(sheet, path)),
                describe=lambda _: done,
            )
            self.session.queue.submit(job)

        value = formatting.short_path(value)
        self.app.push_screen(Question("Write this list", text, value=value, verb="Write", command=command), entered)

    def _entries(self) -> tuple[Sheet, list[str]]:
        """Return the entries that the store pane lists, and the words of the command that lists them."""
        pane, store, catalog = self.app.query_one(StorePane), self.session.store, self.session.catalog
        assert catalog is not None
        assert catalog.overview is not None
        chosen = [pane.listing.stored[place] for place in pane.listed]
        sizes, users = catalog.overview.sizes, catalog.users
        documents = [inventory.entry(store, item, sizes[item.id], users.get(item.id, ())) for item in chosen]
        words = ["store", "list"]
        line = self.session.preferences.expanded(pane.filter_text)
        if _OF_THE_APP_ALONE & set(filtering.parse(line).states):
            words += commands.patterns_of(chosen, catalog.stored.values())
        elif line:
            words.append(f"--filter={line}")  # one word, because the line may begin with a minus
        words += ["--sort", pane.sort_key]
        is_reversed = pane.is_descending != (pane.sort_key in entries.DESCENDING)
        return inventory.sheet_of_entries(documents), [*words, *(["--reverse"] if is_reversed else [])]

    def _projects(self) -> tuple[Sheet, list[str]]:
        """Return the environments that the projects pane lists, and the words of the command that lists them."""
        pane, catalog = self.app.query_one(ProjectsPane), self.session.catalog
        assert catalog is not None
        chosen = [catalog.shares[key] for key in pane.table.keys if key in catalog.shares]
        line = self.session.preferences.expanded(pane.filter_text)
        words = ["projects"]
        if _OF_THE_APP_ALONE & set(filtering.parse(line).states):
            words += [item.known.environment for item in chosen]
        elif line:
            words.append(f"--filter={line}")
        words += ["--sort", pane.sort_key]
        is_reversed = pane.is_descending != (pane.sort_key in filtered_lists.DESCENDING)
        return inventory.sheet_of_environments(chosen), [*words, *(["--reverse"] if is_reversed else [])]

    def ask_for_settings(self) -> None:
        """Show the settings, and write them if the user saves them."""
        self.ask_disk(preferences.read, self._ask_for_settings)

    def _ask_for_settings(self, before: Preferences) -> None:
        dialog = SettingsDialog(before, sorted(self.app.available_themes))

        def decided(answer: str | None) -> None:
            if answer != "go" or dialog.settings == before:
                return
            job = Job(
                "change the settings",
                commands.of("settings", *preferences.words_of(before, dialog.settings)),
                once(lambda: preferences.write(dialog.settings)),
                describe=lambda _: Report(f"written to {formatting.short_path(preferences.path())}"),
            )
            self.session.queue.submit(job)
            self.use(dialog.settings)

        self.app.push_screen(dialog, decided)

    def use(self, settings: Preferences) -> None:
        """Apply settings to the app."""
        self.session.preferences = settings
        if settings.theme in self.app.available_themes:
            self.app.theme = settings.theme
        self.app.query_one(StorePane).use_settings()


def audit_command(records: str) -> str:
    """Return the command that audits all environments, with OSV records at this path if it is not empty."""
    return commands.of("audit", *(["--osv", _path(records)] if records else []))


def audit(store: Store, records: str = "") -> Job[object]:
    """Return the job that audits all environments. With `records`, it looks up advisories in these OSV records."""
    service_url = asking.service_url(os.environ)
    options = asking.AuditOptions(records=_path(records) if records else "", service_url=service_url)
    job = Job(
        "audit all environments",
        audit_command(records),
        lambda: asking.ask(store, options),
        describe=_of_audit,
    )
    return cast("Job[object]", job)


def _of_audit(found: Audit) -> Report:
    counts = {kind: {(f.name, f.version) for f in found.findings if f.kind == kind} for kind in found.answers}
    sentence = ", ".join(f"{len(pins)} {kind}" for kind, pins in counts.items())
    lines = [f"{f.kind}: {f.name} {f.version} {f.id} {', '.join(f.fixed)}".rstrip() for f in found.findings]
    problem = VULNERABLE if counts.get(VULNERABLE) else ""
    return Report(f"{sentence}: o shows them" if lines else f"{sentence}: nothing found", lines, problem=problem)


def _path(line: str) -> str:
    try:
        return user_input.absolute_path(line.strip())
    except PepipError:  # an unfinished `~name`
        return line
