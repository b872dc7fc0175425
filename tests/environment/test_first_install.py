"""A first install: two processes prepare its entries, and its time is used while uv, a network or a disk is busy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from pepip.cli.output import LiveReporter
from pepip.operations.reporting import Progress
from pepip.uv import interpreter as interpreters
from tests.support.indexes import served
from tests.support.machines import Machine, site_packages_of
from tests.support.projects import write_simple_index
from tests.support.stores import problems_of
from tests.support.wheels import Wheel

PLAIN = [
    Wheel(
        f"bird-{number}",
        "1.0",
        files={f"bird{number}/__init__.py": "def main(): pass\n", f"bird{number}/song/notes.txt": "tweet\n"},
        data={"data/share/nest.txt": "twigs\n"} if number % 2 else {},
        entry_points={"console_scripts": {f"bird{number}": f"bird{number}:main"}} if number % 3 == 0 else {},
    )
    for number in range(6)
]
LYING = Wheel("cuckoo", "1.0", files={"cuckoo.py": "EGG = True\n"}, wrong_hashes=["cuckoo.py"])
BROKEN = Wheel("dodo", "1.0", files={"dodo.py": "GONE = True\n", "pepip-entry.json": "{}\n"})
EVERYONE = ["cuckoo", "dodo", *(wheel.name for wheel in PLAIN)]

_RUN = """
import os, sys
from pepip.operations import preparing
preparing._LARGE_RECORDS_BYTES = {least}
forks = 0
links_of_cuckoo = 0

def count():
    global forks
    forks += 1

def note(text):
    with open("second", "a") as file:
        file.write(text + "\\n")

def follow(event, arguments):
    global links_of_cuckoo
    if event == "os.rename" and "workshops" in arguments[1]:
        note(os.path.basename(arguments[1]))
    elif event == "os.link" and "cuckoo" in arguments[1]:
        links_of_cuckoo += 1
        if {is_killed} and links_of_cuckoo == 2:
            os.kill(os.getpid(), 9)
    elif event == "open" and arguments[0] and "aliases" in str(arguments[0]) and arguments[2] & 3:
        note("an alias")

