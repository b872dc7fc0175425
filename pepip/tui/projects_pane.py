"""The projects pane: every environment that links the store, with its distributions and its size."""

from __future__ import annotations

import os
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from pepip import paths
from pepip.operations import census
from pepip.tui import formatting, pane_requests
from pepip.tui.messages import EntryWanted
from pepip.tui.table import Column, Table, TableRow
from pepip.tui.unshared_list import UnsharedList

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from pepip.operations.savings import VenvShare
    from pepip.tui.catalog import Catalog
    from pepip.tui.pane_requests import EnvironmentRequest
    from pepip.tui.session import Session

_TONES = {census.OK: "good", census.BROKEN: "bad", census.MISSING: "warn", census.UNREACHABLE: "warn"}
_GLYPHS = {census.OK: "●", census.BROKEN: "✗", census.MISSING: "○", census.UNREACHABLE: "?"}

UNMET = "unmet needs"

COLUMNS = (
    Column("state", "", 1),
    Column("name", "Project", 0),
    Column("path", "Folder", 0, from_width=72),
    Column("python", "Python", 7, from_width=64),
    Column("packages", "Linked", 7, is_right=True, from_width=46),
    Column("alone", "Without", 9, is_right=True),
    Column("own", "Now", 9, is_right=True),
    Column("state", "State", 11, from_width=68),
)
PACKAGES = (
    Column("name", "Package", 0),
    Column("version", "Version", 12),
    Column("size", "Size", 9, is_right=True, from_width=40),
    Column("others", "Others", 8, is_right=True, from_width=36),
)


