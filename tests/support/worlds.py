"""A small world in which no folder is empty: a store, its registry and caches, projects, and uv's cache.

It is made once, and restored as often as a test needs. The path stays the same, because registrations and links
contain it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.machines import Machine, Output, any_interpreter
from tests.support.wheels import Wheel

LAMP = Wheel(
    "lamp",
    "1.0",
    files={"lamp/__init__.py": "def main():\n    print('on')\n", "lamp/bulbs/__init__.py": "", "lamp_module.py": ""},
    entry_points={"console_scripts": {"lamp": "lamp:main"}},
    data={"scripts/lamp-data": "#!python\nprint('data')\n", "data/share/lamp.txt": "lamp\n"},
)
SHADE = Wheel("shade", "1.0", files={"shade/__init__.py": ""}, dependencies=["lamp<2"])
WICK = Wheel("wick", "1.0", files={"wick/__init__.py": "", "wick/main.py": ""})
SPARE = Wheel("spare", "1.0", files={"spare/__init__.py": "", "lamp/spare.py": ""})


@dataclass(frozen=True)
class World:
    """The world below `root`. Both projects link lamp and shade; in project `a`, uv has also installed wick.

    `spare` is an orphan in the store. pepip has scanned both projects and cached the result.
    """

    root: Path
    machine: Machine

    @classmethod
    def build(cls, root: Path) -> World:
        """Make the world at `root`, and beside it a copy from which it is restored."""
        home = root / "home"
        home.mkdir(parents=True)
        world = cls(root, Machine(home, root / "store", root / "uv-cache"))
        for wheel in (LAMP, SHADE, WICK, SPARE):
            wheel.write(root / "wheelhouse")
        machine, python = world.machine, any_interpreter()
        for project in (world.project, world.other_project):
            project.mkdir()
            machine.pepip("install", "lamp", "shade", *world.source, "--python", python, folder=project)
        machine.uv("pip", "install", root / "wheelhouse" / WICK.filename, "--no-index", folder=world.project)
        (world.project / "pyproject.toml").write_text(
            '[project]\nname = "a"\nversion = "0"\nrequires-python = ">=3.8"\ndependencies = ["lamp"]\n'
        )
        (world.project / "requirements.txt").write_text("lamp\n")
        machine.pepip("install", "spare", *world.source, folder=world.other_project)
        machine.pepip("uninstall", "spare", folder=world.other_project)
        machine.pepip("lock", *world.source, "--python", python, folder=world.project)
        machine.pepip("projects", folder=world.project)
        machine.pepip("install", "lamp", *world.source, folder=world.project)
        _copy(root, world._kept)
        return world

    @property
    def project(self) -> Path:
        """Return the project that tests change."""
        return self.root / "a"

    @property
    def other_project(self) -> Path:
        """Return the project that no test changes."""
        return self.root / "b"

    @property
    def environment(self) -> Path:
        """Return the environment of the project that tests change."""
        return self.project / ".venv"

    @property
    def source(self) -> tuple[str | Path, ...]:
        """Return the arguments that make uv and pepip use only wheels from the wheelhouse."""
        return ("--no-index", "--find-links", self.root / "wheelhouse")

    @property
    def _kept(self) -> Path:
        return self.root.with_name(f"{self.root.name}-kept")

    def put_back(self) -> None:
        """Restore the world as it was built."""
        subprocess.run(["chmod", "-R", "u+rwX", self.root], check=True)
        shutil.rmtree(self.root)
        _copy(self._kept, self.root)

    def find(self, place: str) -> Path:
        """Return the first path that matches the pattern `place`. If none does, return the path that would match."""
        found = sorted(self.root.glob(place))
        if found:
            return found[0]
        (python,) = (self._kept / "a" / ".venv" / "lib").iterdir()
        return self.root / place.replace("python*", python.name)

    def run(self, *words: str | Path, seconds: float) -> Output:
        """Run pepip in the project. Raises `subprocess.TimeoutExpired` if it takes longer than `seconds`."""
        process = self.machine.start([sys.executable, "-m", "pepip", *words], folder=self.project)
        try:
            stdout, stderr = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # also uv, which would keep its locks
            process.communicate()
            raise
        return Output(process.args, process.returncode, stdout, stderr)


def _copy(source: Path, target: Path) -> None:
    """Copy a tree with its links, hard links, modes and times."""
    subprocess.run(["cp", "-a", source, target], check=True)
