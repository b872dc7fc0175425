"""`pepip ui` reads the disk in threads: it waits for none, and no failure of one ends it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input

from pepip.operations import doctor, entry_files, preferences, undo
from pepip.tui import disk_wait, environment_jobs, install_form, job_history
from pepip.tui.app import PepipApp
from tests.support.screens import Person, use
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

WHEELS = [
    Wheel("drum", "1.0", files={"drum/__init__.py": ""}),
    Wheel("horn", "1.0", files={"horn/__init__.py": ""}),
]


@pytest.fixture
def player(app_bench: Workbench) -> Workbench:
    """Return the app's user with two projects."""
    app_bench.at("one").install("drum")
    app_bench.at("two").install("horn")
    return app_bench


class Disk:
    """A disk that hangs until it is told to answer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> None:
        self.answers, self.calls = threading.Event(), 0
        real = getattr(module, name)

        def wait(*arguments: Any, **options: Any) -> Any:
            self.calls += 1
            self.answers.wait(20)
            return real(*arguments, **options)

        monkeypatch.setattr(module, name, wait)


async def ends_of_threads(person: Person) -> None:
    """Wait until no thread works any more."""
    await person.until(lambda: all(worker.is_finished for worker in person.app.workers), "the end of all threads")


@pytest.mark.parametrize(
    ("read", "key", "title"),
    [
        ((preferences, "read"), "comma", "Settings"),
        ((undo, "last"), "z", "there is nothing to undo"),
        ((install_form, "look_at"), "I", "Project: a known one"),
        ((environment_jobs, "sync"), "S", "Sync"),
    ],
    ids=["settings", "undo", "install", "sync"],
)
def test_a_disk_that_hangs_stops_one_request_alone(
    player: Workbench, monkeypatch: pytest.MonkeyPatch, read: tuple[Any, str], key: str, title: str
) -> None:
    """The app says that it waits. Escape waits no longer, and the answer that then comes opens nothing."""

    async def script(person: Person) -> None:
        disk = Disk(monkeypatch, *read)
        person.disk_hangs = True
        await person.press(key)
        await person.until(lambda: disk.calls, "the call")
        await person.sees("The disk has not answered yet")
        await person.press("escape", "2", "4")
        assert person.app.here == "activity"
        disk.answers.set()
        await ends_of_threads(person)
        assert person.dialog is None
        await person.press("2")
        person.disk_hangs = False
        await person.press(key)
        await person.sees(title)

    use(player.store, script, pane="projects")


def test_a_key_before_the_disk_has_answered_is_for_the_dialog(
    player: Workbench, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reaches no list below. A key after the words about the disk is ignored."""
    assert player

    async def script(person: Person) -> None:
        monkeypatch.setattr(disk_wait, "_SECONDS_BEFORE_WORDS", 2)
        disk = Disk(monkeypatch, install_form, "look_at")
        person.disk_hangs = True
        await person.press("I", "space", "x")
        await person.until(lambda: disk.calls, "the call")
        await person.sees("The disk has not answered yet")
        await person.press("y")
        disk.answers.set()
        await person.sees("Project: a known one")
        await ends_of_threads(person)
        assert person.app.screen.query_one("#place", Input).value == " x"
        await person.press("escape")
        assert not person.table("#environments").marks

    use(store, script, pane="projects")


def fail(make_error: Callable[[], Exception]) -> Any:
    """Return a function that raises a new error at each call."""

    def raising(*arguments: Any, **options: Any) -> Any:
        raise make_error()

    return raising


@pytest.mark.parametrize(
    ("work", "keys"),
    [
        ((doctor, "examine"), ["exclamation_mark"]),
        ((preferences, "read"), ["comma"]),
        ((entry_files, "of"), ["1", "enter"]),
    ],
    ids=["a check", "a question", "a view"],
)
def test_a_fault_of_pepip_in_a_thread_is_shown_in_full(
    player: Workbench, monkeypatch: pytest.MonkeyPatch, work: tuple[Any, str], keys: list[str]
) -> None:
    """A dialog has the traceback, once. The app goes on."""

    async def script(person: Person) -> None:
        monkeypatch.setattr(*work, fail(lambda: KeyError("no such thing")))
        for _ in range(2):
            await person.press(*keys)
            await ends_of_threads(person)
            while person.app.screen is not person.app.default_screen:
                shown.append(person.screen)
                await person.press("escape")
        assert sum("Internal error in pepip" in text and "no such thing" in text for text in shown) == 1
        assert len(person.app.faults) == 1
        assert "Traceback" in person.app.faults.pop()
        await person.press("4")
        assert person.app.here == "activity"

    shown: list[str] = []
    use(player.store, script, pane="projects", size=(150, 48))


def test_an_error_of_the_disk_in_a_thread_is_told(
    player: Workbench, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The history of the app can't be read. A line says so, and the app shows the store."""
    assert player
    told: list[str] = []
    monkeypatch.setattr(job_history, "read", fail(lambda: OSError(5, "Input/output error", "/a/file")))
    monkeypatch.setattr(PepipApp, "notify", lambda _, message, **_options: told.append(message))

    async def script(person: Person) -> None:
        await person.until(lambda: told, "the words")
        assert told == ["Input/output error: /a/file"]
        assert len(person.table("#environments").keys) == 2

    use(store, script, pane="projects")


def test_a_store_that_fails_in_an_unexpected_way_has_a_screen(
    player: Workbench, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The app does not say for ever that it reads, and reads the store again as soon as that is possible."""
    from pepip.tui import entries

    assert player
    real = entries.listing
    fails = [True]

    def listing(*arguments: Any) -> Any:
        if fails:
            fails.pop()
            raise OSError(5, "Input/output error", "/a/file")
        return real(*arguments)

    async def script(person: Person) -> None:
        monkeypatch.setattr(entries, "listing", listing)
        await person.press("r")
        await person.sees("can't be read: Input/output error: /a/file")
        assert not person.app.is_reading
        await person.press("r")
        await person.until(lambda: "can't be read" not in person.screen, "the store")

    use(store, script)
