"""The results of jobs in words: one function for each kind of result."""

from __future__ import annotations

from pepip.tui import formatting
from pepip.tui.job import Report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from pepip.operations.adoption.adopt import Adopted
    from pepip.operations.adoption.eject import Ejected
    from pepip.operations.detach import Attached, Detached
    from pepip.operations.project import Outcome
    from pepip.operations.prune import PrunePreview
    from pepip.operations.reporting import Summary
    from pepip.operations.scan import Scanned
    from pepip.operations.store_add import Added
    from pepip.operations.undo import Undone
    from pepip.operations.verify import Repaired, Verification
    from pepip.store.registry_file import Registration
    from pepip.uv.process import Result


DAMAGED, UNPROVEN, IN_PART = "damaged", "unproven", "in part"
"""The problems that may remain after a job: damaged entries, unproven entries, and a part that was not done."""


def of_summary(summary: Summary) -> Report:
    """Describe a change to an environment."""
    return Report(formatting.outcome(summary))


def of_outcome(outcome: Outcome) -> Report:
    """Describe a change to a project."""
    return of_summary(outcome.summary)


def of_prune(done: PrunePreview, *, environments: int = 0) -> Report:
    """Describe a prune. `environments` is the number of environments that it removed."""
    them = "it" if len(done.refused) == 1 else "them"
    kept = f", {len(done.refused)} kept: you may not remove {them}" if done.refused else ""
    if not (done.orphans or done.freed_bytes or done.trashed_bytes or environments):
        return Report(f"nothing to prune{kept}")
    removed = "the entries in the trash" if done.emptied_bytes else "environments"
    if done.orphans or environments:
        parts = [formatting.count(len(done.orphans), "entry", "entries")] if done.orphans else []
        parts += [formatting.count(environments, "environment")] if environments else []
        removed = " and ".join(parts)
    if done.kept_until:
        sentence = f"{removed} removed, {formatting.size(done.trashed_bytes)} in the trash: z undoes this{kept}"
        return Report(sentence, freed_bytes=done.freed_bytes)
    return Report(f"{removed} removed, {formatting.size(done.freed_bytes)} freed{kept}", freed_bytes=done.freed_bytes)


def of_undo(done: Undone) -> Report:
    """Describe an undo."""
    back = formatting.count(len(done.entry_ids), "entry", "entries")
    if done.environments:
        back += f" and {formatting.count(len(done.environments), 'environment')}"
    lines = [
        *done.environments,
        *done.entry_ids,
        *(f"not brought back, made again meanwhile: {name}" for name in done.taken),
    ]
    return Report(f"{back} brought back", lines)


def of_stored(added: Added) -> Report:
    """Describe the storing of packages."""
    unshared = f", {len(added.unshared)} can't be shared" if added.unshared else ""
    stored = formatting.count(len(added.stored), "entry", "entries") if added.stored else "nothing"
    before = f", {len(added.reused):,} already stored" if added.reused else ""
    return Report(
        f"{stored} stored{before}{unshared}",
        [f"not stored, because it can't be shared: {name}" for name in added.unshared],
    )


def of_verification(ids: Collection[str]) -> Callable[[Verification], Report]:
    """Return the function that describes a verification of the entries with these ids."""

    def describe(verdict: Verification) -> Report:
        if not verdict.checked:
            return Report("nothing to check")
        lines = []
        for word, findings in (("damaged", verdict.findings), ("unproven", verdict.unproven)):
            for finding in findings:
                lines.append(f"{word}: {finding.stored.id}")
                lines += [f"  {flaw.words:<16} {flaw.path}" for flaw in finding.flaws]
        checked = formatting.count(verdict.checked, "entry", "entries")
        problems = [f"{len(verdict.findings)} damaged: R repairs"] if verdict.findings else []
        if verdict.unproven:
            problems.append(f"{len(verdict.unproven)} unproven: R fetches and compares")
        result = ", ".join(problems) or ("all intact" if verdict.checked > 1 else "intact")
        flaws = {finding.stored.id: finding.flaws for finding in (*verdict.findings, *verdict.unproven)}
        problem = DAMAGED if verdict.findings else UNPROVEN if verdict.unproven else ""
        return Report(f"{checked} checked, {result}", lines, {**dict.fromkeys(ids, ()), **flaws}, problem=problem)

    return describe


