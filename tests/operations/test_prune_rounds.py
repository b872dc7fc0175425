"""Prunes, one after the other, while eight processes run scripts, tools and `--with`: none of them breaks.

`PEPIP_TEST_ROUNDS` is the number of prunes.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.machines import Output
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

ROUNDS = int(os.environ.get("PEPIP_TEST_ROUNDS", "10"))
PARTS = 6
PROCESSES = 8

_LATE = """
import importlib, pathlib, sys, time
ended = pathlib.Path(sys.argv[-2])
count = ended.read_text()
deadline = time.monotonic() + 20
while ended.read_text() == count and time.monotonic() < deadline:
    time.sleep(0.02)  # until a prune has ended meanwhile
print(importlib.import_module(f'{sys.argv[-1]}.late').WORD)
"""
_QUILL = f"def main():\n    exec({_LATE!r})\n"


WHEELS = [
    *(
        Wheel(name, "1.0", files={f"{name}/__init__.py": "", f"{name}/late.py": f"WORD = '{name}'\n"})
        for name in (f"{kind}{number}" for kind in ("part", "leaf") for number in range(PARTS))
    ),
    Wheel("quill", "1.0", files={"quill.py": _QUILL}, entry_points={"console_scripts": {"quill": "quill:main"}}),
]


@dataclass(frozen=True)
class Mill(Workbench):
    """A user with wheels, and a file that holds the number of prunes that have ended."""

    @property
    def ended(self) -> Path:
        """Return the file with the number of ended prunes."""
        return self.folder / "ended"

    def run(self, *words: str | Path) -> Output:
        """Run pepip as a program of its own."""
        command = [sys.executable, "-m", "pepip", *words]
        return self.machine.run(command, folder=self.folder, check=False, variables=self.variables)

    def run_script(self, number: int, part: str) -> Output:
        """Run a script that deletes itself, so that its environment is abandoned while it runs."""
        path = self.folder / f"script-{number}.py"
        head = f"# /// script\n# requires-python = '>=3.9'\n# dependencies = ['{part}']\n# ///\n"
        path.write_text(f"{head}import os\nos.unlink(__file__)\n{_LATE}")
        return self.run("run", "--no-index", path, self.ended, part)

    def run_tool(self, number: int, part: str) -> Output:
        """Run a tool in an environment of uv's cache."""
        del number
        return self.run("x", "--no-index", "--with", part, "quill", self.ended, part)

    def run_with(self, number: int, part: str) -> Output:
        """Run a program with a further distribution."""
        del number
        words = ("--no-index", "--no-project", "--with", part, "python", "-c", _LATE)
        return self.run("run", *words, self.ended, part)


@pytest.mark.real_world
@pytest.mark.timeout(60 * 60)
def test_no_prune_breaks_a_running_program(workbench: Workbench) -> None:
    """Each program imports a module only after a prune has ended meanwhile. The store stays whole."""
    settings = {
        "UV_CACHE_DIR": str(workbench.folder / "cache"),
        "UV_FIND_LINKS": str(workbench.wheelhouse),
        "UV_PYTHON": str(workbench.interpreter),
    }
    mill = Mill.like(workbench, variables=settings)
    mill.ended.write_text("0")
    mill.run("run", "--no-index", "--no-project", "--with", "part0", "python", "-c", "")  # makes the store
    kinds = (mill.run_script, mill.run_tool, mill.run_with)
    numbers, is_over = itertools.count(), threading.Event()

    def work(place: int) -> list[str]:
        run: Callable[[int, str], Output] = kinds[place % len(kinds)]
        faults = []
        while not is_over.is_set():
            number = next(numbers)
            part = f"{'leaf' if run == mill.run_script else 'part'}{number % PARTS}"
            output = run(number, part)
            if output.returncode or output.stdout.split() != [part]:
                faults.append(f"{run.__name__} {part}: {output.returncode} {output.stdout} {output.stderr}")
        return faults

    with ThreadPoolExecutor(PROCESSES) as pool:
        workers = [pool.submit(work, place) for place in range(PROCESSES)]
        try:
            prunes = [_prune(mill, number) for number in range(1, ROUNDS + 1)]
        finally:
            is_over.set()
            mill.ended.write_text("over")
    faults = [fault for worker in workers for fault in worker.result()]

    assert faults == []
    assert [prune.stderr for prune in prunes if prune.returncode] == []
    removed = [entry for prune in prunes for entry in json.loads(prune.stdout)["orphans"]]
    assert removed  # of scripts that have ended
    assert mill.problems() == mill.leftovers() == []
    print(f"{len(prunes)} prunes, {len(removed)} entries removed, {next(numbers)} programs")


def _prune(mill: Mill, number: int) -> Output:
    output = mill.run("prune", "--yes", "--json")
    temporary = mill.folder / "ended.new"
    temporary.write_text(str(number))
    temporary.replace(mill.ended)
    return output
