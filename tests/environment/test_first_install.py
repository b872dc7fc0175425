"""A first install: two processes prepare its entries, and its time is used while uv, a network or a disk is busy."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from pepip.cli.output import LiveReporter
from pepip.host import filesystems
from pepip.model import Progress
from pepip.store import staging
from pepip.uv import interpreter as interpreters
from tests.support.indexes import served
from tests.support.machines import Machine
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

def count():
    global forks
    forks += 1

os.register_at_fork(before=count, after_in_child=lambda: {second})
from pepip.__main__ import main
code = main()
print("forks:", forks)
sys.exit(code)
"""


@dataclass(frozen=True)
class Aviary:
    """A machine, and an index whose wheels have hashes."""

    machine: Machine
    folder: Path
    words: tuple[str | Path, ...]

    def install(self, name: str, *, least: int, second: str = "None") -> tuple[Machine, str]:
        """Install everyone into a new project, with a new store and a new cache of uv. Returns the output.

        Two processes prepare if all RECORDs together have `least` bytes. The code `second` runs in the second one.
        """
        project = self.machine.make_folder(self.folder / name)
        machine = replace(self.machine, store=project / "store", uv_cache=project / "cache")
        code = _RUN.format(least=least, second=second)
        done = machine.run([sys.executable, "-c", code, "install", *EVERYONE, *self.words], folder=project)
        return machine, done.stdout + done.stderr


@pytest.fixture
def aviary(machine: Machine, interpreter: Path, tmp_path: Path) -> Iterator[Aviary]:
    """Return an aviary."""
    (tmp_path / "wheels").mkdir()
    for wheel in (*PLAIN, LYING, BROKEN):
        wheel.write(tmp_path / "wheels")
    write_simple_index(tmp_path / "pages" / "simple", tmp_path / "wheels", hashes=True)
    with served(tmp_path / "pages") as url:
        yield Aviary(machine, tmp_path, ("--default-index", f"{url}simple/", "--python", interpreter))


@pytest.mark.parametrize("second", ["None", "os.kill(os.getpid(), 9)"], ids=["does its part", "is killed"])
def test_two_processes_store_the_same_as_one(aviary: Aviary, second: str) -> None:
    """That includes a wheel whose RECORD is wrong, and one that can be no entry. What one leaves the other does."""
    if sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one process does all here")
    alone, said_alone = aviary.install("alone", least=1 << 30)
    both, said = aviary.install("both", least=0, second=second)

    assert "forks: 0" in said_alone
    assert "forks: 1" in said
    assert [line for line in said.splitlines() if "dodo" in line] == [
        line for line in said_alone.splitlines() if "dodo" in line
    ]
    assert _entries(both.store) == _entries(alone.store)
    assert len(_entries(both.store)) == len(PLAIN) + 1
    assert problems_of(both.store) == problems_of(alone.store)
    assert list((both.store / "staging").iterdir()) == []


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


def test_a_disk_gets_to_work_as_soon_as_much_is_to_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not wait for the end of the download."""
    began = threading.Event()
    monkeypatch.setattr(filesystems, "flush", lambda _: began.set())
    with staging.Writer(str(tmp_path)):
        assert not began.wait(0.2)

        (tmp_path / "much").write_bytes(os.urandom(1 << 20) * 48)

        assert began.wait(3)


def test_a_new_environment_of_pepips_own_python_is_not_asked(machine: Machine, tmp_path: Path) -> None:
    """Its facts are those that its interpreter would report."""
    machine.uv("venv", "--python", os.path.realpath(sys.executable), tmp_path / "new", folder=tmp_path)
    (tmp_path / "cache").mkdir()
    asked = interpreters.inspect(str(tmp_path / "new"), str(tmp_path / "no cache"))

    known = interpreters.inspect(str(tmp_path / "new"), str(tmp_path / "cache"), is_new=True)

    assert known == asked
    (tmp_path / "new/bin/python").unlink()
    (tmp_path / "new/bin/python").symlink_to("/bin/false")
    with pytest.raises(interpreters.VenvError):
        interpreters.inspect(str(tmp_path / "new"), str(tmp_path / "cache"), is_new=True)


def test_an_open_bar_is_hidden_while_a_second_process_starts() -> None:
    """Its thread ends when storing begins. The bar comes back if that takes long."""
    before = threading.enumerate()
    bar = LiveReporter()
    try:
        bar.show(Progress("download", "", 0, 10))
        _wait_until(lambda: bar._display is not None)

        bar.show(Progress("store", "", 0, 2))
        assert threading.enumerate() == before

        bar.show(Progress("store", "bird", 1, 2))
        _wait_until(lambda: bar._display is not None)
    finally:
        bar.close()


def _wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
