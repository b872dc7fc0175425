"""Keys of `pepip ui` act on what is under the cursor, and leave alone what the user reads."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from pepip.tui.job import Job, once
from pepip.tui.versions_pane import VersionsPane
from tests.support.screens import Person, use
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

WHEELS = [
    Wheel(name, version, files={f"{name}/__init__.py": ""}) for name in ("drum", "horn") for version in ("1.0", "2.0")
]


@pytest.fixture
def player(app_bench: Workbench) -> Workbench:
    """Return the app's user with two projects."""
    app_bench.at("one").install("drum==1.0", "horn==1.0")
    app_bench.at("two").install("drum==2.0", "horn==2.0")
    return app_bench


def test_the_log_of_a_running_operation_stays_where_the_user_reads(player: Workbench, store: Path) -> None:
    """At its end, the log follows the operation."""
    goes_on = threading.Event()

    async def script(person: Person) -> None:
        job = person.app.session.queue.submit(Job("long", "pepip long", once(lambda: goes_on.wait(20))))
        job.say("\n".join(f"line {number}" for number in range(300)))
        await person.press("4")
        await person.sees("line 299")
        log = person.app.query_one("#log")
        log.focus()
        log.scroll_to(y=5, animate=False)
        await person.until(lambda: log.scroll_y == 5, "the earlier lines")
        job.say("one more line")
        person.app._show_jobs()
        await person.pilot.pause(0.1)
        assert log.scroll_y == 5
        log.scroll_end(animate=False)
        await person.sees("one more line")
        job.say("the last line")
        await person.sees("the last line")
        goes_on.set()

    use(store, script)


def test_the_reasons_are_those_of_the_package_under_the_cursor(player: Workbench, store: Path) -> None:
    """A mark on another package does not change that. To detach, only one package may be marked."""

    async def script(person: Person) -> None:
        table = person.table("#environments")
        table.put_cursor(next(key for key in table.keys if "/one/" in key))
        await person.press("enter", "space")
        packages = person.table("#packages")
        assert (packages.marks, packages.cursor_key) == ({"drum"}, "horn")
        await person.press("t")
        await person.sees("Why horn")
        await person.press("escape", "space")
        assert packages.marks == {"drum", "horn"}
        for key in "DL":
            await person.press(key)
            await person.sees("Several packages are marked")
            assert person.dialog is None
            person.app.clear_notifications()
            await person.until(lambda: "Several packages" not in person.screen, "the end of the note")

    use(store, script, pane="projects")


def test_marks_that_the_filter_hides_leave_the_cell_under_the_cursor(player: Workbench, store: Path) -> None:
    """In the versions, as in the other lists."""

    async def script(person: Person) -> None:
        await person.press("5")
        pane = person.app.query_one(VersionsPane)
        await person.until(lambda: pane.matrix.grid.cells, "the cells")
        pane.matrix.marks = {("drum", str(player.folder / "two" / ".venv"))}
        await person.write("#versions-filter", "horn")
        await person.until(lambda: [row for row, _ in pane.matrix.grid.rows] == ["horn"], "the filtered rows")
        assert pane.chosen == [pane.matrix.cursor]
        assert pane.matrix.cursor[0] == "horn"

    use(store, script)


def test_quitting_over_the_settings_restores_a_theme_that_was_only_tried(player: Workbench, store: Path) -> None:
    """The user stays, and has not saved the theme."""
    goes_on = threading.Event()

    async def script(person: Person) -> None:
        person.app.session.queue.submit(Job("long", "pepip long", once(lambda: goes_on.wait(20))))
        before = person.app.theme
        await person.press("comma")
        await person.sees("Settings")
        person.table("#settings").put_cursor("theme:nord")
        await person.press("space")
        assert person.app.theme == "nord"
        await person.press("ctrl+q")
        await person.answers("")
        assert person.app.theme == before
        goes_on.set()

    use(store, script)
