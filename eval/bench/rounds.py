"""The rounds: each step of a project's life, by every tool in turn, in an order that rotates.

The first round warms up and is not counted. It fills caches and stores from the index, and leaves its projects, so
that a later project is never a store's only user. After it the tools are told to be offline.

The benchmark removes nothing until all else is measured. ext4 without a journal reuses the inode of a removed file
only minutes later. Until then, each time that a file is made, it skips all such inodes, one after the other. A tool
that makes many files and folders would seem slow. Measurements right after a removal have a row of their own.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from eval.bench import check, rows
from eval.bench.measure import Commands, FailedError, Sample, measure
from eval.bench.rows import Row
from eval.bench.sets import EXTRA, EXTRA_NEW, EXTRA_OLD
from eval.bench.tools import ENVIRONMENT, REQUIREMENTS, Supply, Tool

PYTHON = f"{ENVIRONMENT}/bin/python"


@dataclass(frozen=True)
class Work:
    """The pinned versions that every tool installs, the modules to import afterwards, and the interpreter."""

    pins: Sequence[str]
    modules: Sequence[str]
    python: Path
    version: tuple[int, int, int]

    @property
    def importing(self) -> Commands:
        """Return the command that imports the modules."""
        return [[PYTHON, "-c", f"import {', '.join(self.modules)}"]]

    def project(self, *more: str) -> str:
        """Return the `pyproject.toml` of a project that requires all pins and `more`, on this machine alone."""
        dependencies = ", ".join(f'"{pin}"' for pin in (*self.pins, *more))
        minor = ".".join(map(str, self.version[:2]))
        marker = f"sys_platform == '{sys.platform}' and python_version == '{minor}'"
        lines = ["[project]", 'name = "project"', 'version = "1"', f"dependencies = [{dependencies}]"]
        lines += [f'requires-python = ">={".".join(map(str, self.version))}, =={minor}.*"']
        return "\n".join([*lines, "[tool.uv]", f'environments = ["{marker}"]', ""])


@dataclass
class Results:
    """Samples by row and tool, the reasons for missing ones, and the programs that a tool's environments lack."""

    samples: dict[tuple[Row, str], list[Sample]] = field(default_factory=dict)
    troubles: dict[tuple[Row, str], str] = field(default_factory=dict)
    missing_programs: dict[str, list[str]] = field(default_factory=dict)

    def seconds(self, row: Row, tool: str) -> list[float]:
        """Return the seconds of each round, empty if the tool could not do it."""
        if row in rows.SUMS:
            parts = [self._of(part, tool) for part in rows.SUMS[row]]
            return [sum(sample.seconds for sample in of_round) for of_round in zip(*parts, strict=False)]
        return [sample.seconds for sample in self._of(row, tool)]

    def peak_kilobytes(self, row: Row, tool: str) -> int:
        """Return the most memory that any round took, 0 if there is no sample."""
        return max((sample.peak_kilobytes for sample in self._of(row, tool)), default=0)

    def processor_seconds(self, row: Row, tool: str) -> list[float]:
        """Return the processor seconds of each round, empty if the tool could not do it."""
        return [sample.processor_seconds for sample in self._of(row, tool)]

    def _of(self, row: Row, tool: str) -> list[Sample]:
        return [] if (row, tool) in self.troubles else self.samples.get((row, tool), [])


