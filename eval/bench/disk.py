"""The disk usage of projects: of all with caches and stores, and of the last one. Each inode counts once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.bench.measure import measure
from eval.bench.rounds import Work, clear
from eval.bench.tools import ENVIRONMENT, REQUIREMENTS, Supply, Tool
from tests.support.disk import Usage, usage


@dataclass(frozen=True)
class Footprint:
    """The disk usage of `projects` projects of one tool, first imports included.

    The last project's addition is measured twice: before its first import, and after it, with bytecode wherever the
    import writes it.
    """

    tool: str
    projects: int
    whole: Usage
    last_before_import: Usage
    last_after_import: Usage


def measure_projects(folder: Path, tool: Tool, work: Work, supply: Supply, count: int) -> Footprint:
    """Make `count` projects with an empty cache, import in each, and return their disk usage. Raises FailedError."""
    home = folder / "home"
    home.mkdir(parents=True)
    variables = tool.variables(home, supply, offline=False)
    environments: list[Path] = []
    try:
        for number in range(count):
            before = _usage([home, *environments])
            project = folder / f"project-{number}"
            project.mkdir()
            (project / REQUIREMENTS).write_text("".join(f"{pin}\n" for pin in work.pins))
            measure(tool.new, project, variables)
            environments.append(project / ENVIRONMENT)
            made = _usage([home, *environments])
            measure(work.importing, project, variables)
        whole = _usage([home, *environments])
    finally:
        clear(folder)
    return Footprint(tool.name, count, whole, _less(made, before), _less(whole, before))


def _usage(trees: Sequence[Path]) -> Usage:
    os.sync()  # unwritten data has no blocks yet
    return usage(trees)


def _less(after: Usage, before: Usage) -> Usage:
    return Usage(after.allocated_bytes - before.allocated_bytes, after.inodes - before.inodes)
