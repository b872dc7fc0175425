"""A small world with something in every place: a store, its registry and caches, projects, uv's cache.

It is made once and put back as it was as often as a test likes, at the same path: registrations and links name paths.
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
    """All of it, below `root`. Project `a` has lamp and shade linked and wick installed by uv, `b` the two linked.

    `spare` is an orphan of the store. What both projects link, pepip has looked at and remembers.
    """

    root: Path
    machine: Machine

    @classmethod
    def build(cls, root: Path) -> World:
        """Make it at `root`, and a copy to put it back from beside it."""
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
        """Return the project that tests work on."""
        return self.root / "a"

    @property
    def other_project(self) -> Path:
        """Return the project that nobody works on."""
        return self.root / "b"

    @property
    def environment(self) -> Path:
        """Return the environment of the project that tests work on."""
        return self.project / ".venv"

    @property
    def source(self) -> tuple[str | Path, ...]:
        """Return the arguments that make uv and pepip take wheels from the wheelhouse alone."""
        return ("--no-index", "--find-links", self.root / "wheelhouse")

    @property
    def _kept(self) -> Path:
        return self.root.with_name(f"{self.root.name}-kept")

    def put_back(self) -> None:
        """Make everything as it was when it was built."""
        subprocess.run(["chmod", "-R", "u+rwX", self.root], check=True)
        shutil.rmtree(self.root)
        _copy(self._kept, self.root)

    def find(self, place: str) -> Path:
        """Return the first path that the pattern `place` means; where nothing is there, the path that it would be."""
        found = sorted(self.root.glob(place))
        if found:
            return found[0]
        (python,) = (self._kept / "a" / ".venv" / "lib").iterdir()
        return self.root / place.replace("python*", python.name)

    def run(self, *words: str | Path, seconds: float) -> Output:
        """Run pepip in the project. Raises `subprocess.TimeoutExpired` if it takes longer."""
        process = self.machine.start([sys.executable, "-m", "pepip", *words], folder=self.project)
        try:
            stdout, stderr = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # uv too, which would keep its locks
            process.communicate()
            raise
        return Output(process.args, process.returncode, stdout, stderr)


def _copy(source: Path, target: Path) -> None:
    """Copy a tree with its links, hard links, modes and times."""
    subprocess.run(["cp", "-a", source, target], check=True)
