"""The activity log of `pepip ui`, the verdicts of earlier runs, and the bell."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from textual.widgets._toast import Toast

from pepip.store import activity_log, trash, verdicts
from pepip.store.activity_log import Finished
from pepip.store.check import Flaw
from pepip.store.listing import stored
from pepip.store.root import Store
from pepip.tui import bell as terminal_bell
from pepip.tui import formatting, job_history
from pepip.tui.job import DONE, Job, Report, once
from tests.support.indexes import Index, counting_server
from tests.support.screens import Person, use
from tests.support.stores import entries_of
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

WHEELS = [Wheel(name, "1.0", files={f"{name}/__init__.py": "x = 1\n" * 3000}) for name in ("drum", "horn")]


@pytest.fixture
def keeper(workbench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workbench:
    """Return a user with two orphans. This process runs as that user, too."""
    workbench.pepip("store", "add", "drum", "horn", *workbench.from_wheelhouse)
    for name, value in workbench.machine.variables({"XDG_STATE_HOME": str(tmp_path / "state")}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(trash, "has_room", lambda _: True)  # the disk of the tests may be nearly full
    return workbench


def test_operations_are_listed_and_run_again_at_the_next_start(keeper: Workbench, store: Path) -> None:
    """The list has the time, the duration and the bytes. The second run uses the command."""

    async def remove(person: Person) -> None:
        await person.write("#filter", "horn")
        await person.press("d")
        await person.sees("1 entry to remove")
        await person.press("t")
        await person.sees("free at once")
        await person.answers("go")
        await person.has_done()
        await person.until(lambda: activity_log.read(Store(str(store))), "the note")

    use(store, remove)
    (noted,) = activity_log.read(Store(str(store)))
    assert (noted.command, noted.state) == ("pepip prune --yes horn==1.0", DONE)
    assert noted.freed_bytes > 10_000
    environment = os.environ["PEPIP_HOME"]
    assert entries_of(Path(environment)) == ["drum-1.0"]

    async def again(person: Person) -> None:
        await person.sees("prune 1 entry", f"-{formatting.size(noted.freed_bytes)}")
        assert person.table("#jobs").cursor_key == "-1"
        await person.press("a")
        await person.sees("Run again", "1 entry removed", "pepip prune --yes horn==1.0")
        await person.answers("go")
        job = await person.has_done()
        assert (job.state, job.command) == (DONE, noted.command), job.log
        assert job.outcome == "Nothing to prune"

    use(store, again, pane="activity")
    assert [row.command for row in activity_log.read(Store(str(store)))] == [noted.command] * 2


def test_the_log_is_that_of_the_newest_operation(
    keeper: Workbench, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cursor that was never moved follows. A small download counts, although uv does not tell of it."""
    flute = Wheel("flute", "1.0", files={"flute/__init__.py": ""})

    async def script(person: Person) -> None:
        await person.press("V")
        await person.has_done(1)
        await person.press("4")
        await person.sees("$ pepip store verify")
        await person.press("plus")
        await person.write("#line", "flute")
        await person.answers("go")
        job = await person.has_done(2)
        assert job.state == DONE, job.log
        await person.sees("$ pepip store add flute", f"+{formatting.size(job.fetched_bytes)}")
        assert job.fetched_bytes == (tmp_path / "index" / flute.filename).stat().st_size

    with counting_server() as server:
        server.add("main", Index(wheels=[flute], is_json=True, has_sizes=True), tmp_path / "index")
        monkeypatch.setenv("UV_DEFAULT_INDEX", server.simple("main"))
        use(store, script)


def test_a_command_of_another_program_is_not_run(keeper: Workbench, store: Path) -> None:
    """A changed activity log can't start another program."""
    done = Finished("harmless", "touch owned", DONE, "done", [], 1_700_000_000, 1.0)
    activity_log.add(Store(str(store)), done)

    async def script(person: Person) -> None:
        await person.sees("harmless")
        await person.press("a")
        await person.sees("touch owned is not a command of pepip")

    use(store, script, pane="activity")


def test_the_log_is_bounded_and_a_damaged_log_is_empty(keeper: Workbench, store: Path, tmp_path: Path) -> None:
    """Two hundred operations stay, each with its last hundred lines."""
    home = Store(str(store))
    lines = [f"line {number}" for number in range(300)]
    for number in range(205):
        activity_log.add(home, Finished(f"job {number}", "pepip doctor", DONE, "done", lines, 1, 1.0))

    rows = activity_log.read(home)

    assert (len(rows), rows[0].title, rows[-1].title) == (200, "job 5", "job 204")
    assert rows[0].log == lines[-100:]
    (file,) = (tmp_path / "state" / "pepip").glob("activity-*.json")
    for content in ("{", "[[1]]", json.dumps([["a", "b", "c", "d", [1], 0, 0]]), "x" * (17 << 20)):
        file.write_text(content)
        assert activity_log.read(home) == []


