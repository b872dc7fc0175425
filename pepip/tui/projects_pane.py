"""The projects pane: every environment that links the store, with its packages and its size."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Input

from pepip.tui import filter_line, filtering, formatting, pane_requests, project_rows
from pepip.tui.facets import Facets
from pepip.tui.filter_line import FilteredPane, FilterLine
from pepip.tui.messages import EntryWanted
from pepip.tui.project_detail import ProjectDetail
from pepip.tui.table import Table
from pepip.tui.unshared_list import UnsharedList

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pepip.operations.savings import VenvShare
    from pepip.tui.catalog import Catalog
    from pepip.tui.filtering import Facts
    from pepip.tui.pane_requests import EnvironmentRequest
    from pepip.tui.session import Session

_EMPTY = "no environment links the store yet: i installs into one, c scans a folder"


class ProjectsPane(FilteredPane):
    """The list of projects, and the list of packages of the project under the cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "mark", "Mark", key_display="␣", tooltip="Mark this project, or this package"),
        Binding("i", "install", "Install", tooltip="Install into the marked projects, or into this one"),
        Binding(
            "u", "uninstall", "Uninstall", show=False, tooltip="Uninstall the marked packages, or the current one"
        ),
        Binding("U", "upgrade", "Upgrade", tooltip="Upgrade the marked packages or projects, or this one"),
        Binding("S", "sync", "Sync", tooltip="Sync the marked projects, or this one, with their locks"),
        Binding("c", "app.scan", "Scan", tooltip="Scan a folder for unregistered environments"),
        Binding("f", "forget", "Forget", tooltip="Forget the marked environments, or this one"),
        Binding("D", "detach", "Detach", show=False, tooltip="Make a package a private copy, to patch it"),
        Binding("L", "attach", "Attach", show=False, tooltip="Link a detached package from the store again"),
        Binding("A", "adopt", "Adopt", tooltip="Link the marked environments of other tools, or all"),
        Binding(
            "E",
            "eject",
            "Eject",
            show=False,
            tooltip="Give the marked environments, or this one, real files",
        ),
        Binding("R", "repair", "Repair", show=False, tooltip="Repair the store and all environments"),
        Binding("s", "sort", "Sort", show=False, tooltip="Sort by the next column"),
        Binding("O", "reverse", "Reverse", show=False, tooltip="Reverse the order"),
        filter_line.key_to(tooltip="Filter by words: api missing kind:tool >100MB idle:>90d", show=False),
        Binding("a", "mark_all", "Mark all", show=False),
        Binding("t", "explain", "Why", tooltip="List the packages that need this one or that it needs"),
        Binding(
            "d",
            "remove",
            "Remove",
            show=False,
            tooltip="Remove the marked environments, or this one",
        ),
        Binding("y", "copy", "Copy", show=False, tooltip="Copy the command that shows this project"),
        Binding("l,right", "to_packages", "To the packages", show=False),
        Binding("h,left,escape", "to_projects", "Back", show=False, tooltip="To the projects"),
    ]

    def __init__(self, session: Session) -> None:
        super().__init__(id="projects")
        self.session = session
        self.catalog: Catalog | None = None
        self.sort_key, self.is_descending = "alone", True
        self._shares: list[VenvShare] = []
        self._facts: list[Facts] = []
        self._counts: dict[str, int] = {}
        self._states: dict[str, str] = {}

    def compose(self) -> ComposeResult:
        """Make the filter and the lists."""
        yield FilterLine(
            "#environments", placeholder="/ filter   api  kind:tool  missing  >100MB  idle:>90d", id="projects-filter"
        )
        yield Facets(id="projects-facets")
        with Horizontal(id="projects-split"):
            yield Table(project_rows.COLUMNS, can_mark=True, verb="Packages", id="environments")
            yield ProjectDetail()
        yield UnsharedList(id="unshared")

    @property
    def table(self) -> Table:
        """The list of projects."""
        return self.query_one("#environments", Table)

    @property
    def detail(self) -> ProjectDetail:
        """The facts and packages of the project under the cursor."""
        return self.query_one(ProjectDetail)

    @property
    def packages(self) -> Table:
        """The list of packages of the project under the cursor."""
        return self.detail.packages

    @property
    def filter_text(self) -> str:
        """The typed filter."""
        return self.query_one("#projects-filter", Input).value

    @property
    def unshared(self) -> UnsharedList:
        """The list of environments that are not yet shared."""
        return self.query_one(UnsharedList)

    @property
    def target(self) -> VenvShare | None:
        """The environment for actions. None while the focus is on the environments that are not yet shared."""
        return None if self.unshared.table.gets_keys else self.current

    @property
    def current(self) -> VenvShare | None:
        """The environment under the cursor."""
        return self.catalog.shares.get(self.table.cursor_key) if self.catalog else None

    def show(self, catalog: Catalog, busy: frozenset[str]) -> None:
        """Show a catalog. `busy` holds the roots of environments that jobs work on."""
        self.catalog = catalog
        self._shares = list(catalog.shares.values())
        unmet = self.session.unmet
        used = catalog.used_at
        states = self._states = {
            root: project_rows.state_of(share, unmet, busy) for root, share in catalog.shares.items()
        }
        self._facts = [project_rows.facts_of(share, states[root], used) for root, share in catalog.shares.items()]
        named = filtering.tally_named(self._facts, self.session.preferences)
        self._counts = {**project_rows.facets_of(self._shares, states.values()), **named}
        self.table.set_rows(
            [project_rows.row_of(share, states[root], used) for root, share in catalog.shares.items()]
        )
        self._sort()
        self._describe()
        self.show_unshared()

    def show_unshared(self) -> None:
        """Show the environments that do not link the store yet, as far as a search has found them."""
        known = self.catalog.shares.keys() if self.catalog else ()
        self.unshared.show(self.session.unshared, known, self.session.search_place)
        self.refresh_bindings()

    def _sort(self) -> None:
        used = self.catalog.used_at if self.catalog else {}
        order, shares = project_rows.order_by(self.sort_key, self.session.unmet, used), self._shares
        table = self.table
        table.sort_key, table.is_descending = self.sort_key, self.is_descending
        line = self.filter_text
        wanted, marks = filtering.parse(self.session.preferences.expanded(line)), table.marks
        view = list(range(len(shares)))
        if "marked" in wanted.states:
            wanted = wanted._replace(states=tuple(state for state in wanted.states if state != "marked"))
            view = [place for place in view if shares[place].known.environment in marks]
        view = [place for place in view if wanted.holds(self._facts[place])]
        table.empty_text = f"nothing matches {line}" if line and shares else _EMPTY
        table.set_view(sorted(view, key=lambda place: order(shares[place]), reverse=self.is_descending))
        self._count()

    def _count(self) -> None:
        """Show the number and the size of the listed projects, or of the marked ones."""
        table, shares = self.table, self._shares
        view = list(table.view)
        shown = formatting.count(len(view), "environment")
        if table.marks:
            view = [place for place in view if shares[place].known.environment in table.marks]
            hidden = len(table.marks) - len(view)
            shown = f"{len(view):,} marked" + (f" ({hidden:,} more hidden by the filter)" if hidden else "")
        own_bytes = sum(shares[place].own_bytes for place in view)
        counts = {**self._counts, "marked:": len(table.marks)}
        self.query_one(Facets).say(counts, self.filter_text, f"{shown}, {formatting.size(own_bytes)} now")

    def _describe(self) -> None:
        states = self._states
        self.detail.show(self.current, self.catalog, states.get(self.table.cursor_key, ""), self.session.unmet)

    def on_table_moved(self, event: Table.Moved) -> None:
        """Show the packages of the project under the cursor."""
        event.stop()
        if type(event) is Table.Moved and event.table is self.table:
            self._describe()

    def on_table_marked(self, event: Table.Marked) -> None:
        """Count the marked projects."""
        event.stop()
        if event.table is self.table:
            self._count()

    def on_table_chosen(self, event: Table.Chosen) -> None:
        """Move from a project to its packages, or from a package to its entry in the store."""
        event.stop()
        if event.table is self.table:
            self.action_to_packages()
        elif self.current is not None:
            self._show_in_store(self.current, event.key)

    def _show_in_store(self, share: VenvShare, name: str) -> None:
        if not share.known.packages and self.catalog is not None and name in self.catalog.stored:
            self.post_message(EntryWanted(self.catalog.stored[name].name, name))  # the rows are entries
            return
        store_id = next((package.store_id for package in share.known.packages if package.name == name), "")
        if store_id:
            self.post_message(EntryWanted(name, store_id))
        else:
            self.app.notify(f"{name} is a private copy: it is not in the store", markup=False)

    def on_table_sorted(self, event: Table.Sorted) -> None:
        """Sort by the clicked column. A second click reverses the order."""
        event.stop()
        if event.table is self.packages:
            self.detail.sort_by(event.key)
        else:
            self._sort_by(event.key)

    def _sort_by(self, key: str) -> None:
        is_same = key == self.sort_key
        self.is_descending = not self.is_descending if is_same else key in {"packages", "alone", "own"}
        self.sort_key = key
        self._sort()
        self.table.stay_at_top()

    def action_sort(self) -> None:
        """Sort the list that has the focus by its next column."""
        if self.packages.gets_keys:
            self.detail.sort_by_next()
        else:
            self._sort_by(_next(["alone", "own", "name", "packages", "used", "state"], self.sort_key))

    def action_reverse(self) -> None:
        """Reverse the order of the list that has the focus."""
        if self.packages.gets_keys:
            self.detail.sort_by(self.detail.sort_key)
        else:
            self._sort_by(self.sort_key)

    def on_facets_toggled(self, event: Facets.Toggled) -> None:
        """Add a facet to the filter, or remove it."""
        event.stop()
        line = self.query_one("#projects-filter", Input)
        line.value = filtering.toggled(line.value, event.facet)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Apply the filter after each key."""
        event.stop()
        self._sort()

    def action_to_packages(self) -> None:
        """Move the focus to the packages. Without room for both lists, they replace the projects."""
        if self.current is not None:
            self.add_class("-packages")
            self.screen.set_focus(self.packages)

    def action_to_projects(self) -> None:
        """Move the focus to the projects. If they have it already, clear the filter, or else the marks."""
        if self.table.gets_keys:
            self.step_back(self.table.unmark)
        else:
            self.app.call_later(self.app.run_action, "hide_drawer")
        self.remove_class("-packages")
        self.screen.set_focus(self.table)

    def action_mark(self) -> None:
        """Mark or unmark the project or the package under the cursor."""
        (self.packages if self.packages.gets_keys else self.table).action_mark()

    def action_mark_all(self) -> None:
        """Mark all listed projects or packages, or unmark them if all are marked."""
        (self.packages if self.packages.gets_keys else self.table).action_mark_all()

    @property
    def chosen(self) -> list[str]:
        """The marked environments that the filter shows. Without marks, the environment under the cursor."""
        target, marks = self.target, self.table.marks
        if target is None:
            return []
        marked = [] if self.packages.gets_keys else [root for root in self.table.keys if root in marks]
        return marked or [target.known.environment]

    @property
    def chosen_packages(self) -> list[str]:
        """The chosen packages of the environment under the cursor, also if the detail still shows another one."""
        if self.current is not None and self.detail.environment != self.current.known.environment:
            self._describe()
        return self.detail.chosen

    def _ask(self, request: Callable[[Sequence[str]], EnvironmentRequest], *, is_optional: bool = False) -> None:
        """Post a request on the chosen environments; with `is_optional`, also if there is no environment."""
        if self.chosen or is_optional:
            self.post_message(request(self.chosen))

    def _ask_for_packages(self, request: Callable[[str, Sequence[str]], EnvironmentRequest]) -> None:
        """Post a request on the chosen packages. Without any, say how to choose one."""
        packages = self.chosen_packages
        if self.target is not None and not packages:
            self.app.notify("No package is chosen. Enter goes to the packages of this project.", timeout=4)
        elif self.target is not None:
            self.post_message(request(self.target.known.environment, packages))

    def _ask_for_one(self, request: Callable[[str, Sequence[str]], EnvironmentRequest]) -> None:
        """Post a request on the chosen package. If several are marked, say that it takes only one."""
        if len(self.detail.chosen) > 1:
            self.app.notify("Several packages are marked, and this works on one: unmark the others.", timeout=4)
        else:
            self._ask_for_packages(request)

    def action_install(self) -> None:
        """Ask to install into this project. If there is no project, the user names one."""
        self._ask(pane_requests.InstallIntoEnvironment, is_optional=True)

    def action_repair(self) -> None:
        """Ask to repair the store and all environments."""
        self._ask(pane_requests.RepairEverything, is_optional=True)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable `adopt` if there is no environment to adopt."""
        if action == "adopt":
            return self.is_mounted and bool(self.unshared.chosen)
        return super().check_action(action, parameters)

    def action_adopt(self) -> None:
        """Ask to adopt the marked environments that are not yet shared, or all of them."""
        self.unshared.action_adopt()

    def action_eject(self) -> None:
        """Ask to eject this environment."""
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
        """Ask to upgrade the chosen packages of this environment, or all packages of the chosen environments."""
        roots, target = self.chosen, self.target
        if target is not None:
            packages = self.chosen_packages if roots == [target.known.environment] else ()
            self.post_message(pane_requests.UpgradePackages(roots, packages))

    def action_uninstall(self) -> None:
        """Ask to uninstall the chosen packages."""
        self._ask_for_packages(pane_requests.UninstallPackages)

    def action_explain(self) -> None:
        """Ask why the package under the cursor is here."""
        if self.target is not None and self.packages.gets_keys and self.detail.chosen:
            root = self.target.known.environment
            self.post_message(pane_requests.ExplainPackage(root, [self.packages.cursor_key]))
        else:
            self._ask_for_one(pane_requests.ExplainPackage)

    def action_remove(self) -> None:
        """Ask to remove this environment."""
        self._ask(pane_requests.RemoveEnvironment)

    def action_detach(self) -> None:
        """Ask to make the chosen package a private copy."""
        self._ask_for_one(pane_requests.DetachPackage)

    def action_attach(self) -> None:
        """Ask to link the chosen package again."""
        self._ask_for_one(pane_requests.AttachPackage)


def _next(keys: list[str], key: str) -> str:
    return keys[(keys.index(key) + 1) % len(keys)] if key in keys else keys[0]