class ProjectsPane(Vertical):
    """The list of projects, and the list of packages of the project under the cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("i", "install", "Install", tooltip="Install into this project"),
        Binding("u", "uninstall", "Uninstall", tooltip="Uninstall the marked packages, or the current one"),
        Binding("U", "upgrade", "Upgrade", tooltip="Upgrade the marked packages, the current one, or all"),
        Binding("S", "sync", "Sync", tooltip="Sync the project with its lock"),
        Binding("space", "mark", "Mark", key_display="␣", tooltip="Mark a package of the project"),
        Binding("c", "app.scan", "Scan", tooltip="Scan a folder for environments moved, copied, restored"),
        Binding("f", "forget", "Forget", tooltip="Take this environment out of the registry"),
        Binding("D", "detach", "Detach", show=False, tooltip="Make a package the project's own copy, to patch it"),
        Binding("L", "attach", "Attach", show=False, tooltip="Link a package again that is the project's own"),
        Binding(
            "A", "adopt", "Adopt", tooltip="Link the marked environments that are not yet shared, or all of them"
        ),
        Binding(
            "E", "eject", "Eject", show=False, tooltip="Give this environment files of its own, without the store"
        ),
        Binding("R", "repair", "Repair", show=False, tooltip="Repair the store and all environments"),
        Binding("s", "sort", "Sort", show=False, tooltip="Sort by the next column"),
        Binding("a", "mark_all", "Mark all", show=False),
        Binding("y", "copy", "Copy", show=False, tooltip="Copy the command that shows this project"),
        Binding("l,right", "to_packages", "To the packages", show=False),
        Binding("h,left,escape", "to_projects", "To the projects", show=False),
    ]

    def __init__(self, session: Session) -> None:
        super().__init__(id="projects")
        self.session = session
        self.catalog: Catalog | None = None
        self.sort_key, self.is_descending = "alone", True
        self._shares: list[VenvShare] = []
        self._home = paths.user_home(os.environ)
        self._packages_of = ""

    def compose(self) -> ComposeResult:
        """Make the two lists."""
        with Horizontal(id="projects-split"):
            yield Table(COLUMNS, verb="Packages", id="environments")
            with Vertical(id="project-detail"):
                yield Static("", id="project-text")
                yield Table(PACKAGES, can_mark=True, rests=False, verb="In the store", id="packages")
        yield UnsharedList(id="unshared")

    @property
    def table(self) -> Table:
        """The list of projects."""
        return self.query_one("#environments", Table)

    @property
    def packages(self) -> Table:
        """The list of packages of the project under the cursor."""
        return self.query_one("#packages", Table)

    @property
    def unshared(self) -> UnsharedList:
        """The list of environments that are not yet shared."""
        return self.query_one(UnsharedList)

    @property
    def target(self) -> VenvShare | None:
        """The environment that actions work on. None while the focus is on those that are not yet shared."""
        return None if self.unshared.table.has_focus else self.current

    @property
    def current(self) -> VenvShare | None:
        """The environment under the cursor."""
        return self.catalog.shares.get(self.table.cursor_key) if self.catalog else None

    def show(self, catalog: Catalog, busy: frozenset[str]) -> None:
        """Show a catalog. `busy` holds the roots of environments that jobs work on."""
        self.catalog = catalog
        self._shares = list(catalog.shares.values())
        rows = [self._row(share, is_busy=share.known.environment in busy) for share in self._shares]
        self.table.empty_text = "no environment links the store yet: i installs into one, c scans for them"
        self.table.take(rows)
        self._sort()
        self._describe()
        self.show_unshared()

    def show_unshared(self) -> None:
        """Show the environments that are not yet shared, as far as a search has found them."""
        known = self.catalog.shares.keys() if self.catalog else ()
        self.unshared.show(self.session.unshared, known, self.session.search_place)
        self.refresh_bindings()

    def _row(self, share: VenvShare, *, is_busy: bool) -> TableRow:
        known = share.known
        name = os.path.basename(known.project) or known.project
        if os.path.basename(known.environment) != ".venv":
            name = f"{name} ({os.path.basename(known.environment)})"
        state, tone, glyph = known.state, _TONES[known.state], _GLYPHS[known.state]
        if known.environment in self.session.unmet:
            state, tone, glyph = UNMET, "bad", "!"
        if is_busy:
            state, tone, glyph = "busy", "accent", "◐"
        own = sum(not package.store_id for package in known.packages)
        linked = len(known.entries or ())
        return TableRow(
            known.environment,
            (
                glyph,
                formatting.printable(name),
                formatting.printable(formatting.short_path(os.path.dirname(known.project), self._home)),
                known.python.removesuffix(".final.0")[:7],
                f"{linked}+{own}" if own else str(linked),
                formatting.size(share.alone_bytes),
                formatting.size(share.own_bytes),
                state,
            ),
            (tone, "name", "muted", "muted", "", "", "", tone),
        )

    def _sort(self) -> None:
        orders: dict[str, Callable[[VenvShare], Any]] = {
            "name": lambda share: os.path.basename(share.known.project),
            "path": lambda share: share.known.environment,
            "python": lambda share: share.known.python,
            "packages": lambda share: len(share.known.entries or ()),
            "alone": lambda share: share.alone_bytes,
            "own": lambda share: share.own_bytes,
            "state": lambda share: (share.known.environment not in self.session.unmet, share.known.state),
        }
        order, shares = orders[self.sort_key], self._shares
        table = self.table
        table.sort_key, table.is_descending = self.sort_key, self.is_descending
        table.look(sorted(range(len(shares)), key=lambda place: order(shares[place]), reverse=self.is_descending))

    def _describe(self) -> None:
        share, table = self.current, self.packages
        text = self.query_one("#project-text", Static)
        if share is None or self.catalog is None:
            text.update("")
            table.show(())
            return
        known = share.known
        shown = Text()
        shown.append(formatting.printable(formatting.short_path(known.environment, self._home)), "bold")
        shown.append(f"\n{'Python ' + known.python if known.python else 'Python unknown'} · {known.state}", "")
        if known.reason:
            shown.append(f": {known.reason}")
        own = sum(not package.store_id for package in known.packages)
        shown.append(
            f"\n{len(known.entries or ())} linked, {formatting.count(own, 'private copy', 'private copies')}"
            f"\n{formatting.size(share.own_bytes)} now, {formatting.size(share.alone_bytes)} without pepip"
        )
        unmet = self.session.unmet.get(known.environment, ())
        for need in unmet[:4]:
            instead = f"{need.found} is installed" if need.found else "it is not installed"
            shown.append(f"\n{need.name} needs {formatting.printable(need.requirement)}: {instead}", "italic")
        if len(unmet) > 4:
            shown.append(f"\nand {len(unmet) - 4} more: pepip pip check", "italic")
        text.update(shown)
        if self._packages_of != known.environment:
            table.marks = set()
            self._packages_of = known.environment
        table.empty_text = "its packages are unknown" if known.state != census.OK else "nothing installed"
        table.show(self._package_rows(share))

    def _package_rows(self, share: VenvShare) -> list[TableRow]:
        catalog = self.catalog
        assert catalog is not None
        sizes = catalog.overview.sizes if catalog.overview else {}
        rows = []
        for package in sorted(share.known.packages):
            others = len(catalog.users.get(package.store_id, ())) - 1
            shared = f"{others:,}" if others > 0 else "-"
            rows.append(
                TableRow(
                    package.name,
                    (
                        formatting.printable(package.name),
                        formatting.printable(package.version),
                        formatting.size(sizes.get(package.store_id, 0)) if package.store_id else "",
                        shared if package.entry_id else package.mode or "private",
                    ),
                    ("name", "", "", "muted" if package.store_id else "warn"),
                )
            )
        if not rows:
            rows = [
                TableRow(
                    entry_id,
                    (entry_id.partition("/")[2], "", formatting.size(sizes.get(entry_id, 0)), ""),
                    ("", "", "", ""),
                )
                for entry_id in sorted(share.known.entries or ())
            ]
        return rows

    def on_table_moved(self, event: Table.Moved) -> None:
        """Show the packages of the project under the cursor."""
        event.stop()
        if type(event) is Table.Moved and event.table is self.table:
            self._describe()

    def on_table_marked(self, event: Table.Marked) -> None:
        """Stop the message: nothing here depends on marks."""
        event.stop()

    def on_table_chosen(self, event: Table.Chosen) -> None:
        """Move from a project to its packages, or from a package to its entry in the store pane."""
        event.stop()
        if event.table is self.table:
            self.action_to_packages()
        elif self.current is not None:
            self._show_in_store(self.current, event.key)

    def _show_in_store(self, share: VenvShare, name: str) -> None:
        store_id = next((package.store_id for package in share.known.packages if package.name == name), "")
        if store_id:
            self.post_message(EntryWanted(name, store_id))
        else:
            self.app.notify(f"{name} is the project's own: it is not in the store", markup=False)

    def on_table_sorted(self, event: Table.Sorted) -> None:
        """Sort by the clicked column. A second click reverses the order."""
        event.stop()
        if event.table is self.table:
            is_same = event.key == self.sort_key
            self.is_descending = not self.is_descending if is_same else event.key in {"packages", "alone", "own"}
            self.sort_key = event.key
            self._sort()

    def action_sort(self) -> None:
        """Sort by the next column."""
        keys = ["alone", "own", "name", "packages", "state"]
        at = keys.index(self.sort_key) if self.sort_key in keys else -1
        self.sort_key = keys[(at + 1) % len(keys)]
        self.is_descending = self.sort_key in {"packages", "alone", "own"}
        self._sort()
        self.app.notify(f"by {self.sort_key}", title="Sorted", timeout=1.5)

    def action_to_packages(self) -> None:
        """Move the focus to the packages. Without room for both lists, they replace the projects."""
        if self.current is not None:
            self.add_class("-packages")
            self.screen.set_focus(self.packages)

    def action_to_projects(self) -> None:
        """Move the focus back to the projects, and hide the drawer."""
        self.remove_class("-packages")
        self.app.call_later(self.app.run_action, "hide_drawer")
        self.screen.set_focus(self.table)

    def action_mark(self) -> None:
        """Mark or unmark the package under the cursor."""
        if self.packages.has_focus:
            self.packages.action_mark()

    def action_mark_all(self) -> None:
        """Mark all packages, or unmark them if all are marked."""
        if self.packages.has_focus:
            self.packages.action_mark_all()

    @property
    def chosen(self) -> list[str]:
        """The marked packages, or else the package under the cursor if its list has the focus."""
        table = self.packages
        if not table.marks and table.has_focus and table.cursor_key:
            return [table.cursor_key]
        return sorted(table.marks)

    def _ask(self, request: Callable[[str], EnvironmentRequest], *, can_lack: bool = False) -> None:
        """Post a request on the environment under the cursor. Without one, only if the request `can_lack` it."""
        environment = self.target.known.environment if self.target else ""
        if environment or can_lack:
            self.post_message(request(environment))

    def _ask_for_packages(self, request: Callable[[str, Sequence[str]], EnvironmentRequest]) -> None:
        """Post a request on the chosen packages. Without one, say how to choose one."""
        chosen = self.chosen
        if self.target is not None and not chosen:
            self.app.notify("Enter goes to the packages of this project: choose or mark some there.", timeout=4)
        elif self.target is not None:
            self.post_message(request(self.target.known.environment, chosen))

    def action_install(self) -> None:
        """Ask to install into this project, or into any."""
        self._ask(pane_requests.InstallIntoEnvironment, can_lack=True)

    def action_repair(self) -> None:
        """Ask to repair the store and all environments."""
        self._ask(pane_requests.RepairEverything, can_lack=True)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable `adopt` if no environment is known that it could link."""
        if action == "adopt":
            return self.is_mounted and bool(self.unshared.chosen)
        return super().check_action(action, parameters)

    def action_adopt(self) -> None:
        """Ask to adopt the marked environments that are not yet shared, or all of them."""
        self.unshared.action_adopt()

    def action_eject(self) -> None:
        """Ask to give this environment files of its own."""
        self._ask(pane_requests.EjectEnvironment)

    def action_sync(self) -> None:
        """Ask to sync this project with its lock."""
        self._ask(pane_requests.SyncEnvironment)

    def action_forget(self) -> None:
        """Ask to take this environment out of the registry."""
        self._ask(pane_requests.ForgetEnvironment)

    def action_copy(self) -> None:
        """Ask to copy the command that shows this project."""
        self._ask(pane_requests.CopyEnvironmentCommand)

    def action_upgrade(self) -> None:
        """Ask to upgrade the chosen packages, or all."""
        if self.target is not None:
            self.post_message(pane_requests.UpgradePackages(self.target.known.environment, self.chosen))

    def action_uninstall(self) -> None:
        """Ask to uninstall the chosen packages."""
        self._ask_for_packages(pane_requests.UninstallPackages)

    def action_detach(self) -> None:
        """Ask to make the chosen package a private copy."""
        self._ask_for_packages(pane_requests.DetachPackage)

    def action_attach(self) -> None:
        """Ask to link the chosen package again."""
        self._ask_for_packages(pane_requests.AttachPackage)
