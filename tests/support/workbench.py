"""A workbench: a user, a wheelhouse, and a project with an environment that pepip makes.

Most tests take the fixture `workbench`. A file that needs more has functions of its own, or a class that is derived
from `Workbench`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.machines import Machine, Output, site_packages_of, version_in
from tests.support.stores import entries_of, leftovers_of, problems_of
from tests.support.wheels import Wheel

if TYPE_CHECKING:
    from typing import Self


@dataclass(frozen=True)
class Workbench:
    """A user who has projects below `folder`, and the store that they share. Commands run in the project `name`."""

    machine: Machine
    folder: Path
    wheelhouse: Path
    interpreter: Path
    name: str | Path = "project"
    """The folder of the project, relative to `folder`. It is `.` for tests that look at all projects from above."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Environment variables of all commands."""

    @classmethod
    def like(cls, other: Workbench, **changes: Any) -> Self:
        """Return a workbench of this class that has the fields of another one, with `changes`."""
        return cls(**{**vars(other), **changes})

    @classmethod
    def for_module(
        cls, folder: Path, uv_cache: Path, interpreter: Path, wheels: Iterable[Wheel], **fields: Any
    ) -> Self:
        """Return a workbench in an empty folder, for all tests of a module."""
        (folder / "home").mkdir()
        machine = Machine(folder / "home", folder / "store", uv_cache)
        found = cls(machine, folder, folder / "wheelhouse", interpreter, **fields)
        found.supply(wheels)
        return found

    def at(self, name: str | Path) -> Self:
        """Return the same user in another project."""
        return replace(self, name=name)

    def of(self, user: Machine) -> Self:
        """Return the workbench of another user, whose projects are in their home. The wheelhouse is the same."""
        return replace(self, machine=user, folder=user.home)

    def supply(self, wheels: Iterable[Wheel]) -> None:
        """Write wheels into the wheelhouse."""
        for wheel in wheels:
            wheel.write(self.wheelhouse)

    @property
    def store(self) -> Path:
        """Return the store."""
        return self.machine.store

    @property
    def project(self) -> Path:
        """Return the project."""
        return self.folder / self.name

    @property
    def environment(self) -> Path:
        """Return the project's environment."""
        return self.project / ".venv"

    @property
    def site_packages(self) -> Path:
        """Return the environment's `site-packages`."""
        return site_packages_of(self.environment)

    def version(self, name: str) -> str:
        """Return the version of a distribution in the project's environment, empty if the environment lacks it."""
        return version_in(self.environment, name)

    @property
    def from_wheelhouse(self) -> tuple[str | Path, ...]:
        """Return the arguments that make uv and pepip take wheels only from the wheelhouse."""
        return ("--no-index", "--find-links", self.wheelhouse)

    @property
    def source(self) -> tuple[str | Path, ...]:
        """Return the arguments that make uv and pepip use only these wheels, and one interpreter."""
        return (*self.from_wheelhouse, "--python", self.interpreter)

    def pepip(self, *words: str | Path, check: bool = True, variables: Mapping[str, str] | None = None) -> Output:
        """Run pepip in the project."""
        settings = {**self.variables, **(variables or {})}
        return self.machine.pepip(*words, folder=self.project, check=check, variables=settings)

    def uv(self, *words: str | Path, check: bool = True, variables: Mapping[str, str] | None = None) -> Output:
        """Run uv in the project."""
        settings = {**self.variables, **(variables or {})}
        return self.machine.uv(*words, folder=self.project, check=check, variables=settings)

    def python(self, *words: str | Path, check: bool = True) -> str:
        """Run the environment's Python, and return its stdout without outer blanks."""
        return self.machine.python(self.environment, *words, check=check, variables=self.variables).stdout.strip()

    def script(self, name: str, *words: str | Path) -> str:
        """Run a script of the environment, and return its stdout without outer blanks."""
        command = [self.environment / "bin" / name, *words]
        return self.machine.run(command, folder=self.project, variables=self.variables).stdout.strip()

    def install(self, *requirements: str | Path, variables: Mapping[str, str] | None = None) -> Path:
        """Install, and return the environment. A missing project is made. The install must succeed."""
        self.machine.make_folder(self.project)
        self.pepip("install", *requirements, *self.source, variables=variables)
        return self.environment

    def attempt(self, *requirements: str | Path, variables: Mapping[str, str] | None = None) -> Output:
        """Install, and return the output. A missing project is made. The install may fail."""
        self.machine.make_folder(self.project)
        return self.pepip("install", *requirements, *self.source, check=False, variables=variables)

    def ask(self, *words: str | Path) -> Any:
        """Run a command of pepip, which must succeed, and return its JSON document."""
        return json.loads(self.pepip(*words, "--json").stdout)

    def entries(self) -> list[str]:
        """Return the names of the store's entries, such as `drum-1.0`."""
        return entries_of(self.store)

    def entry(self, name: str) -> Path:
        """Return the folder of the only entry of this name and version."""
        (found,) = self.store.glob(f"packages/*/{name}")
        return found

    def problems(self) -> list[str]:
        """Return a line for each fault of an entry."""
        return problems_of(self.store)

    def leftovers(self) -> list[str]:
        """Return the paths of files that an operation should have removed from the store."""
        return leftovers_of(self.store)


@dataclass(frozen=True)
class SettledWorkbench(Workbench):
    """A workbench whose user has settings or variables that name the source of the wheels. No option names it."""

    @property
    def source(self) -> tuple[str | Path, ...]:
        """Return the arguments that make uv and pepip use one interpreter."""
        return ("--python", self.interpreter)