os.register_at_fork(before=count, after_in_child=lambda: sys.addaudithook(follow))
from pepip.__main__ import main
code = main()
print("forks:", forks)
sys.exit(code)
"""
"""Run pepip, tell what the second process has done, and kill that while it links the second file of the cuckoo."""


@dataclass(frozen=True)
class Aviary:
    """A machine, and an index whose wheels have hashes."""

    machine: Machine
    folder: Path
    words: tuple[str | Path, ...]

    def install(self, name: str, *, least: int, is_killed: bool = False) -> tuple[Machine, str, list[str]]:
        """Install everyone into a new project, with a store of its own and a new cache of uv.

        Two processes prepare if all RECORDs together have `least` bytes. Returns the machine, the output, and the
        distributions that the second process has prepared.
        """
        project = self.machine.make_folder(self.folder / name)
        machine = replace(self.machine, store=project.with_suffix(".store"), uv_cache=project / "cache")
        code = _RUN.format(least=least, is_killed=is_killed)
        command = [sys.executable, "-W", "error", "-c", code, "install", "--verbose", *EVERYONE, *self.words]
        done = machine.run(command, folder=project)
        noted = project / "second"
        return machine, done.stdout + done.stderr, noted.read_text().splitlines() if noted.exists() else []


@pytest.fixture
def aviary(machine: Machine, interpreter: Path, tmp_path: Path) -> Iterator[Aviary]:
    """Return an aviary."""
    (tmp_path / "wheels").mkdir()
    for wheel in (*PLAIN, LYING, BROKEN):
        wheel.write(tmp_path / "wheels")
    write_simple_index(tmp_path / "pages" / "simple", tmp_path / "wheels", hashes=True)
    with served(tmp_path / "pages") as url:
        yield Aviary(machine, tmp_path, ("--default-index", f"{url}simple/", "--python", interpreter))


@pytest.fixture
def processors() -> int:
    """Return the number of processors. Skip the test if there are too few for two processes."""
    if sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one process does all here")
    return len(os.sched_getaffinity(0))


@pytest.mark.usefixtures("processors")
def test_two_processes_store_the_same_as_one(aviary: Aviary) -> None:
    """That includes a wheel whose RECORD is wrong, and one that can be no entry. What one leaves the other does.

    A killed process leaves what it has prepared. A wheel that it has begun to link counts as unchanged.
    """
    alone, said_alone, prepared = aviary.install("alone", least=1 << 30)
    assert "forks: 0" in said_alone
    assert prepared == []

    for name, is_killed in (("both", False), ("one and a half", True)):
        both, said, prepared = aviary.install(name, least=1, is_killed=is_killed)

        assert "forks: 1" in said
        assert len(prepared) == (2 if is_killed else 3), said
        assert ("cuckoo" in prepared) != is_killed
        assert _steps(said) == _steps(said_alone), said
        assert _entries(both.store) == _entries(alone.store)
        assert len(_entries(both.store)) == len(PLAIN) + 1
        assert problems_of(both.store) == problems_of(alone.store)
        assert list((both.store / "staging").iterdir()) == []


def _steps(said: str) -> list[str]:
    """Return what an install has said of storing, and its warnings, in order of the names."""
    return sorted(line for line in said.splitlines() if line.startswith(("Storing", "warning")))


@pytest.mark.usefixtures("processors")
def test_a_second_process_leaves_wheels_that_may_equal_an_adopted_entry(aviary: Aviary) -> None:
    """Only the first process notes that an adopted entry stands for an archive of an index."""
    adopted = aviary.machine.make_folder(aviary.folder / "adopted")
    machine = replace(aviary.machine, store=(aviary.folder / "both.store"), uv_cache=aviary.folder / "cache")
    machine.uv("venv", "--python", aviary.words[-1], folder=adopted)
    birds = sorted((aviary.folder / "wheels").glob("bird*"))
    machine.uv("pip", "install", "--no-index", *birds, folder=adopted)
    machine.pepip("adopt", "--yes", ".venv", folder=adopted)
    assert len(_entries(machine.store)) == len(PLAIN)

    _, said, prepared = aviary.install("both", least=1)

    assert "forks: 1" in said
    assert prepared == ["cuckoo"]
    assert len(_entries(machine.store)) == len(PLAIN) + 1


def test_a_distribution_may_have_the_name_of_a_folder_that_a_run_makes(machine: Machine, tmp_path: Path) -> None:
    """The folders in which entries grow have names that no distribution can take."""
    names = ["cache", "workshops", "begun"]
    for name in names:
        Wheel(name, "1.0", files={f"{name}.py": ""}).write(tmp_path / "wheels")

    words = ("--no-cache", "--no-index", "--find-links", tmp_path / "wheels")
    machine.pepip("install", *names, *words, folder=machine.make_folder(tmp_path / "project"))

    assert [name.rpartition("-")[0] for name in sorted(_entries(machine.store))] == sorted(names)


def _entries(store: Path) -> dict[str, Any]:
    """Return the documents of all entries, and the files and folders beside them, with their modes."""
    found = {}
    for place in store.glob("packages/*/*/pepip-entry.json"):
        document = json.loads(place.read_text())
        for field in ("stored_at", "package", "unread_until_ns", "origin"):
            document.pop(field)
        tree = {path: path.stat().st_mode for path in sorted(place.parent.rglob("*")) if not path.is_symlink()}
        found[place.parent.name] = (
            document, {str(path.relative_to(place.parent)): mode for path, mode in tree.items()}
        )  # fmt: skip
    return found


def test_a_new_environment_of_pepips_own_python_is_not_asked(machine: Machine, tmp_path: Path) -> None:
    """Its facts are those that its interpreter would report."""
    machine.uv("venv", "--python", os.path.realpath(sys.executable), tmp_path / "new", folder=tmp_path)
    (tmp_path / "cache").mkdir()
    started = tmp_path / "started"
    (site_packages_of(tmp_path / "new") / "tell.pth").write_text(f"import os; os.mkdir({str(started)!r})\n")
    asked = interpreters.inspect(str(tmp_path / "new"), str(tmp_path / "no cache"))
    started.rmdir()

    known = interpreters.inspect(str(tmp_path / "new"), str(tmp_path / "cache"), is_new=True)

    assert known == asked
    assert not started.exists()
    (tmp_path / "new/bin/python").unlink()
    (tmp_path / "new/bin/python").symlink_to("/bin/false")
    with pytest.raises(interpreters.VenvError):
        interpreters.inspect(str(tmp_path / "new"), str(tmp_path / "cache"), is_new=True)


def test_what_an_unknown_interpreter_needs_is_not_imported_if_one_is_known(tmp_path: Path) -> None:
    """Most further environments have an interpreter that pepip knows."""
    code = f"""
import sys
from pepip.uv import interpreter
interpreter.prepare_to_inspect({str(tmp_path)!r})
print("packaging.tags" in sys.modules)
"""
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "True\n"
    interpreters.inspect(sys.prefix, str(tmp_path))

    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"


def test_an_open_bar_is_hidden_while_a_second_process_starts() -> None:
    """Its threads end, and the bar comes back after a moment. If no second process starts, the bar stays."""
    before = threading.enumerate()
    bar = LiveReporter()
    try:
        bar.show(Progress("download", "", 0, 10))
        _wait_until(lambda: bar._display is not None)
        bar.show(Progress("store", "", 0, 2))
        assert bar._display is not None

        bar.show(Progress("store", "", 0, 2, is_before_fork=True))
        assert threading.enumerate() == before

        bar.show(Progress("store", "", 0, 2))
        _wait_until(lambda: bar._display is not None)
    finally:
        bar.close()


def _wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