@dataclass
class Rounds:
    """Runs rounds for some tools in a folder.

    `say` is called with a line of progress. `settle` is called before each clock starts. It puts the writes of
    earlier commands on disk, so that no tool pays for another's writes.
    """

    folder: Path
    tools: Sequence[Tool]
    work: Work
    supply: Supply
    say: Callable[[str], None]
    settle: Callable[[], None] = os.sync
    results: Results = field(default_factory=Results)

    def warm(self, count: int, others: Path | None, asked: Callable[[], int]) -> int:
        """Run a warm-up and `count` rounds, and return how many requests the index got after the warm-up.

        The caches of the row on two file systems are below `others`. If that is None, copies are forced instead.
        """
        already_asked = 0
        for number in range(count + 1):
            self.say(f"round {number} of {count}" if number else "warm-up")
            if number == 1:
                already_asked = asked()
            self._life(number)
            self._project_life(number)
            self._unseen(number)
            self._other(number, others)
        return asked() - already_asked

    def cold(self, count: int) -> None:
        """Run `count` rounds of a first install with nothing cached, and of the first import after it."""
        for number in range(1, count + 1):
            self.say(f"cold round {number} of {count}")
            for row, commands in ((rows.COLD, None), (rows.COLD_IMPORT, self.work.importing)):
                for tool in self._in_turn(row, number):
                    project, home = self._project(tool, "cold", number), self._project(tool, "cold-home", number)
                    if commands is None:
                        self._lay_out(project, self.work.pins)
                        home.mkdir(parents=True)
                    self._take(row, tool, project, commands or tool.new, home=home, after=rows.COLD)

    def network(self, count: int, supply: Supply) -> None:
        """Run `count` rounds of a first install with nothing cached, from another supply with a slow network."""
        for number in range(1, count + 1):
            self.say(f"network round {number} of {count}")
            for tool in self._in_turn(rows.NETWORK, number):
                project, home = self._project(tool, "network", number), self._project(tool, "network-home", number)
                self._lay_out(project, self.work.pins)
                home.mkdir(parents=True)
                self._take(rows.NETWORK, tool, project, tool.new, home=home, supply=supply)

    def remove(self, count: int) -> None:
        """Remove the projects of `count` rounds, and make an environment right after each removal."""
        removing = [["/bin/rm", "-rf", ENVIRONMENT]]
        for number in range(count + 1):
            self.say(f"removal {number} of {count}" if number else "warm-up of removals")
            for tool in self._in_turn(rows.REMOVE, number):
                project, again = (self._project(tool, kind, number) for kind in ("life", "again"))
                self._lay_out(again, self.work.pins)
                if number:
                    self._take(rows.REMOVE, tool, project, removing, after=rows.NEW)
                self._take(rows.AGAIN, tool, again, tool.new, is_warming=number == 0, after=rows.NEW)
                if number == 1:
                    self._check(tool, rows.AGAIN, again)
            for tool in self._in_turn(rows.TIDY, number):
                if number and tool.tidy:
                    self._take(rows.TIDY, tool, self._project(tool, "life", number), tool.tidy, after=rows.REMOVE)

    def _life(self, number: int) -> None:
        is_warming = number == 0
        for tool in self.tools:
            self._lay_out(self._project(tool, "life", number), self.work.pins)
            (self.folder / "store_roots" / tool.name).mkdir(parents=True, exist_ok=True)
        steps: list[tuple[Row, Callable[[Tool], Commands]]] = [
            (rows.NEW, lambda tool: tool.new),
            (rows.IMPORT, lambda _: self.work.importing),
            (rows.NOTHING, lambda tool: tool.install("-r", REQUIREMENTS)),
            (rows.ADD, lambda tool: tool.install(EXTRA_OLD)),
            (rows.UPGRADE, lambda tool: tool.install(EXTRA_NEW)),
            (rows.UNINSTALL, lambda tool: tool.uninstall(EXTRA)),
        ]
        for row, commands in steps:
            for tool in self._in_turn(row, number):
                project = self._project(tool, "life", number)
                self._take(row, tool, project, commands(tool), is_warming=is_warming, after=rows.NEW)
                if row is rows.IMPORT and number < 2:
                    self._check(tool, rows.NEW, project)

    def _project_life(self, number: int) -> None:
        """Add a package to a project with a lock, then sync the project after its lock names another version."""
        tools = [tool for tool in self.tools if tool.project]
        for tool in tools:
            folder = self._project(tool, "project", number)
            folder.mkdir(parents=True)
            (folder / "pyproject.toml").write_text(self.work.project())
            self._prepare(tool, folder, "sync", offline=number > 0)
        for tool in self._in_turn(rows.PROJECT_ADD, number):
            if tool.project:
                folder, commands = self._project(tool, "project", number), [[*tool.project, "add", EXTRA_OLD]]
                self._take(rows.PROJECT_ADD, tool, folder, commands, is_warming=number == 0, forced=self._python)
        for tool in tools:
            folder = self._project(tool, "project", number)
            (folder / "pyproject.toml").write_text(self.work.project(EXTRA_NEW))
            self._prepare(tool, folder, "lock", offline=number > 0)
        for tool in self._in_turn(rows.PROJECT_SYNC, number):
            if tool.project:
                folder, commands = self._project(tool, "project", number), [[*tool.project, "sync"]]
                is_warming = number == 0
                self._take(
                    rows.PROJECT_SYNC,
                    tool,
                    folder,
                    commands,
                    is_warming=is_warming,
                    forced=self._python,
                    after=rows.PROJECT_ADD,
                )

    @property
    def _python(self) -> dict[str, str]:
        return {"UV_PYTHON": str(self.work.python)}

    def _prepare(self, tool: Tool, folder: Path, command: str, *, offline: bool) -> None:
        """Run a command in a project, without measuring it."""
        home = self.folder / "store_roots" / tool.name
        variables = {**tool.variables(home, self.supply, offline=offline), **self._python}
        try:
            measure([[*tool.project, command]], folder, variables)
        except FailedError as failure:
            self.results.troubles[rows.PROJECT_ADD, tool.name] = str(failure)

    def _unseen(self, number: int) -> None:
        """Make an environment from a request of the same meaning that differs in every round."""
        for tool in self._in_turn(rows.UNSEEN, number):
            project = self._project(tool, "unseen", number)
            self._lay_out(project, [*self.work.pins, f"{self.work.pins[0].partition('==')[0]}>0.0.{number}"])
            self._take(rows.UNSEEN, tool, project, tool.new, is_warming=number == 0)
            if number == 0:  # keeps the older version in use, too
                self._take(rows.UNSEEN, tool, project, tool.install(EXTRA_OLD), is_warming=True)

    def _other(self, number: int, others: Path | None) -> None:
        for tool in self._in_turn(rows.OTHER, number):
            project = self._project(tool, "other", number)
            self._lay_out(project, self.work.pins)
            if others is None:
                home, forced = self.folder / "store_roots" / tool.name, {"UV_LINK_MODE": "copy"}
            else:
                home, forced = others / tool.name, {}
            home.mkdir(parents=True, exist_ok=True)
            self._take(rows.OTHER, tool, project, tool.new, is_warming=number == 0, home=home, forced=forced)
            if number < 2:
                self._check(tool, rows.OTHER, project)

    def _take(
        self,
        row: Row,
        tool: Tool,
        project: Path,
        commands: Commands,
        *,
        is_warming: bool = False,
        home: Path | None = None,
        forced: dict[str, str] | None = None,
        after: Row | None = None,
        supply: Supply | None = None,
    ) -> None:
        """Measure once and note the result. A row that failed, or that needs a failed row, is not tried again."""
        troubles = self.results.troubles
        if (row, tool.name) in troubles:
            return
        if after and (after, tool.name) in troubles:
            troubles[row, tool.name] = troubles[after, tool.name]
            return
        is_online = is_warming or row in {rows.COLD, rows.COLD_IMPORT, rows.NETWORK}
        home = home or self.folder / "store_roots" / tool.name
        variables = {**tool.variables(home, supply or self.supply, offline=not is_online), **(forced or {})}
        self.settle()
        try:
            sample = measure(commands, project, variables)
        except FailedError as failure:
            troubles[row, tool.name] = str(failure)
            self.say(f"  {tool.name} can't do '{row.key}': {failure}")
            return
        if not is_warming:
            self.results.samples.setdefault((row, tool.name), []).append(sample)

    def _check(self, tool: Tool, row: Row, project: Path) -> None:
        """Discard a row of a tool whose environment is not the requested one, or can't be used."""
        troubles = self.results.troubles
        if (row, tool.name) in troubles:
            return
        wrong = check.differences(project / PYTHON, self.work.pins)
        if row is rows.NEW and (rows.IMPORT, tool.name) in troubles:
            wrong = f"its environment can't be used: {troubles[rows.IMPORT, tool.name]}"
        if wrong:
            troubles[row, tool.name] = wrong
            self.say(f"  {tool.name} made another environment for '{row.key}': {wrong}")
        elif missing := check.missing_programs(project / PYTHON):
            self.results.missing_programs[tool.name] = missing

    def _in_turn(self, row: Row, number: int) -> list[Tool]:
        """Return the tools in an order that rotates from round to round, so that none is always the first."""
        first = (number + rows.ROWS.index(row)) % len(self.tools)
        return [*self.tools[first:], *self.tools[:first]]

    def _project(self, tool: Tool, kind: str, number: int) -> Path:
        return self.folder / "projects" / tool.name / f"{kind}-{number}"

    @staticmethod
    def _lay_out(project: Path, lines: Sequence[str]) -> None:
        project.mkdir(parents=True)
        (project / REQUIREMENTS).write_text("".join(f"{line}\n" for line in lines))
        seconds_ago = time.time() - 5  # like a file that a user wrote: no tool may see that it is new
        os.utime(project / REQUIREMENTS, (seconds_ago, seconds_ago))


def clear(folder: Path) -> None:
    """Remove a folder, even one that holds a store's read-only folders."""
    if folder.exists() and os.geteuid() != 0:
        for path, _, _ in os.walk(folder):
            os.chmod(path, 0o700)
    if folder.exists():
        shutil.rmtree(folder)
