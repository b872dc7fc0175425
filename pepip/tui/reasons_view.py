"""The reasons why environments have a package, the packages that it needs, and those that only it needs."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.worker import get_current_worker

from pepip import humanized
from pepip.operations import needs_graph, why
from pepip.tui import background, commands, formatting
from pepip.tui.catalog import name_of
from pepip.tui.table import Column, Table, TableRow
from pepip.tui.view import View

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pepip.operations.census import KnownVenv
    from pepip.operations.why import Line, Reason
    from pepip.store.root import Store

COLUMNS = (
    Column("package", "", 0),
    Column("requirement", "Requirement", 32, from_width=60),
)


class WhyQuestion(NamedTuple):
    """A question about a package. An empty version stands for all versions, an empty environment for all of them."""

    name: str
    version: str
    environment: str

    @property
    def command(self) -> str:
        """The command that answers the question."""
        pin = f"{self.name}=={self.version}" if self.version else self.name
        place = ["--project", self.environment] if self.environment else []
        return commands.of("why", pin, *place)

    @property
    def title(self) -> str:
        """The question in words."""
        place = f" in {formatting.short_path(self.environment)}" if self.environment else " in all environments"
        return f"Why {self.name} {self.version}".rstrip() + place


class ReasonsView(View):
    """The trees of needs. Enter asks about the package under the cursor, Backspace goes back."""

    HELP = (
        "Needed by: the packages that need this package, up to the requirements of the project, script or tool. "
        "Needs: the packages that this package needs. Only it needs: the packages that nothing would need "
        "without it. The answer is about the environments as they are, with the markers of their own Python. Enter "
        "asks about the package under the cursor."
    )

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("backspace,h,left", "back", "Back", key_display="⌫"),
        Binding("l,right", "choose", "Ask about this package", show=False),
    ]

    class Answered(Message):
        """The reasons are known. Environments with the same reasons are in one group.

        If they could not be read, there is no group, and `failure` says why.
        """

        def __init__(self, question: WhyQuestion, groups: Sequence[Sequence[Reason]], failure: str = "") -> None:
            super().__init__()
            self.question, self.groups, self.failure = question, groups, failure

    def __init__(self, store: Store, question: WhyQuestion, environments: Sequence[KnownVenv]) -> None:
        super().__init__(question.title, command=question.command)
        self._environments = environments
        self._store = store
        self._graphs = needs_graph.Graphs(store)
        self._queries = [question]
        self.is_answered = False

    def body(self) -> ComposeResult:
        """Make the list."""
        table = Table(COLUMNS, verb="Why this", id="reasons")
        table.empty_text = "reading the needs of each package …"
        yield table

    def on_mount(self) -> None:
        """Ask."""
        super().on_mount()
        self.query_one("#reasons", Table).focus()
        self._ask()

    def _ask(self) -> None:
        question = self._queries[-1]
        self.is_answered = False
        self.say_command(question.command)
        self.say(title=question.title, facts="")
        asked = [
            known for known in self._environments if question.environment in {"", known.environment}
        ]  # fmt: skip

        def work() -> None:
            worker, found = get_current_worker(), []
            for reason in why.why(self._store, question.name, asked, version=question.version, graphs=self._graphs):
                found.append(reason)
                if worker.is_cancelled:
                    return
            self.post_message(self.Answered(question, why.groups(found)))

        def refused(reason: str) -> None:
            self.post_message(self.Answered(question, (), f"the answer can't be read: {reason}"))

        background.run(self, work, group="reasons", refused=refused)

    def on_reasons_view_answered(self, event: Answered) -> None:
        """Show the trees."""
        if event.question != self._queries[-1]:
            return
        table = self.query_one("#reasons", Table)
        table.empty_text = event.failure or "no environment has it"
        table.show(list(_rows(event.groups)))
        table.action_jump(0)
        count = sum(len(group) for group in event.groups)
        facts = formatting.count(count, "environment")
        if len(event.groups) > 1:
            facts += f", {len(event.groups)} different answers"
        self.say(facts=facts)
        self.is_answered = True

    def on_table_chosen(self, event: Table.Chosen) -> None:
        """Ask about the chosen package in the environment of its row."""
        event.stop()
        _, name, environment = event.key.split("\n")
        if name and name != self._queries[-1].name:
            self._queries.append(WhyQuestion(name, "", environment))
            self._ask()

    def action_choose(self) -> None:
        """Ask about the package under the cursor."""
        self.query_one("#reasons", Table).action_choose()

    def action_back(self) -> None:
        """Go back to the previous question. At the first question, close."""
        if len(self._queries) < 2:
            self.action_answer("")
            return
        self._queries.pop()
        self._ask()


def _rows(groups: Sequence[Sequence[Reason]]) -> Iterator[TableRow]:
    numbers = iter(range(1 << 30))

    def row(text: str, requirement: str = "", *, name: str = "", place: str = "", tone: str = "") -> TableRow:
        cells = (formatting.printable(text), formatting.printable(requirement))
        return TableRow(f"{next(numbers)}\n{name}\n{place}", cells, (tone, "muted"))

    for group in groups:
        first = group[0]
        root = first.known.environment
        names = humanized.listed([name_of(reason.known) for reason in group], most=2)
        yield row(f"{first.name} {first.version} in {names}", tone="title")
        yield row("needed by", tone="accent")
        for line in first.up:
            yield row(_indented(line), line.requirement, name=line.name, place=root, tone=_tone(line))
        if first.down:
            yield row("needs", tone="accent")
        for line in first.down:
            yield row(_indented(line), line.requirement, name=line.name, place=root, tone=_tone(line))
        if first.unneeded:
            yield row("only it needs", tone="accent")
        for name in first.unneeded:
            yield row(f"  {name}", name=name, place=root, tone="warn")
        yield row("")


def _indented(line: Line) -> str:
    if not line.name:
        place = "installed on its own" if line.place == needs_graph.ITSELF else line.place
        return f"{'  ' * (line.depth + 1)}▸ {place}"
    again = " (see above)" if line.is_again else ""
    return f"{'  ' * (line.depth + 1)}{line.name} {line.version}{again}"


def _tone(line: Line) -> str:
    return ("muted" if line.is_again else "") if line.name else "good"
