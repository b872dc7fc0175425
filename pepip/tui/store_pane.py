"""The store pane: the entries with sizes and users, a filter, marks, and the detail of one entry."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static
from textual.worker import get_current_worker

from pepip.tui import background, entries, entry_text, filter_line, filtering, formatting, pane_requests
from pepip.tui.entries import Listing
from pepip.tui.facets import Facets
from pepip.tui.filter_line import FilteredPane, FilterLine
from pepip.tui.scroll_text import ScrollText
from pepip.tui.table import Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pepip.operations.entry_details import Details
    from pepip.store.listing import Stored
    from pepip.tui.catalog import Catalog
    from pepip.tui.session import Session
    from pepip.tui.table import Column

_SECONDS_BEFORE_DETAILS = 0.12
EMPTY = Listing((), (), (), (), (), ())


class StorePane(FilteredPane):
    """The filter, the list and the detail."""

    BINDINGS: ClassVar[list[BindingType]] = [
        filter_line.key_to(tooltip="Filter by words and facets: unused: >100MB project:api"),
        Binding("space", "mark", "Mark", tooltip="Mark the entry under the cursor", key_display="␣"),
        Binding("i", "install", "Install", tooltip="Install the entry under the cursor into a project"),
        Binding("d", "remove", "Remove", tooltip="Remove the marked entries that no environment links"),
        Binding("v", "verify", "Verify", tooltip="Verify the marked entries, or the one under the cursor"),
        Binding("R", "repair", "Repair", tooltip="Repair the marked entries, or the one under the cursor"),
        Binding("s", "sort", "Sort", tooltip="Sort by the next column, or by a clicked title"),
        Binding("O", "reverse", "Reverse", show=False, tooltip="Reverse the order"),
        Binding("a", "mark_all", "Mark all", show=False),
        Binding("t", "explain", "Why", tooltip="List the packages that need this one or that it needs"),
        Binding("m", "map", "Map", tooltip="Show the listed entries as a map of the disk"),
        Binding("y", "copy", "Copy", show=False, tooltip="Copy the command that shows this entry"),
        Binding("l,right", "to_detail", "Detail", key_display="→", tooltip="Show the detail of this entry"),
        Binding("h,left,escape", "to_list", "To the list", show=False),
    ]

    class Described(Message):
        """The detail of an entry was read."""

        def __init__(self, entry_id: str, text: Text) -> None:
            super().__init__()
            self.entry_id, self.text = entry_id, text

    def __init__(self, session: Session) -> None:
        super().__init__(id="store")
        self.session = session
        self.catalog: Catalog | None = None
        self.listing = EMPTY
        self.sort_key, self.is_descending = "size", True
        self._order: list[int] = []
        self._tally: dict[str, int] = {}
        self._needed: dict[str, tuple[str, ...]] = {}

    def compose(self) -> ComposeResult:
        """Make the filter, the list and the detail."""
        placeholder = "/ filter   unused:  >100MB  project:api  -word"
        yield FilterLine("#entries", placeholder=placeholder, id="filter")
        yield Facets()
        with Horizontal():
            table = Table(self._columns, can_mark=True, verb="Files", id="entries")
            table.empty_text = "reading the store …"
            yield table
            with ScrollText(id="detail"):
                yield Static("", id="detail-text")

    @property
    def table(self) -> Table:
        """The list."""
        return self.query_one("#entries", Table)

    @property
    def filter_text(self) -> str:
        """The typed filter."""
        return self.query_one("#filter", Input).value

    @property
    def _columns(self) -> Sequence[Column]:
        return entries.columns_without(self.session.preferences.hidden)

    def use_settings(self) -> None:
        """Apply the settings: the columns and the named filters."""
        self.table.columns = self._columns
        if self.catalog is not None:
            self.show(self.catalog, self.listing)

    @property
    def is_wide(self) -> bool:
        """Whether the detail is visible beside the list."""
        return self.query_one("#detail").display

    @property
    def current(self) -> Stored | None:
        """The entry under the cursor."""
        return self.catalog.stored.get(self.table.cursor_key) if self.catalog else None

    @property
    def chosen(self) -> list[Stored]:
        """The marked entries that the filter shows. Without marks, the entry under the cursor."""
        marks = self.table.marks & set(self.table.keys)
        if marks and self.catalog:
            return [self.catalog.stored[key] for key in sorted(marks) if key in self.catalog.stored]
        return [self.current] if self.current else []

    # Display

    def show(self, catalog: Catalog, listing: Listing) -> None:
        """Show a catalog and its listing."""
        is_first = not self.listing.rows
        self.catalog, self.listing = catalog, listing
        self._tally = {f"{name}:": number for name, number in filtering.tally(listing.facts).items()}
        self._tally |= filtering.tally_named(listing.facts, self.session.preferences)
        self.table.set_rows(listing.rows)
        self._sort()
        if is_first:
            self.table.action_jump(0)
        self._describe()

    def _sort(self) -> None:
        table = self.table
        table.sort_key, table.is_descending = self.sort_key, self.is_descending
        indices = range(len(self.listing.rows))
        self._order = self.listing.sorted_by(self.sort_key, indices, is_descending=self.is_descending)
        self._filter()

    def _filter(self) -> None:
        line = self.filter_text
        wanted = filtering.parse(self.session.preferences.expanded(line))
        facts, order = self.listing.facts, self._order
        if "marked" in wanted.states:
            wanted = wanted._replace(states=tuple(state for state in wanted.states if state != "marked"))
            marks, rows = self.table.marks, self.listing.rows
            order = [index for index in order if rows[index].key in marks]
        view = order if wanted == filtering.Filter() else [index for index in order if wanted.holds(facts[index])]
        self.table.empty_text = f"nothing matches {line}" if line else "the store is empty"
        self.table.set_view(view)
        self._count()

    def _count(self) -> None:
        sizes, marks = self.listing.sizes, self.table.marks
        view = self.table.view
        size_bytes = sum(sizes[index] for index in view)
        shown = f"{formatting.count(len(view), 'entry', 'entries')}, {formatting.size(size_bytes)}"
        if marks:
            marked = [sizes[index] for index in view if self.listing.rows[index].key in marks]
            shown = f"{len(marked):,} marked, {formatting.size(sum(marked))}"
            hidden = len(marks) - len(marked)
            shown += f" ({hidden:,} more hidden by the filter)" if hidden else ""
        counts = {**self._tally, "marked:": len(marks)}
        self.query_one(Facets).say(counts, self.query_one("#filter", Input).value, shown)

    def _describe(self) -> None:
        if not self.is_wide:
            return
        stored, text = self.current, self.query_one("#detail-text", Static)
        if stored is None or self.catalog is None:
            text.update("")
            return
        flaws = self.session.verified.get(stored.id)
        width = self.query_one("#detail").scrollable_content_region.width
        short = entry_text.describe(self.catalog, stored, None, flaws, {}, width=width)
        text.update(short)
        self.query_one("#detail").scroll_home(animate=False)

        def refused(reason: str) -> None:
            said = f"\n\nThe files of this entry can't be read: {reason}"
            self.post_message(self.Described(stored.id, short + said))

        background.run(self, partial(self._read_detail, stored, self.catalog, width), group="detail", refused=refused)

    def _read_detail(self, stored: Stored, catalog: Catalog, width: int) -> None:
        """Read the entry's files for the detail, after the cursor has stayed on the entry for a moment."""
        import time

        time.sleep(_SECONDS_BEFORE_DETAILS)
        if get_current_worker().is_cancelled:
            return
        text = self.text_of(stored, catalog, width)
        if not get_current_worker().is_cancelled:
            self.post_message(self.Described(stored.id, text))

    def text_of(self, stored: Stored, catalog: Catalog, width: int) -> Text:
        """Return the full description of an entry, `width` columns wide. Reads files, so call it in a worker."""
        from pepip.operations import prune

        found = self._details(stored, catalog)
        needs = entry_text.why(catalog, found) if found else {}
        gain = "" if stored.id in catalog.users or stored.layer else formatting.gain(*prune.freed_by_entry(stored))
        flaws = self.session.verified.get(stored.id)
        return entry_text.describe(catalog, stored, found, flaws, needs, gain=gain, width=width)

    def _details(self, stored: Stored, catalog: Catalog) -> Details | None:
        from pepip.operations import entry_details  # imports the parser of METADATA late: after the first paint

        if catalog.overview is None:
            return None
        worker = get_current_worker()
        for item in catalog.stored.values():
            if item.id not in self._needed:
                self._needed[item.id] = entry_details.requirements(item)
                if worker.is_cancelled:  # the cursor moved; the next worker continues
                    return None
        try:
            found = entry_details.show(
                self.session.store, stored.name, stored.version, seen=catalog.overview.census, needed=self._needed
            )
        except Exception:  # noqa: BLE001 - pruned or damaged meanwhile: the next reading shows it
            return None
        return next((item for item in found if item.stored.id == stored.id), None)

    def on_store_pane_described(self, event: Described) -> None:
        """Show the detail, if the cursor is still on its entry."""
        event.stop()
        if self.is_attached and self.children and self.table.cursor_key == event.entry_id and self.is_wide:
            self.query_one("#detail-text", Static).update(event.text)

    # Actions

    def on_input_changed(self, event: Input.Changed) -> None:
        """Apply the filter after each key."""
        event.stop()
        self._filter()

    def on_facets_toggled(self, event: Facets.Toggled) -> None:
        """Add a facet to the filter, or remove it."""
        line = self.query_one("#filter", Input)
        line.value = filtering.toggled(line.value, event.facet)

    def on_table_moved(self, event: Table.Moved) -> None:
        """Show the detail of the entry under the cursor."""
        event.stop()
        if type(event) is Table.Moved:
            self._describe()

    def on_table_marked(self, event: Table.Marked) -> None:
        """Count the marks."""
        event.stop()
        self._count()

    def on_table_sorted(self, event: Table.Sorted) -> None:
        """Sort by the clicked column. A second click reverses the order."""
        event.stop()
        self._sort_by(event.key)

    def on_table_chosen(self, event: Table.Chosen) -> None:
        """Ask for the files of the entry."""
        event.stop()
        if self.current:
            self.post_message(pane_requests.ListFiles([self.current]))

    def on_resize(self) -> None:
        """Show the detail, if the new size has room for it."""
        self.call_after_refresh(self._describe)

    def seek(self, line: str, entry_id: str) -> None:
        """Filter by a line, and move the cursor to an entry if the filter shows it."""
        typed = self.query_one("#filter", Input)
        with typed.prevent(Input.Changed):
            typed.value = line
        self._filter()
        self.table.put_cursor(entry_id)

    def _sort_by(self, key: str) -> None:
        self.is_descending = not self.is_descending if key == self.sort_key else key in entries.DESCENDING
        self.sort_key = key
        self._sort()
        self.table.stay_at_top()

    def action_sort(self) -> None:
        """Sort by the next column."""
        at = entries.SORTS.index(self.sort_key) if self.sort_key in entries.SORTS else -1
        self.sort_key = entries.SORTS[(at + 1) % len(entries.SORTS)]
        self.is_descending = self.sort_key in entries.DESCENDING
        self._sort()
        self.table.stay_at_top()

    def action_reverse(self) -> None:
        """Reverse the order."""
        self._sort_by(self.sort_key)

    def action_mark(self) -> None:
        """Mark or unmark the entry under the cursor."""
        self.table.action_mark()

    def action_mark_all(self) -> None:
        """Mark all shown entries, or unmark them if all are marked."""
        self.table.action_mark_all()

    def action_to_detail(self) -> None:
        """Move the focus to the detail, or ask for the detail in a dialog if it is not visible."""
        if self.is_wide:
            self.screen.set_focus(self.query_one("#detail"))
        elif self.current:
            self.post_message(pane_requests.DescribeEntry([self.current]))

    def action_explain(self) -> None:
        """Ask why environments have the entry under the cursor."""
        if self.current:
            self.post_message(pane_requests.ExplainEntry([self.current]))

    def action_map(self) -> None:
        """Ask for the map of the listed entries."""
        self.post_message(pane_requests.ShowMap())

    @property
    def listed(self) -> list[int]:
        """The indices of the entries that the filter shows."""
        return list(self.table.view)

    def action_to_list(self) -> None:
        """Move the focus to the list. If the list has it already, clear the filter, or else the marks."""
        if self.table.gets_keys:
            self.step_back(self.table.unmark)
        else:
            self.app.call_later(self.app.run_action, "hide_drawer")
        self.screen.set_focus(self.table)

    def action_install(self) -> None:
        """Ask to install the entry under the cursor."""
        self.post_message(pane_requests.InstallEntry([self.current] if self.current else []))

    def action_remove(self) -> None:
        """Ask to remove the chosen entries."""
        if self.chosen:
            self.post_message(pane_requests.RemoveEntries(self.chosen))

    def action_verify(self) -> None:
        """Ask to verify the chosen entries."""
        if self.chosen:
            self.post_message(pane_requests.VerifyEntries(self.chosen))

    def action_repair(self) -> None:
        """Ask to repair the chosen entries."""
        if self.chosen:
            self.post_message(pane_requests.RepairEntries(self.chosen))

    def action_copy(self) -> None:
        """Ask to copy the command that shows the first chosen entry."""
        if self.chosen:
            self.post_message(pane_requests.CopyEntryCommand(self.chosen))