def of_repair(done: Repaired) -> Report:
    """Describe a repair."""
    parts = []
    if done.entries:
        parts.append(f"{formatting.count(len(done.entries), 'entry', 'entries')} repaired")
    if done.unproven:
        parts.append(f"{formatting.count(len(done.unproven), 'entry', 'entries')} still unproven")
    if done.failed:
        parts.append(f"{formatting.count(len(done.failed), 'entry', 'entries')} could not be repaired")
    if done.environments:
        parts.append(f"{formatting.count(len(done.environments), 'environment')} repaired")
    return Report(
        ", ".join(parts) or "nothing to repair",
        [f"could not be repaired: {entry_id}: {reason}" for entry_id, reason in done.failed],
        dict.fromkeys(set(done.entries) - set(done.unproven), ()),
        problem=DAMAGED if done.failed else UNPROVEN if done.unproven else "",
    )


def of_detaching(done: Detached) -> Report:
    """Describe the detaching of a distribution."""
    return Report(f"{done.name} {done.version} is now a private copy in {done.site_packages}")


def of_attaching(done: Attached) -> Report:
    """Describe the attaching of a distribution."""
    return Report(f"{done.name} {done.version} is linked from the store again")


def of_forgetting(forgotten: list[Registration]) -> Report:
    """Describe the removal of registrations."""
    return Report(f"{formatting.count(len(forgotten), 'environment')} forgotten")


def of_scan(done: Scanned) -> Report:
    """Describe a scan."""
    new = sum(not item.was_known for item in done.found)
    return Report(
        f"{new} new, {len(done.found)} link the store" if done.found else "no environment there links the store",
        [f"{'known' if item.was_known else 'new'}: {item.environment}" for item in done.found],
    )


def of_adoption(done: list[Adopted]) -> Report:
    """Describe an adoption: the linked packages, the freed space, and the packages that stay, with reasons."""
    lines = []
    for item in done:
        lines.append(f"{item.environment}: {formatting.count(len(item.linked), 'package')} linked")
        lines += [f"  {kept.name} {kept.version} stays: {kept.reason}" for kept in item.kept]
        if item.failure:
            lines.append(f"  not adopted: {item.failure}")
    linked = sum(len(item.linked) for item in done)
    environments = formatting.count(sum(bool(item.linked) for item in done), "environment")
    freed_bytes = sum(item.freed.size_bytes for item in done)
    effect = f"{formatting.size(freed_bytes)} freed" if freed_bytes >= 0 else formatting.cost_of_sharing(-freed_bytes)
    sentence = f"{formatting.count(linked, 'package')} linked in {environments}: {effect}"
    if not linked:
        sentence = "nothing was linked"
    failures = [item for item in done if item.failure]
    if failures:
        sentence += f". {failures[0].environment} was not adopted: {failures[0].failure}"
    if len(failures) > 1:
        sentence += f"; {len(failures) - 1} more in the log (4)"
    return Report(sentence, lines, freed_bytes=max(0, freed_bytes), problem=IN_PART if failures else "")


def of_ejecting(done: Ejected) -> Report:
    """Describe an ejection."""
    if done.lost:
        names = ", ".join(name for name, _ in done.lost)
        return Report(f"{names} left {done.environment}: the store has lost the files", problem=IN_PART)
    if not done.distributions:
        return Report(f"nothing to do: {done.environment} links nothing")
    count = formatting.count(len(done.distributions), "package")
    return Report(f"{count} with real files now: {done.environment} no longer needs the store")


def of_output(result: Result) -> Report:
    """Describe a run of a command by its output."""
    lines = (result.stdout + result.stderr).splitlines()
    return Report(lines[-1] if lines else "done", lines[:-1])
