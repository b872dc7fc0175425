"""The action that upgrades packages in many environments: one preview for all, then a job for each environment."""

from __future__ import annotations

from pepip.operations import upgrades
from pepip.tui import commands, formatting, previews, reports
from pepip.tui.base_actions import BaseActions
from pepip.tui.catalog import name_of
from pepip.tui.job import Job
from pepip.tui.preview_dialog import PreviewDialog
from pepip.tui.previews import Change, Preview, PreviewedAction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from pepip.operations.census import KnownVenv
    from pepip.operations.reporting import Progress, Summary
    from pepip.operations.upgrades import Target, UpgradePlan
    from pepip.store.root import Store
    from pepip.tui.matrix import Place


class UpgradeActions(BaseActions):
    """The upgrades of the versions pane, of tools and of scripts."""

    def upgrade_cells(self, cells: Sequence[Place]) -> None:
        """Preview the upgrade of packages, each in an environment, and upgrade them."""
        by_environment: dict[str, list[str]] = {}
        for name, environment in cells:
            by_environment.setdefault(environment, []).append(name)
        shares = self.session.catalog.shares if self.session.catalog else {}
        self.upgrade(
            [(shares[root].known, tuple(names)) for root, names in sorted(by_environment.items()) if root in shares]
        )

    def upgrade(self, wanted: Sequence[tuple[KnownVenv, tuple[str, ...]]]) -> None:
        """Preview the upgrade of packages in environments, of all if none is named, and upgrade those that change."""

        def targets() -> list[Target]:
            return [upgrades.Target(known, names, upgrades.way_of(known)) for known, names in wanted]

        self.ask_disk(targets, self._upgrade)

    def _upgrade(self, targets: Sequence[Target]) -> None:
        store, queue = self.session.store, self.session.queue
        seen: list[UpgradePlan] = []

        def look() -> Generator[Progress, None, Preview]:
            seen.append((yield from upgrades.preview(store, upgrades.sorted_out(targets))))
            return preview_of(seen[-1])

        title = f"upgrade {_named(targets)}"
        preview = Job(title, command_of(targets), look, is_listed=False)
        action = PreviewedAction(title, "Upgrade", preview, preview)

        def decided(answer: str | None) -> None:
            if answer == "go" and seen:
                queue.submit_all(title, [job_of(store, item.target) for item in seen[-1].previews if item.has_work])

        self.app.push_screen(PreviewDialog(action, queue), decided)


def command_of(targets: Sequence[Target]) -> str:
    """Return the command that upgrades these targets: one for each set of packages, joined by semicolons."""
    by_packages: dict[tuple[str, ...], list[str]] = {}
    for target in targets:
        script = target.known.purpose.script
        by_packages.setdefault(target.requirements, []).append(script.path if script else target.environment)
    return "; ".join(
        commands.of("upgrade", *packages, "--projects", *environments)
        for packages, environments in by_packages.items()
    )


def job_of(store: Store, target: Target) -> Job[Summary]:
    """Return the job that upgrades one environment."""
    return Job(
        f"upgrade {_packages([target])} in {name_of(target.known)}",
        command_of([target]),
        lambda: upgrades.upgrade(store, target),
        describe=reports.of_summary,
        touches=frozenset([target.environment]),
    )


def preview_of(plan: UpgradePlan) -> Preview:
    """Describe the preview: for each environment the changes, the failure, and the needs that would be unmet."""
    changes: list[Change] = []
    words: list[str] = []
    for item in plan.previews:
        place = name_of(item.target.known)
        if item.failure:
            changes.append(Change(previews.IS_LOST, place, f"fails: {item.failure}"))
            words.append(f"{place}: {item.failure}")
        elif not item.has_work or item.summary is None:
            changes.append(Change(previews.STAYS, place, "already has the newest versions that fit"))
        else:
            changes.append(Change(previews.COMES, place, upgrades.WAYS[item.target.way]))
            changes += [
                change._replace(name=f"  {change.name}") for change in previews.of_summary(item.summary).changes
            ]
        changes += [
            Change(previews.IS_LOST, f"  {need.name} {need.version}", f"stays, and needs {need.requirement}")
            for need in item.broken
        ]
    changes += [Change(previews.STAYS, name_of(known), f"stays as it is: {reason}") for known, reason in plan.skipped]
    changing, failed = sum(item.has_work for item in plan.previews), sum(bool(item.failure) for item in plan.previews)
    if not changing:
        return Preview(
            "Nothing to upgrade." + (f" {failed} failed." if failed else ""),
            changes,
            has_work=False,
            words="\n".join(words),
        )
    downloads = plan.downloads
    size = f" ({formatting.size(sum(downloads.values()))})" if any(downloads.values()) else ""
    came = f"{len(downloads)} to download{size}" if downloads else "0 B to download"
    sentence = f"{formatting.count(changing, 'environment')} would change · {came}"
    if failed:
        sentence += f" · {failed} can't be upgraded; the others can"
    return Preview(sentence, changes, has_work=True, words="\n".join(words))


def _named(targets: Sequence[Target]) -> str:
    if len(targets) == 1:
        return f"{_packages(targets)} in {name_of(targets[0].known)}"
    return f"{_packages(targets)} in {formatting.count(len(targets), 'environment')}"


def _packages(targets: Sequence[Target]) -> str:
    names = sorted({name for target in targets for name in target.requirements})
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more if names else "all packages"
