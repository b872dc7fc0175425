"""Previews of actions: a sentence, and a row for each change. Knows nothing of widgets."""

from __future__ import annotations

from pepip import humanized
from pepip.fast_namedtuple import NamedTuple
from pepip.tui import formatting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from typing import TypeVar

    from pepip.operations.adoption.preview import AdoptionPreview, FoundVenv
    from pepip.operations.needs import UnmetNeed
    from pepip.operations.project import Outcome
    from pepip.operations.reporting import Progress, Summary
    from pepip.operations.uninstall import Removal
    from pepip.tui.job import Job

    T = TypeVar("T")

COMES, GOES, IS_LOST, STAYS = "+", "-", "!", "="


class Change(NamedTuple):
    """One change: its sign, the name of a package or an environment, and the effect on it."""

    sign: str
    name: str
    effect: str


class Preview(NamedTuple):
    """The changes that an action would make. If `has_work` is false, there is nothing to do.

    `words` is text that is too long for the rows, such as the output of uv. `downloads` has the identity and the size
    in bytes of each file to download: see `Summary`. `command` is set if the dialog showed another one meanwhile.
    """

    sentence: str
    changes: Sequence[Change]
    has_work: bool
    words: str = ""
    downloads: Sequence[tuple[str, int]] = ()
    command: str = ""


class PreviewedAction(NamedTuple):
    """An action that the user asks for. One job previews the action, another job carries it out.

    If the project declares its requirements in `pyproject.toml`, the user can choose the job `instead`, which also
    edits this file. The label of its button is `verb_instead`. `note` tells the user why this choice exists.
    """

    title: str
    verb: str
    preview: Job[Preview]
    carry_out: Job[object]
    is_destructive: bool = False
    instead: Job[object] | None = None
    verb_instead: str = ""
    note: str = ""


def described(
    make: Callable[[], Generator[Progress, None, T]], describe: Callable[[T], Preview]
) -> Callable[[], Generator[Progress, None, Preview]]:
    """Return an operation that runs `make` and returns the result as a Preview."""

    def operation() -> Generator[Progress, None, Preview]:
        return describe((yield from make()))

    return operation


def of_summary(summary: Summary) -> Preview:
    """Describe the dry run of a change to an environment."""
    private = {name for name, _ in summary.private}
    known = {**dict.fromkeys(summary.reused, "from the store"), **dict.fromkeys(summary.local, "from a local file")}
    before = dict(summary.removed)
    changes = []
    for name, version in sorted({*summary.linked, *summary.private}):
        was = f", was {before[name]}" if name in before else ""
        effect = "private copy" if name in private else known.get(name, "to download")
        changes.append(Change(COMES, f"{name} {version}", effect + was))
    came = {name for name, _ in (*summary.linked, *summary.private)}
    changes += [Change(GOES, f"{name} {version}", "removed") for name, version in summary.removed if name not in came]
    if not changes:
        return Preview("Nothing to do: everything is installed already.", (), has_work=False)
    parts = [f"{len(summary.reused)} reused"]
    size = f" ({formatting.size(summary.download_bytes)})" if summary.download_bytes else ""
    parts.append(f"{len(summary.downloaded)} to download{size}" if summary.downloaded else "0 B to download")
    if summary.local:
        parts.append(f"{len(summary.local)} from local files")
    if private:
        parts.append(formatting.count(len(private), "private copy", "private copies"))
    parts.append(f"{formatting.size(summary.avoided_bytes)} not stored again")
    return Preview(" · ".join(parts), changes, has_work=True, downloads=summary.downloads)


def of_outcome(outcome: Outcome) -> Preview:
    """Describe the dry run of a change to a project."""
    return of_summary(outcome.summary)


def of_removal(removal: Removal, broken: Sequence[UnmetNeed]) -> Preview:
    """Describe the preview of an uninstall. It would leave the needs in `broken` unmet."""
    changes = [Change(GOES, f"{change.name} {change.version}", "removed") for change in removal.removed]
    changes += [
        Change(IS_LOST, f"{need.name} {need.version}", f"stays, and needs {need.requirement}") for need in broken
    ]
    absent = f" Not installed: {', '.join(removal.absent)}." if removal.absent else ""
    count = formatting.count(len(removal.removed), "distribution")
    kept = "it" if len(removal.removed) == 1 else "them"
    sentence = f"Removes {count} from this environment. The store keeps {kept}.{absent}"
    if broken:
        needing = formatting.count(len({need.name for need in broken}), "package")
        sentence = (
            f"Removes {count}, which {needing} in this environment need{'' if needing[:2] != '1 ' else 's'}.{absent}"
        )
    return Preview(sentence, changes, has_work=bool(removal.removed))


def of_changed_files(changed: list[str]) -> Preview:
    """Describe the preview of attaching. `changed` are the files that the user has changed."""
    changes = [Change(IS_LOST, path, "lost") for path in changed]
    if changes:
        return Preview(
            f"You changed {formatting.count(len(changes), 'file')}. These changes would be lost:",
            changes,
            has_work=True,
        )
    return Preview("No file was changed. Links to the store replace the copy.", (), has_work=True)


def of_adoption(seen: AdoptionPreview) -> Preview:
    """Describe the preview of an adoption: the packages to link in each environment, and those that stay."""
    changes: list[Change] = []
    for item in seen.venvs:
        changes += _adoption_of(item, seen)
    if not seen.linkable:
        return Preview("Nothing can be linked.", changes, has_work=False)
    total = seen.freed_space.total
    sentence = f"Links {formatting.count(seen.linkable, 'package')}"
    if total.size_bytes > 0:
        freed = f"{formatting.size(total.size_bytes)} and {formatting.count(max(0, total.inodes), 'inode')}"
        sentence += f". Frees about {freed}. This is an estimate: files are compared when they are linked."
    else:
        sentence += f": {formatting.cost_of_sharing(-total.size_bytes)}."
    if seen.freed_space.copied_bytes:
        sentence += f" The store is on another disk, and grows by {formatting.size(seen.freed_space.copied_bytes)}."
    if seen.lost_to_others:
        places = humanized.listed([formatting.short_path(root) for root in seen.lost_to_others])
        sentence += f" Other users can't enter {seen.closed}: they could no longer use the packages of {places}."
    return Preview(sentence, changes, has_work=True)


def _adoption_of(item: FoundVenv, seen: AdoptionPreview) -> list[Change]:
    place = formatting.short_path(item.environment)
    if item.reason:
        return [Change(STAYS, place, f"stays as it is: {item.reason}")]
    linked = sum(not copy.reason for copy in item.survey.copies)
    freed = seen.freed_by(item).size_bytes
    effect = f"{formatting.count(linked, 'package')} linked" + (
        f", frees {formatting.size(freed)}" if freed > 0 else ""
    )
    changes = [Change(COMES if linked else STAYS, place, effect)]
    changes += [
        Change(STAYS, f"{process.name} ({process.number})", "runs from it, and keeps working")
        for process in item.processes[:3]
    ]
    for copy in item.survey.copies:
        if copy.reason:
            changed = f": {humanized.listed(copy.changed)}" if copy.changed else ""
            changes.append(Change(STAYS, f"{copy.name} {copy.version}", f"stays: {copy.reason}{changed}"))
    return changes
