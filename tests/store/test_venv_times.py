"""The times of environments: which ones a command looks into."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pepip.store import venv_times
from pepip.store.venv_times import VenvTimes

COUNT = 3 * venv_times._MOST_INSIDE


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    """Return a store with many registered environments, each with one distribution, and all noted."""
    if os.geteuid() != 0:
        pytest.skip("only root looks into environments")
    for name in ("projects", "cache"):
        (tmp_path / name).mkdir()
    rows = {}
    for number in range(COUNT):
        (tmp_path / "projects" / f"{number}.json").touch()
        folder = tmp_path / f"venv{number}"
        (folder / "drum-1.0.dist-info").mkdir(parents=True)
        rows[f"{number}.json"] = venv_times.time_of(str(folder))
    VenvTimes(str(tmp_path)).note(rows)
    yield tmp_path
    venv_times._looked_inside.clear()


def change_inside(folder: Path) -> None:
    """Change the time of a `.dist-info` folder alone."""
    time_ns = folder.stat().st_mtime_ns + 10**9
    os.utime(folder / "drum-1.0.dist-info", ns=(time_ns, time_ns))


def command(store: Path, number: int) -> list[str]:
    """Look as a command does that then changes an environment, and return what it finds."""
    venv_times._looked_inside.clear()
    found = VenvTimes(str(store)).changed()
    folder = store / f"venv{number}"
    os.utime(folder)
    VenvTimes(str(store)).note({f"{number}.json": venv_times.time_of(str(folder))})
    return found


def test_each_environment_has_its_turn(store: Path) -> None:
    """Three changes look into three times as many environments as one."""
    for number in range(1, COUNT):
        change_inside(store / f"venv{number}")

    found = [name for _ in range(3) for name in command(store, 0)]

    assert sorted(found) == sorted(f"{number}.json" for number in range(1, COUNT))


def test_a_changed_folder_of_modules_is_always_noticed(store: Path) -> None:
    """Its time is looked at in each environment."""
    os.utime(store / f"venv{COUNT - 1}")

    assert command(store, 0) == [f"{COUNT - 1}.json"]


def test_few_environments_are_all_looked_into(store: Path) -> None:
    """So the next command in any project notices the change."""
    for number in range(venv_times._MOST_INSIDE, COUNT):
        (store / "projects" / f"{number}.json").unlink()
    change_inside(store / "venv3")

    assert [command(store, 0) for _ in range(2)] == [["3.json"], ["3.json"]]
