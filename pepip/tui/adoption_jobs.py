"""Adopting and ejecting as jobs, each with the command that does the same."""

from __future__ import annotations

import os

from pepip.operations.adoption import adopt as adopting
from pepip.operations.adoption import eject as ejecting
from pepip.operations.adoption import preview as previewing
from pepip.operations.adoption import survey_cache
from pepip.tui import commands, formatting, previews, reports
from pepip.tui.job import Job
from pepip.tui.previews import PreviewedAction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from pepip.operations.adoption.adopt import Adopted
    from pepip.operations.adoption.preview import AdoptionPreview
    from pepip.operations.reporting import Progress
    from pepip.store.root import Store


def adopt(store: Store, environments: Sequence[str]) -> PreviewedAction:
    """Return the action that links environments that other tools made."""
    title = f"adopt {formatting.count(len(environments), 'environment')}"
    if len(environments) == 1:
        title = f"adopt {formatting.short_path(environments[0])}"
    command = commands.of("adopt", "--yes", *environments)

    def look() -> Generator[Progress, None, AdoptionPreview]:
        memory = survey_cache.load(store)
        found = yield from previewing.preview(store, environments, memory)
        memory.save()
        return found

    def carry_out() -> Generator[Progress, None, list[Adopted]]:
        return (yield from adopting.adopt(store, (yield from look())))

    preview = Job(title, command, previews.described(look, previews.of_adoption), is_listed=False)
    job = Job(title, command, carry_out, describe=reports.of_adoption, touches=frozenset(environments))
    return PreviewedAction(title, "Adopt", preview, job)


def eject(store: Store, environment: str) -> Job[ejecting.Ejected]:
    """Return the job that gives an environment real files in place of all links."""
    return Job(
        f"eject {os.path.basename(os.path.dirname(environment)) or environment}",
        commands.of("eject", environment),
        lambda: ejecting.eject(store, environment),
        describe=reports.of_ejecting,
        touches=frozenset([environment]),
    )
