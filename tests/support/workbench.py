"""A workbench: one user with projects below a folder, one store, and the wheels that the projects may take.

Test files that need more of it derive a class from `Workbench`, with verbs of their own.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.machines import Machine
from tests.support.stores import entries_of
from tests.support.wheels import Wheel


@dataclass(frozen=True)
class Workbench:
    """A user who has projects below `folder`, and the store that they share."""

    machine: Machine
    folder: Path
    wheelhouse: Path
    interpreter: Path

    def supply(self, wheels: Sequence[Wheel]) -> None:
        """Write wheels into the wheelhouse."""
        for wheel in wheels:
            wheel.write(self.wheelhouse)

    @property
    def store(self) -> Path:
        """Return the store."""
        return self.machine.store

    @property
    def from_wheelhouse(self) -> tuple[str | Path, ...]:
        """Return the arguments that make uv and pepip take wheels only from the wheelhouse."""
        return ("--no-index", "--find-links", self.wheelhouse)

    @property
    def source(self) -> tuple[str | Path, ...]:
        """Return the arguments that make uv and pepip use only these wheels, and one interpreter."""
        return (*self.from_wheelhouse, "--python", self.interpreter)

    def install(self, project: str | Path, *requirements: str | Path) -> Path:
        """Install into a project, and return its environment. A missing project is made. The install must succeed."""
        folder = self.machine.make_folder(self.folder / project)
        self.machine.pepip("install", *requirements, *self.source, folder=folder)
        return folder / ".venv"

    def ask(self, *arguments: str | Path) -> Any:
        """Run a command of pepip, which must succeed, and return its JSON document."""
        return json.loads(self.machine.pepip(*arguments, "--json", folder=self.folder).stdout)

    def entries(self) -> list[str]:
        """Return the names of the store's entries."""
        return entries_of(self.store)

    def entry(self, name: str) -> Path:
        """Return the folder of the only entry of this name and version, such as `drum-1.0`."""
        (found,) = self.store.glob(f"packages/*/{name}")
        return found