def test_verdicts_are_known_at_the_next_start(keeper: Workbench, store: Path, tmp_path: Path) -> None:
    """A damaged entry is shown as damaged, but not if it was stored again since."""
    home = Store(str(store))
    module = next(store.glob("packages/*/drum-1.0/drum/__init__.py"))
    module.chmod(0o644)
    module.write_text("changed")
    keeper.pepip("store", "verify", check=False)

    async def script(person: Person) -> None:
        await person.sees("✗", "damaged: 1 problem", "drum/__init__.py")
        await person.press("j")
        await person.sees("every file intact, ")

    use(store, script)
    found = verdicts.read(home, stored(home))
    assert {name: verdict.flaws for name, verdict in found.items()} == {
        "py3-none-any/drum-1.0": (Flaw("altered", "drum/__init__.py"),),
        "py3-none-any/horn-1.0": (),
    }
    entry = module.parents[1]
    entry.chmod(0o755)
    entry.rename(tmp_path / "away")
    entry.mkdir()
    assert "py3-none-any/drum-1.0" not in verdicts.read(home, [item._replace(stored_at=1) for item in stored(home)])


@pytest.mark.parametrize(("seconds", "bell", "rings"), [(11.0, "", True), (9.0, "", False), (11.0, "0", False)])
def test_a_long_operation_rings_the_bell(
    keeper: Workbench, store: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, bell: str, *, rings: bool
) -> None:
    """After ten seconds the terminal rings and notifies. `PEPIP_BELL=0` turns both off. Names are printable."""
    monkeypatch.setenv("PEPIP_BELL", bell)
    written: list[str] = []

    async def script(person: Person) -> None:
        driver = person.app._driver
        assert driver is not None
        monkeypatch.setattr(driver, "write", written.append)
        job: Job[object] = Job("verify \x1b[31m", "pepip store verify", once(lambda: None))
        job.seconds, job.report, job.outcome = seconds, Report("done"), "done"
        terminal_bell.ring(person.app, job, rings=True)

    use(store, script)

    assert ("\x07\x1b]9;pepip: verify \\x1b[31m: done\x1b\\" in written) == rings


def test_a_note_covers_no_button(keeper: Workbench, store: Path) -> None:
    """Over a dialog it is in the first line of the screen, whatever the dialog's size."""

    async def script(person: Person) -> None:
        await person.press("question_mark")
        await person.until(lambda: person.dialog, "the help")
        person.app.notify("a note")
        await person.until(lambda: person.app.screen.query(Toast), "the note")
        (toast,) = person.app.screen.query(Toast)
        assert toast.region.y == 0
        assert person.screen.splitlines()[0].strip().startswith("a note")

    use(store, script, size=(80, 24))


def test_a_note_covers_one_line_above_the_keys(keeper: Workbench, store: Path) -> None:
    """The rows of the list stay visible, and a later note replaces an earlier one."""

    async def script(person: Person) -> None:
        before = person.screen.splitlines()
        await person.press("y", "y")
        await person.sees("Copied: pepip store show drum==1.0")
        now = person.screen.splitlines()
        assert [number for number, line in enumerate(now) if line != before[number]] == [len(before) - 1]

    use(store, script, size=(80, 24))


def test_a_command_of_an_earlier_run_keeps_its_paths(keeper: Workbench, store: Path, tmp_path: Path) -> None:
    """Relative ones begin in the folder of the earlier run. No module of that folder is imported."""
    place = tmp_path / "My\u00a0Code"
    keeper.at("My\u00a0Code/one").install("drum")
    (place / "runpy.py").write_text("raise SystemExit(9)\n")
    (place / "pepip.py").write_text("raise SystemExit(9)\n")
    home = Store(str(store))
    for command, folder in (("pepip projects scan one", str(place)), (f"pepip projects scan '{place}'", "")):
        activity_log.add(home, Finished("scan", command, DONE, "done", [], 1_700_000_000, 1.0, folder=folder))

    assert [job.command for job in job_history.read(home)][1] == f"pepip projects scan '{place}'"

    async def script(person: Person) -> None:
        for number in (-2, -1):
            person.table("#jobs").put_cursor(str(number))
            await person.press("a")
            await person.answers("go")
            job = await person.has_done(3 + number)
            assert job.state == DONE, job.log
        shutil.rmtree(place)
        person.table("#jobs").put_cursor("-2")
        await person.press("a")
        await person.sees("the folder of this command is gone")

    use(store, script, pane="activity")
    assert activity_log.read(home)[-2].folder == str(place)
