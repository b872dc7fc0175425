"""Pairs of environments for tests: uv makes one and pepip the other, from the same arguments and cache.

Both projects have the same folder name and the same path length. So nothing that depends on the path differs: not the
prompt, and not the form of a script's first line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.machines import Machine, Output
from tests.support.parity import Level, differences, observe
from tests.support.snapshots import Snapshot, changes, snapshot

PIP_FOR_ALL_VERSIONS = "pip==24.3.1"
"""A pip that runs on Python 3.8 to 3.13."""


@dataclass(frozen=True)
class Twins:
    """Two projects that get the same commands: one from uv, the other from pepip."""

    machine: Machine
    folder: Path
    interpreter: Path

    @property
    def uv_project(self) -> Path:
        """Return the project that uv installs into."""
        return self.folder / "by-uv" / "app"

    @property
    def pepip_project(self) -> Path:
        """Return the project that pepip installs into."""
        return self.folder / "pepip" / "app"

    @property
    def uv_environment(self) -> Path:
        """Return uv's environment."""
        return self.uv_project / ".venv"

    @property
    def pepip_environment(self) -> Path:
        """Return pepip's environment."""
        return self.pepip_project / ".venv"

    def install(self, *arguments: str | Path) -> None:
        """Install into both projects with the same arguments. Missing environments are made."""
        self.machine.make_folder(self.uv_project)
        self.machine.make_folder(self.pepip_project)
        if not self.uv_environment.exists():
            self.machine.uv("venv", ".venv", "--python", self.interpreter, folder=self.uv_project)
        self.machine.uv("pip", "install", *arguments, folder=self.uv_project)
        self.machine.pepip("install", "--python", self.interpreter, *arguments, folder=self.pepip_project)

    def both(
        self,
        *arguments: str | Path,
        member: str = ".",
        check: bool = True,
        variables: Mapping[str, str] | None = None,
    ) -> tuple[Output, Output]:
        """Run one command with uv and with pepip, each in the folder `member` of its project. Returns both outputs.

        Environments that the command makes get the interpreter of the twins.
        """
        assert arguments[0] != "pip", "with UV_PYTHON uv's pip interface would work on the interpreter itself"
        settings = {"UV_PYTHON": str(self.interpreter), **(variables or {})}
        return (
            self.machine.uv(*arguments, folder=self.uv_project / member, check=check, variables=settings),
            self.machine.pepip(*arguments, folder=self.pepip_project / member, check=check, variables=settings),
        )

    def write(self, name: str, text: str) -> None:
        """Write a file into both projects."""
        for project in (self.uv_project, self.pepip_project):
            path = project / name
            self.machine.make_folder(path.parent)
            path.write_text(text)
            self.machine.give(path)

    def run(self, *command: str | Path) -> None:
        """Run a command in both projects.

        The first word `python` means the interpreter of each environment, and `uv` means uv.
        """
        for environment in (self.uv_environment, self.pepip_environment):
            if command[0] == "python":
                self.machine.python(environment, *command[1:])
            elif command[0] == "uv":
                self.machine.uv(*command[1:], folder=environment.parent)
            else:
                self.machine.run(command, folder=environment.parent)

    def differences(self, level: Level = Level.BEHAVIOUR, *, pip: Path | None = None) -> list[str]:
        """Return a line for each difference between the two environments."""
        return differences(
            observe(self.uv_environment, self.machine, level=level, pip=pip),
            observe(self.pepip_environment, self.machine, level=level, pip=pip),
        )

    def file_differences(self) -> list[str]:
        """Return a line for each difference between the projects outside their environments."""
        return changes(own_files(self.uv_project), own_files(self.pepip_project))

    def assert_equal(self, level: Level = Level.BEHAVIOUR, *, pip: Path | None = None) -> None:
        """Assert that the two environments are equal. A failure shows each difference."""
        lines = self.differences(level, pip=pip)

        assert not lines, "\n".join(["uv's and pepip's environments differ:", *lines])


def own_files(project: Path) -> Snapshot:
    """Return a snapshot of a project without its environment."""
    return {path: node for path, node in snapshot(project).items() if path.partition("/")[0] != ".venv"}


@dataclass(frozen=True)
class SuppliedTwins:
    """Twin projects, and a folder of wheels for them."""

    twins: Twins
    wheelhouse: Path

    @property
    def source(self) -> tuple[str | Path, ...]:
        """Return the arguments that make uv and pepip use only wheels from the wheelhouse."""
        return ("--no-index", "--find-links", self.wheelhouse)

    @property
    def projects(self) -> tuple[Path, Path]:
        """Return the folders of both projects, uv's first."""
        return self.twins.uv_project, self.twins.pepip_project

    def write(self, name: str, text: str) -> None:
        """Write a file into both projects. `{project}` in it is the project's folder."""
        for project in self.projects:
            path = project / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.replace("{project}", str(project)))
