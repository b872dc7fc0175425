"""Removing the environment of a script as a job. `pepip projects remove` does the same."""

from __future__ import annotations

from pepip.operations import script_environments
from pepip.tui import commands, reports
from pepip.tui.job_queue import Job

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.model import Summary
    from pepip.operations.census import KnownVenv
    from pepip.store.root import Store


def remove(store: Store, known: KnownVenv) -> Job[Summary]:
    """Return the job that removes the environment of a script."""
    named = known.purpose.script.path if known.purpose.script else known.environment
    return Job(
        "remove the environment of a script",
        commands.of("projects", "remove", named),
        lambda: script_environments.remove(store, known),
        describe=reports.of_summary,
        touches=frozenset([known.environment]),
    )
