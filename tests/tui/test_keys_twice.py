"""A key that reaches `pepip ui` twice in one read of the terminal, as over ssh, does its work once."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.text import Text
from textual import events

from pepip.tui.dialogs import Help, MessageDialog
from pepip.tui.job import DONE
from pepip.tui.messages import Explained
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
    app_bench.at("two").install("drum")
    return app_bench


async def press_twice(person: Person, key: str) -> None:
    """Press a key twice, before the app has answered the first press."""
    for _ in range(2):
        event = events.Key(key, {"enter": "\r", "escape": None}.get(key, key))
        event.set_sender(person.app)
        person.app.post_message(event)
    await person.pilot.pause(0.1)
    await person.pilot.pause()


async def write_and_enter_twice(person: Person, text: str) -> None:
    """Type a line into the open dialog, and press Enter twice."""
    await person.write("#line", text)
    person.app.screen.query_one("#line").focus()
    await person.pilot.pause()
    await press_twice(person, "enter")


def test_enter_twice_in_a_line_asks_once(player: Workbench, store: Path) -> None:
    """The dialog is closed once, and one job is queued."""

    async def script(person: Person) -> None:
        await person.press("+")
        await write_and_enter_twice(person, "horn")
        job = await person.has_done()
        assert job.state == DONE
        await person.press("C")
        await write_and_enter_twice(person, str(player.folder))
        await person.has_done(2)
        assert [job.title for job in person.app.session.queue.jobs] == ["store horn", f"scan {player.folder}"]
        assert len(person.app.screen_stack) == 1

    use(store, script)


def test_enter_twice_in_a_list_answers_once(player: Workbench, store: Path) -> None:
    """The help presses the key of the row once. The list of projects opens one comparison."""

    async def script(person: Person) -> None:
        await person.press("question_mark")
        await person.until(lambda: isinstance(person.dialog, Help), "the help")
        await press_twice(person, "enter")
        assert not isinstance(person.dialog, Help)

    use(store, script)


def test_a_dialog_below_another_one_keeps_its_answer(player: Workbench, store: Path) -> None:
    """The message at the top is not closed in its place. Afterwards the dialog below can be answered."""

    async def script(person: Person) -> None:
        await person.press("+")
        await person.until(lambda: person.dialog, "the question")
        below = person.dialog
        assert below is not None
        person.app.actions.explain("Failed: a job", Text("the disk is full"))
        await person.until(lambda: isinstance(person.dialog, MessageDialog), "the message")
        below.action_answer("go")
        await person.pilot.pause()
        assert isinstance(person.dialog, MessageDialog)
        await person.press("escape")
        await person.until(lambda: person.dialog is below, "the question")
        await person.write("#line", "horn")
        await person.press("enter")
        await person.has_done()
        assert [job.title for job in person.app.session.queue.jobs] == ["store horn"]

    use(store, script)


@pytest.mark.every(3)
@pytest.mark.parametrize("key", ["i", "E", "d", "U", "f", "S"])
def test_a_key_of_the_projects_opens_one_dialog(player: Workbench, store: Path, key: str) -> None:
    """The second press reaches the pane before the dialog is open."""

    async def script(person: Person) -> None:
        await press_twice(person, key)
        await person.until(lambda: person.dialog, "a dialog")
        await person.pilot.pause(0.1)
        assert len(person.app.screen_stack) == 2

    use(store, script, pane="projects")


@pytest.mark.parametrize("key", ["l", "enter", "t", "m"])
def test_a_key_of_the_store_opens_one_dialog(player: Workbench, store: Path, key: str) -> None:
    """A thread makes the text of an entry for a narrow screen. The second text is not shown."""

    async def script(person: Person) -> None:
        await press_twice(person, key)
        await person.until(lambda: person.dialog, "a dialog")
        await person.pilot.pause(0.1)
        assert len(person.app.screen_stack) == 2

    use(store, script, size=(80, 24))


def test_a_text_does_not_cover_a_dialog_that_was_opened_later(player: Workbench, store: Path) -> None:
    """The user answers the question that they see."""

    async def script(person: Person) -> None:
        await person.press("+")
        await person.until(lambda: person.dialog, "the question")
        question = person.dialog
        person.app.post_message(Explained("Doctor", Text("all is well"), "pepip doctor"))
        await person.pilot.pause()
        assert person.dialog is question

    use(store, script)
