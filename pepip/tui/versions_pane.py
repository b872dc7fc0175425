"""The versions pane: packages with several versions against the environments that have them, and their upgrade."""

from __future__ import annotations

import os
from collections import Counter
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input, Static

from pepip.environment import purposes
from pepip.operations import side_by_side
from pepip.tui import filter_line, formatting, pane_requests
from pepip.tui.filter_line import FilteredPane, FilterLine
from pepip.tui.matrix import Cell, Grid, Matrix
from pepip.tui.messages import EntryWanted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pepip.operations.census import KnownVenv
    from pepip.operations.side_by_side import SideBySide
    from pepip.tui.catalog import Catalog
    from pepip.tui.matrix import Place


class VersionsPane(FilteredPane):
    """The filter, the matrix, and a line of facts about the cell under the cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "mark", "Mark", key_display="␣", tooltip="Mark the package in this project"),
        Binding("a", "mark_behind", "Mark older", tooltip="Mark the package in all projects with an older version"),
        Binding("U", "upgrade", "Upgrade", tooltip="Upgrade the marked packages in their projects"),
        Binding("t", "explain", "Why", tooltip="List the packages that need this one or that it needs"),
        filter_line.key_to(tooltip="Filter by words: numpy -rich project:api"),
        Binding(
            "y", "copy", "Copy", show=False, tooltip="Copy the command that lists packages with several versions"
        ),
        Binding("escape", "leave", "Clear", show=False),
    ]

    def __init__(self) -> None:
        super().__init__(id="versions")
        self.catalog: Catalog | None = None
        self._rows: Sequence[SideBySide] = ()
        self._titles: dict[str, str] = {}

    def compose(self) -> ComposeResult:
        """Make the filter, the matrix and the line of facts."""
        yield FilterLine("#matrix", placeholder="/ filter   numpy  -rich  project:api", id="versions-filter")
        matrix = Matrix("Several versions in use", verb="In the store", id="matrix")
        matrix.empty_text = "reading the store …"
        yield matrix
        yield Static("", id="versions-facts")

    @property
    def matrix(self) -> Matrix:
        """The matrix."""
        return self.query_one("#matrix", Matrix)

    def show(self, catalog: Catalog) -> None:
        """Show a catalog."""
        if catalog is self.catalog:
            return
        self.catalog = catalog
        known = [share.known for share in catalog.shares.values()]
        self._rows = side_by_side.several(known)
        self._titles = titles_of(known)
        versions = [(row.name, users) for row in self._rows for users in row.versions.values()]
        self.matrix.marks &= {(name, known.environment) for name, users in versions for known in users}
        self._fill()

    def _fill(self) -> None:
        line = self.query_one("#versions-filter", Input).value
        words = line.lower().split()
        places = [word.removeprefix("project:") for word in words if word.startswith("project:")]
        names = [word for word in words if not word.startswith("project:")]
        rows = [
            row
            for row in self._rows
            if all((word[1:] not in row.name) if word[:1] == "-" else word in row.name for word in names)
        ]
        cells: dict[Place, Cell] = {}
        behind: Counter[str] = Counter()
        for row in rows:
            for version, users in row.versions.items():
                cell = Cell(formatting.printable(version), "good" if version == row.newest else "warn")
                for known in users:
                    if all(place in known.name.lower() for place in places):
                        cells[row.name, known.environment] = cell
                        behind[known.environment] += version != row.newest
        shown = {name for name, _ in cells}
        columns = sorted(behind, key=lambda root: (-behind[root], self._titles[root], root))
        self.matrix.empty_text = f"nothing matches {line}" if line else "no package is in use in several versions"
        self.matrix.show(
            Grid(
                [(row.name, formatting.printable(row.name)) for row in rows if row.name in shown],
                [(root, self._titles[root]) for root in columns],
                cells,
            )
        )
        self._say()

    def _say(self) -> None:
        """Show the facts of the cell under the cursor, and the number of marks."""
        name, root = self.matrix.cursor
        words = ""
        if root and self.catalog is not None and root in self.catalog.shares:
            cell = self.matrix.grid.cells.get((name, root))
            newest = next(row.newest for row in self._rows if row.name == name)
            version = f"{cell.text} in" if cell else "is not in"
            place = self.catalog.called(root)
            words = f"newest version here: {newest} · {name} {version} {place}"
        marks, seen = self.matrix.marks, len(self._marked)
        hidden = f" ({len(marks) - seen:,} more hidden by the filter)" if len(marks) > seen else ""
        shown = f"{seen:,} marked{hidden} · {words}" if marks else words
        self.query_one("#versions-facts", Static).update(Text(f" {shown}", no_wrap=True, overflow="ellipsis"))

    @property
    def _marked(self) -> list[Place]:
        return sorted(self.matrix.marks & self.matrix.grid.cells.keys())

    @property
    def chosen(self) -> list[Place]:
        """The marked cells that the filter shows, or the one under the cursor if none is marked."""
        matrix = self.matrix
        return self._marked or ([matrix.cursor] if matrix.cursor in matrix.grid.cells else [])

    def on_input_changed(self, event: Input.Changed) -> None:
        """Apply the filter after each key."""
        event.stop()
        self._fill()

    def on_matrix_moved(self, event: Matrix.Moved) -> None:
        """Show the facts of the cell."""
        event.stop()
        if type(event) is not Matrix.Chosen:
            self._say()

    on_matrix_marked = on_matrix_moved

    def on_matrix_chosen(self, event: Matrix.Chosen) -> None:
        """Show the package in the store pane."""
        event.stop()
        name, root = event.place
        packages = self.catalog.shares[root].known.packages if self.catalog else ()
        store_id = next((package.store_id for package in packages if package.name == name), "")
        if store_id:
            self.post_message(EntryWanted(name, store_id))
        else:
            self.app.notify(f"{name} is a private copy: it is not in the store", markup=False)

    def action_mark(self) -> None:
        """Mark or unmark the cell under the cursor."""
        self.matrix.action_mark()

    def action_mark_behind(self) -> None:
        """Mark all older versions of the package under the cursor. If all are marked, unmark them."""
        name = self.matrix.cursor[0]
        cells = self.matrix.grid.cells
        self.matrix.toggle([place for place, cell in cells.items() if place[0] == name and cell.tone == "warn"])

    def action_upgrade(self) -> None:
        """Ask to upgrade the chosen cells."""
        if self.chosen:
            self.post_message(pane_requests.UpgradeEverywhere(self.chosen))

    def action_explain(self) -> None:
        """Ask why the package is in the project."""
        name, root = self.matrix.cursor
        if (name, root) in self.matrix.grid.cells:
            self.post_message(pane_requests.ExplainPackage(root, [name]))

    def action_leave(self) -> None:
        """Clear the filter, or else the marks."""
        self.step_back(self.matrix.unmark)

    def action_copy(self) -> None:
        """Copy the command that lists the packages with several versions."""
        self.app.copy_to_clipboard("pepip uses --several")
        self.app.notify("pepip uses --several", title="Copied", markup=False)


def titles_of(environments: Sequence[KnownVenv]) -> dict[str, str]:
    """Return a short title for each environment by its root: the name of its project, script or tool.

    Projects with the same name also get the name of the folder above.
    """
    titles = {known.environment: _title(known, 1) for known in environments}
    count = Counter(titles.values())
    return {
        known.environment: _title(known, 2 if count[titles[known.environment]] > 1 else 1) for known in environments
    }


def _title(known: KnownVenv, parts: int) -> str:
    if known.purpose.kind != purposes.PROJECT:
        name = known.name
        return formatting.printable(os.path.basename(name) if known.purpose.script else name)
    project, environment = os.path.split(known.environment)
    if environment != ".venv":
        parts, project = parts + 1, known.environment
    shown = "/".join(project.rsplit("/", parts)[-parts:])
    return formatting.printable(shown)
