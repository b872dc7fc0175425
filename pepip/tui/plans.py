"""The previews of actions in words: a sentence, and a row for each change. Knows nothing of widgets."""

from __future__ import annotations

from pepip.fast_namedtuple import NamedTuple
from pepip.tui import formatting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from typing import TypeVar

    from pepip.model import Progress, Summary
    from pepip.operations.project import Outcome
    from pepip.operations.uninstall import Removal

    T = TypeVar("T")

COMES, GOES, IS_LOST = "+", "-", "!"


class Step(NamedTuple):
    """One change: its sign, the name of what changes, and what happens to it."""

    sign: str
    name: str
    effect: str


class Plan(NamedTuple):
    """The changes that an action would make. Without `has_work`, there is nothing to do."""

    sentence: str
    steps: Sequence[Step]
    has_work: bool


def described(
    make: Callable[[], Generator[Progress, None, T]], describe: Callable[[T], Plan]
) -> Callable[[], Generator[Progress, None, Plan]]:
    """Return a preview operation that returns its result as a Plan."""

    def operation() -> Generator[Progress, None, Plan]:
        return describe((yield from make()))

    return operation


def of_summary(summary: Summary) -> Plan:
    """Describe the dry run of a change to an environment."""
    reused, private = set(summary.reused), {name for name, _ in summary.private}
    before = dict(summary.removed)
    steps = []
    for name, version in sorted({*summary.linked, *summary.private}):
        was = f", was {before[name]}" if name in before else ""
        effect = "from the store" if name in reused else "to download"
        steps.append(Step(COMES, f"{name} {version}", ("private copy" if name in private else effect) + was))
    came = {name for name, _ in (*summary.linked, *summary.private)}
    steps += [Step(GOES, f"{name} {version}", "removed") for name, version in summary.removed if name not in came]
    if not steps:
        return Plan("Nothing to do: everything is installed already.", (), has_work=False)
    parts = [f"{len(reused)} reused"]
    size = f" ({formatting.size(summary.download_bytes)})" if summary.download_bytes else ""
    parts.append(f"{len(summary.downloaded)} to download{size}" if summary.downloaded else "0 B to download")
    if private:
        parts.append(f"{len(private)} private copy")
    parts.append(f"{formatting.size(summary.avoided_bytes)} not stored again")
    return Plan(" · ".join(parts), steps, has_work=True)


def of_outcome(outcome: Outcome) -> Plan:
    """Describe the dry run of a change to a project."""
    return of_summary(outcome.summary)


def of_removal(removal: Removal) -> Plan:
    """Describe the preview of an uninstall."""
    steps = [Step(GOES, f"{change.name} {change.version}", "removed") for change in removal.removed]
    absent = f" Not installed: {', '.join(removal.absent)}." if removal.absent else ""
    count = formatting.count(len(steps), "distribution")
    sentence = f"Removes {count} from this environment. The store keeps what it holds.{absent}"
    return Plan(sentence, steps, has_work=bool(steps))


def of_changed_files(changed: list[str]) -> Plan:
    """Describe the preview of an attaching, by the files that the user has changed."""
    steps = [Step(IS_LOST, path, "your change would be lost") for path in changed]
    if steps:
        return Plan(f"{formatting.count(len(steps), 'file')} changed by you would be lost:", steps, has_work=True)
    return Plan("No file was changed: the copy goes, and it is linked from the store again.", (), has_work=True)
