"""Environments of other tools in `pepip ui`: found, listed with the space to free, adopted, and ejected."""

from __future__ import annotations

import re
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from pepip.environment import swap
from pepip.operations.adoption import find_venvs
from pepip.operations.adoption.find_venvs import VenvSearch
from pepip.operations.reporting import Progress
from pepip.tui.job import DONE
from tests.support.machines import site_packages_of
from tests.support.screens import Person, use
from tests.support.snapshots import snapshot
from tests.support.stores import entries_of, leftovers_of, problems_of
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

WHEELS = [
    Wheel("drum", "1.0", files={"drum/__init__.py": "x = 1\n" * 9000}, dependencies=["horn"]),
    Wheel("horn", "1.0", files={"horn/__init__.py": "y = 1\n" * 9000}),
]


@pytest.fixture
def owner(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> Workbench:
    """Return a user of uv. This process runs as that user, too."""
    for name, value in workbench.machine.variables().items():
        monkeypatch.setenv(name, value)
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "UV_TOOL_DIR", "PIPX_HOME"):
        monkeypatch.delenv(name, raising=False)
    return workbench


def make(project: Workbench) -> Path:
    """Make an environment as uv does, with copies, and return it."""
    project.machine.make_folder(project.project)
    project.uv("venv", "--python", project.interpreter)
    project.uv("pip", "install", *project.from_wheelhouse, "--link-mode", "copy", "drum")
    return project.environment


def is_linked(environment: Path) -> bool:
    """Return whether an environment links `drum`."""
    return (site_packages_of(environment) / "drum").is_symlink()


def test_the_first_screen_shows_the_space_that_sharing_would_free(
    owner: Workbench, store: Path, tmp_path: Path
) -> None:
    """Two environments are found below the folder of the start. One key and one answer link them."""
    one, two = (make(owner.at(f"code/{name}")) for name in ("one", "two"))
    before = snapshot(one)

    async def script(person: Person) -> None:
        await person.sees("Nothing is stored yet", "can be freed by adopting 2 environments", "Not yet shared")
        assert not store.exists()
        await person.press("A")
        await person.sees("4 packages", "Frees about", f"pepip adopt --yes {one} {two}"[:60])
        await person.press("escape")
        assert snapshot(one) == before
        await person.press("A")
        await person.answers("go")
        job = await person.has_done()
        assert job.state == DONE, job.log
        assert job.outcome.startswith("4 packages linked in 2 environments: ")
        await person.until(lambda: len(person.table("#entries").keys) == 2, "two entries")

    use(store, script, folder=tmp_path / "code")

    assert is_linked(one)
    assert is_linked(two)
    assert entries_of(store) == ["drum-1.0", "horn-1.0"]
    assert problems_of(store) == []
    assert leftovers_of(store) == []
    owner.machine.python(one, "-c", "import drum, horn")


def test_marked_environments_are_adopted_and_ejected(owner: Workbench, store: Path, tmp_path: Path) -> None:
    """Two more are found beside a registered project. The marked one is adopted. An ejected one is found again."""
    owner.at("code/here").install("horn")
    one, two = (make(owner.at(f"code/{name}")) for name in ("one", "two"))

    async def script(person: Person) -> None:
        table = person.table("#unshared #unshared-list")
        await person.until(lambda: len(table.keys) == 2, "two environments")
        table.focus()
        table.put_cursor(str(two))
        await person.press("space", "A")
        await person.sees("2 packages", "/code/two/.venv 2 packages linked")
        await person.answers("go")
        assert (await person.has_done()).state == DONE
        await person.until(lambda: table.keys == [str(one)], "one environment")
        assert is_linked(two)
        assert not is_linked(one)
        environments = person.table("#environments")
        environments.focus()
        environments.put_cursor(str(two))
        await person.press("E")
        await person.sees("Eject this environment", "To undo this, adopt", "pepip eject")
        await person.press("enter")
        assert is_linked(two)
        await person.press("E")
        await person.answers("go")
        job = await person.has_done(2)
        assert job.state == DONE, job.log
        await person.until(lambda: set(table.keys) == {str(one), str(two)}, "both environments")

    use(store, script, pane="projects", size=(160, 48))

    assert not is_linked(two)
    owner.machine.python(two, "-c", "import drum, horn")
    assert problems_of(store) == []


def test_an_environment_is_changing_while_it_is_adopted(
    owner: Workbench, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row, the facet and the detail say so, and nothing is called broken. Afterwards it is whole."""
    one = make(owner.at("code/one"))
    owner.at("code/here").install("horn")
    owner.pepip("projects", "scan", tmp_path / "code")
    swapping, go_on = threading.Event(), threading.Event()
    real = swap.Swap.carry_out

    def slowly(self: swap.Swap, **options: Any) -> Any:
        swapping.set()
        go_on.wait(60)
        return real(self, **options)

    monkeypatch.setattr(swap.Swap, "carry_out", slowly)

    async def script(person: Person) -> None:
        await person.until(lambda: person.table("#unshared #unshared-list").keys == [str(one)], "the environment")
        person.table("#unshared #unshared-list").focus()
        await person.press("A")
        await person.answers("go")
        await person.until(swapping.is_set, "the swap")
        await person.press("r")
        await person.has_looked()
        await person.until(lambda: str(one) in person.table("#environments").keys, "the row")
        person.table("#environments").put_cursor(str(one))
        await person.sees("◐ one", "changing 1", "· changing")
        assert "broken" not in person.screen
        listed = owner.pepip("projects").stdout
        assert "changing" in next(line for line in listed.splitlines() if "one" in line)
        go_on.set()
        assert (await person.has_done()).state == DONE
        await person.until(lambda: "changing" not in person.screen, "the end of the change")

    use(store, script, pane="projects", size=(160, 48))

    assert is_linked(one)


def test_an_adoption_that_costs_space_says_so(owner: Workbench, store: Path, tmp_path: Path) -> None:
    """One environment alone takes a little more than before: the preview and the report say how much."""
    make(owner.at("code/one"))

    async def script(person: Person) -> None:
        await person.sees("Adopting 1 environment frees nothing now", "Not yet shared")
        await person.press("A")
        await person.sees("Links 2 packages: this takes ", "until other environments share")
        await person.answers("go")
        job = await person.has_done()
        assert re.fullmatch(r"2 packages linked in 1 environment: this takes \S+ kB more, until .*", job.outcome)

    use(store, script, folder=tmp_path / "code")


def test_keys_work_while_environments_are_searched(
    owner: Workbench, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the search waits for the disk, the panes change, and the app exits at once."""
    started, go_on = threading.Event(), threading.Event()
    real = find_venvs.discover

    def slowly(*arguments: Any, **named: Any) -> Generator[Progress, None, VenvSearch]:
        started.set()
        yield Progress("scan", "/somewhere")
        go_on.wait(60)
        return (yield from real(*arguments, **named))

    monkeypatch.setattr(find_venvs, "discover", slowly)

    async def script(person: Person) -> None:
        await person.until(started.is_set, "a search")
        await person.sees("searching for environments: /somewhere")
        await person.press("4")
        await person.until(lambda: person.app.here == "activity", "another pane")
        await person.press("1")
        await person.sees("Nothing is stored yet")
        go_on.set()
        await person.until(lambda: "searching for environments" not in person.screen, "the end of the search")

    use(store, script, folder=tmp_path)
