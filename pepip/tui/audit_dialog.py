"""The dialog of the last answers of an audit. Only its button sends a question over the network."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Button, Input, Static

from pepip.names import normalize_name
from pepip.store.audit_answers import KINDS, OUTDATED, VULNERABLE, YANKED
from pepip.tui import audit_findings, formatting
from pepip.tui.dialogs import Choice, Dialog
from pepip.tui.path_input import PathInput
from pepip.tui.table import Column, Table, TableRow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pepip.store.audit_answers import Pin
    from pepip.tui.catalog import Catalog

_COLUMNS = (
    Column("name", "Package", 0),
    Column("version", "Version", 16),
    Column("kind", "Finding", 10),
    Column("fixed", "Fixed, or newest", 16, from_width=54),
    Column("users", "Projects", 8, is_right=True, from_width=40),
    Column("words", "Advisory", 0, from_width=70),
)
_TONES = {VULNERABLE: "bad", YANKED: "warn", OUTDATED: "muted"}


class AuditDialog(Dialog):
    """The findings in all environments. Answers `go` to ask again, or `show NAME VERSION` for a chosen row.

    `records` is the typed path of OSV records in which `go` looks up advisories, empty for uv's service. `command`
    returns the command line for such a path.
    """

    COMMAND_LINES = 1
    BINDINGS: ClassVar[list[BindingType]] = [Binding("slash", "to_records", "OSV records", show=False)]

    def __init__(self, catalog: Catalog, *, command: Callable[[str], str]) -> None:
        super().__init__("Audit · / for OSV records", command=command(""))
        self.records = ""
        self._catalog = catalog
        self._command_of = command
        self._users = users_of(catalog)

    def body(self) -> ComposeResult:
        """Make the sentences, the list, and the line for OSV records."""
        yield Static(self._sentences(), classes="dialog--text")
        yield Table(_COLUMNS, verb="In the store", id="findings")
        line = PathInput("", placeholder="offline: OSV records (file, folder or zip)", id="records")
        line.cursor_blink = False
        yield line

    def choices(self) -> Sequence[Choice]:
        """Return the buttons. Close comes first, so that Enter asks nothing."""
        return (Choice("", "Close"), Choice("go", "Ask again" if self._catalog.answers else "Ask", "primary"))

    def on_mount(self) -> None:
        """Fill the list. Hide it if there is no answer yet."""
        super().on_mount()
        table = self.query_one("#findings", Table)
        table.display = bool(self._catalog.answers)
        table.empty_text = "nothing found"
        table.show(self._rows())
        self.query(Button).first().focus()

    def action_to_records(self) -> None:
        """Move the focus to the line for OSV records."""
        self.query_one("#records").focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show the command for the typed path."""
        event.stop()
        self.records = event.value.strip()
        self.say_command(self._command_of(self.records))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Look up advisories in the typed records. Without a path, go to the first button."""
        event.stop()
        if self.records:
            self.action_answer("go")
        else:
            self.query(Button).first().focus()

    def on_table_chosen(self, event: Table.Chosen) -> None:
        """Answer with the package under the cursor."""
        event.stop()
        self.dismiss(f"show {event.key.partition(' ')[2]}")

    def _rows(self) -> list[TableRow]:
        rows = []
        for pin, found in sorted(audit_findings.by_pin(self._catalog.answers).items()):
            users = self._users.get(pin)
            for number, finding in enumerate(found if users else ()):
                words = f"{finding.id} {audit_findings.words_of(finding)}".strip()
                cells = (
                    formatting.printable(finding.name),
                    formatting.printable(finding.version),
                    finding.kind,
                    formatting.printable(", ".join(finding.fixed)),
                    f"{users or 0:,}",
                    formatting.printable(words),
                )
                tone = _TONES[finding.kind]
                key = f"{finding.kind}{number} {finding.name} {finding.version}"
                rows.append((KINDS.index(finding.kind), TableRow(key, cells, ("name", "", tone, "", "", "muted"))))
        return [row for _, row in sorted(rows, key=lambda item: item[0])]

    def _sentences(self) -> Text:
        text = Text()
        if not self._catalog.answers:
            text.append(
                "Asking sends the names and versions of all packages to uv's service of advisories, "
                "and the names to the indexes in each project's settings.\n"
                "There is no answer yet."
            )
        for kind in KINDS if self._catalog.answers else ():
            answer = self._catalog.answers.get(kind)
            if answer is None:
                text.append(f"{kind}: not asked yet\n", "dim")
                continue
            pins = {(found.name, found.version) for found in answer.findings} & self._users.keys()
            unknown = len(self._users.keys() - answer.pins)
            text.append(f"{len(pins)} of {len(self._users.keys() & answer.pins)} {kind}", "bold" if pins else "")
            source = f", {formatting.printable(answer.source)}" if answer.source.startswith("OSV") else ""
            text.append(f" ({formatting.day(answer.asked_at)}{source})")
            text.append(f", {unknown} unknown\n" if unknown else "\n", "dim")
        text.rstrip()
        return text


def users_of(catalog: Catalog) -> Mapping[Pin, int]:
    """Map the name and version of each package to the number of environments that have it."""
    users: dict[Pin, int] = {}
    for share in catalog.shares.values():
        for package in share.known.packages:
            pin = (normalize_name(package.name), package.version)
            users[pin] = users.get(pin, 0) + 1
    return users
