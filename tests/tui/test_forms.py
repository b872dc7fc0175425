"""Forms, previews and the drawer of `pepip ui`: typed lines are kept, paths are completed, and each job is shown."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from pathlib import Path

import pytest
from textual.widgets import Input

from pepip.operations.reporting import Progress
from pepip.tui.bars import Drawer
from pepip.tui.job import DONE, Job
from pepip.tui.path_input import suggestion_for
from tests.support.machines import Machine
from tests.support.screens import Person, use
from tests.support.wheels import Wheel


@pytest.fixture
def writer(app_user: Machine, wheelhouse: Path) -> Machine:
    """Return the user of the app, with a wheel."""
    Wheel("horn", "1.0", files={"horn/__init__.py": ""}).write(wheelhouse)
    return app_user


def line_of(person: Person, selector: str) -> str:
    """Return the text of an input line."""
    return person.app.screen.query_one(selector, Input).value


def test_typed_lines_survive_escape_and_a_second_enter(writer: Machine, store: Path, tmp_path: Path) -> None:
    """A form that was closed opens again with its lines. Escape in the preview goes back to the form."""

    async def script(person: Person) -> None:
        await person.press("I")
        await person.write("#place", str(tmp_path / "band"))
        await person.write("#line", "horn")
        await person.press("escape")
        await person.until(lambda: person.dialog is None, "the end of the form")
        await person.press("I")
        await person.until(lambda: person.dialog, "the form")
        assert (line_of(person, "#place"), line_of(person, "#line")) == (str(tmp_path / "band"), "horn")
        person.app.screen.query_one("#line").focus()
        await person.press("enter", "enter", "enter")
        await person.sees("1 from local files")
        await person.press("escape")
        await person.sees("Requirements, as for")
        assert line_of(person, "#line") == "horn"
        await person.press("enter")
        await person.answers("go")
        assert (await person.has_done()).state == DONE
        await person.press("I")
        await person.until(lambda: person.dialog, "the form")
        assert line_of(person, "#line") == ""

    use(store, script)

    assert (tmp_path / "band" / ".venv").exists()


def test_questions_keep_their_line(writer: Machine, store: Path) -> None:
    """The dialogs of storing and scanning do so. After a missing folder, the dialog opens again."""

    async def script(person: Person) -> None:
        await person.press("plus")
        await person.write("#line", "horn drum")
        await person.press("escape", "plus")
        await person.until(lambda: person.dialog, "the question")
        assert line_of(person, "#line") == "horn drum"
        await person.press("escape", "C")
        await person.write("#line", "/no/such/folder")
        await person.press("enter")
        await person.sees("there is no folder")
        await person.press("escape")
        await person.until(lambda: person.app.screen.query("#line"), "the question")
        assert line_of(person, "#line") == "/no/such/folder"

    use(store, script)


def test_the_form_begins_with_the_folder_of_the_start(writer: Machine, store: Path, tmp_path: Path) -> None:
    """If the folder is a project, it is filled in. Any other folder is the first of the list."""
    (tmp_path / "band").mkdir()

    async def offered(person: Person) -> None:
        await person.press("I")
        await person.sees("(started here)")
        assert line_of(person, "#place") == ""

    async def filled(person: Person) -> None:
        await person.press("I")
        await person.until(lambda: person.focus == "line", "the requirements")
        assert line_of(person, "#place") == str(tmp_path / "band")
        assert person.table("#known").keys == [str(tmp_path / "band")]

    use(store, offered, folder=tmp_path / "band", size=(160, 48))
    (tmp_path / "band" / "pyproject.toml").write_text("")
    use(store, filled, folder=tmp_path / "band", size=(160, 48))


def test_paths_are_completed(writer: Machine, store: Path, tmp_path: Path) -> None:
    """Tab takes the suggestion. Without one, Tab moves to the next widget."""
    (tmp_path / "orchestra" / "strings").mkdir(parents=True)
    (tmp_path / "orchestra" / ".hidden").mkdir()
    (tmp_path / "orchestra" / "a file").write_text("")
    assert suggestion_for(f"{tmp_path}/orch") == f"{tmp_path}/orchestra"
    assert suggestion_for(f"{tmp_path}/orchestra/") == f"{tmp_path}/orchestra/strings"
    assert suggestion_for(f"{tmp_path}/orchestra/.") == f"{tmp_path}/orchestra/.hidden"
    assert suggestion_for(f"{tmp_path}/nothing/") is None
    assert suggestion_for("~nobody-of-this-name/") is None

    async def script(person: Person) -> None:
        await person.press("I")
        await person.until(lambda: person.focus == "place", "the form")
        await person.write("#place", f"{tmp_path}/orches")
        await person.press("end", "t")
        place = person.app.screen.query_one("#place", Input)
        await person.until(lambda: place._suggestion == f"{tmp_path}/orchestra", "a suggestion")
        await person.press("tab")
        assert place.value == f"{tmp_path}/orchestra"
        await person.press("tab")
        await person.until(lambda: person.focus != "place", "the next widget")

    use(store, script)


def steps(go_on: threading.Event, seconds: float = 0) -> Generator[Progress, None, None]:
    """Yield progress, the second step some time after the first, and wait."""
    yield Progress("verify", "one", 0, 40)
    time.sleep(seconds)
    yield Progress("verify", "two", 10, 40)
    go_on.wait(60)


def test_a_job_is_shown_although_the_previous_one_was_hidden(writer: Machine, store: Path) -> None:
    """Escape hides only the running job."""
    events = [threading.Event(), threading.Event()]

    async def script(person: Person) -> None:
        drawer = person.app.query_one(Drawer)
        for number, event in enumerate(events):
            person.app.session.queue.submit(Job(f"job {number}", "pepip", lambda event=event: steps(event)))
        await person.until(lambda: drawer.display and drawer.job and drawer.job.title == "job 0", "the first job")
        await person.press("escape")
        await person.until(lambda: not drawer.display, "no drawer")
        events[0].set()
        await person.until(lambda: drawer.display and drawer.job and drawer.job.title == "job 1", "the second job")
        events[1].set()
        await person.has_done(2)

    use(store, script)


def test_the_drawer_shows_speed_and_remaining_time(writer: Machine, store: Path) -> None:
    """The speed is per second."""
    go_on = threading.Event()

    async def script(person: Person) -> None:
        job = person.app.session.queue.submit(Job("look", "pepip", lambda: steps(go_on, 1.1)))
        await person.until(lambda: job.pace, "a speed")
        await person.sees("10 of 40", "/s", "s left")
        go_on.set()
        await person.has_done()

    use(store, script)


def test_speed_in_bytes() -> None:
    """A download adds the bytes of its steps. Adopting counts all bytes itself."""
    job = Job("get", "pepip", lambda: steps(threading.Event()))
    job.state = "running"
    for step in (Progress("download", "a", 0, 9_000_000), Progress("download", "a", 3_000_000, 9_000_000)):
        job.note(step)
    job.phase_began = time.monotonic() - 3

    speed, _, left = job.pace.partition("/s, ")

    assert speed.endswith((" MB", " kB"))
    assert 5 <= int(left.removesuffix(" s left")) <= 7
