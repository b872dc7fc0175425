"""`pepip ui` with damaged stores, with changes while it runs, and with hostile names."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Generator
from pathlib import Path

import pytest

from pepip.operations.reporting import Progress
from pepip.tui.dialogs import MessageDialog
from pepip.tui.job import CANCELLED, DONE, Job, once
from pepip.uv import program
from tests.support.screens import Person, use
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

WHEELS = [
    Wheel("drum", "1.0", files={"drum/__init__.py": "x = 1\n" * 2000}, dependencies=["horn"]),
    Wheel("horn", "1.0", files={"horn/__init__.py": ""}, extras={"[/]": ["drum"]}),
    Wheel("horn", "2.0", files={"horn/__init__.py": ""}),
]


@pytest.fixture
def band(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> Workbench:
    """Return a user with two projects. One of them has a name that looks like markup."""
    monkeypatch.setenv("HOME", str(workbench.machine.home))
    monkeypatch.setenv("UV_CACHE_DIR", str(workbench.machine.uv_cache))
    workbench.at("one").install("drum", "horn==1.0")
    workbench.at("[red]two[b]").install("horn==1.0")
    return workbench.at(".")


def test_names_that_look_like_markup_are_shown_as_they_are(band: Workbench, store: Path) -> None:
    """This holds for every pane, and for the detail that lists the environments that link an entry."""

    async def script(person: Person) -> None:
        await person.write("#filter", "horn")
        await person.press("right")
        await person.sees("[red]two[b]/.venv", "no other package needs it", "drum needs it")
        await person.press("2")
        await person.sees("[red]two[b]")
        await person.press("3")
        await person.sees("Most shared", "horn")

    use(store, script, size=(280, 40))


@pytest.mark.parametrize("pane", ["store", "projects", "savings", "versions"])
def test_no_control_character_of_a_name_reaches_the_terminal(band: Workbench, store: Path, pane: str) -> None:
    """A member of a team, or a wheel, can put an escape sequence, or bytes that are no text, into any name."""
    document = next(store.glob("packages/*/drum-1.0/pepip-entry.json"))
    fields = json.loads(document.read_text())
    evil = "\x1b]0;evil\x07\x9b31m"
    for key in ("origin", "identity", "tag", "version"):
        fields[key] += evil
    document.parent.chmod(0o755)
    document.write_text(json.dumps(fields))
    document.parent.rename(f"{document.parent}\x1b[31m")
    Path(os.fsdecode(os.fsencode(store) + b"/projects/\xff\x1b[31m.json")).write_text("")

    band.at("home").pepip("ui", "--screen", pane, "--screenshot", "picture.svg")

    picture = (band.machine.home / "picture.svg").read_text()
    assert {character for character in picture if not character.isprintable()} <= {"\n", "\xa0"}
    assert "Quit" in picture


def test_the_cursor_and_the_marks_stay_on_their_entries(band: Workbench, store: Path) -> None:
    """After sorting, filtering or a refresh, a key press still acts on the same package."""

    async def script(person: Person) -> None:
        table = person.table("#entries")
        table.put_cursor(next(key for key in table.keys if "horn" in key))
        chosen = table.cursor_key
        await person.press("space")
        for _ in range(5):
            await person.press("s")
        assert table.marks == {chosen}
        table.put_cursor(chosen)
        await person.write("#filter", "horn")
        assert table.cursor_key == chosen
        await person.write("#filter", "")
        await person.press("r")
        await person.has_looked()
        assert table.cursor_key == chosen
        assert table.marks == {chosen}

    use(store, script)


def test_the_mouse_works_everywhere(band: Workbench, store: Path) -> None:
    """The mouse works on tabs, titles, rows, marks, facets and the keys."""

    async def script(person: Person) -> None:
        await person.click("#tabs", (22, 0))
        assert person.app.here == "projects"
        await person.click("#tabs", (9, 0))
        assert person.app.here == "store"
        table = person.table("#entries")
        await person.click("#entries", (8, 0))
        assert table.sort_key == "name"
        await person.click("#entries", (0, 2))
        assert table.marks == {table.keys[1]}
        await person.click("#facets", (2, 0))
        await person.until(lambda: person.app.query_one("#filter").value, "a facet")  # type: ignore[attr-defined]
        keys = person.app.query_one("#keys")
        spot = next(spot for spot in keys.click_targets if spot.action == "question_mark")  # type: ignore[attr-defined]
        await person.click("#keys", (spot.start + 1, 0))
        await person.sees("Help · Store")

    use(store, script)


def test_arrows_and_enter_lead_from_list_to_detail(band: Workbench, store: Path) -> None:
    """They lead from the list to the detail and back, and from a project to its packages and to the store."""

    async def script(person: Person) -> None:
        await person.press("right")
        assert person.focus == "detail"
        await person.press("left")
        assert person.focus == "entries"
        await person.press("2", "enter")
        assert person.focus == "packages"
        person.table("#packages").put_cursor("horn")
        await person.press("enter")
        await person.until(lambda: person.app.here == "store", "the store")
        await person.sees("name:horn", "1 entry, ")
        assert "horn" in person.table("#entries").cursor_key

    use(store, script, size=(150, 40))


def test_a_dialog_is_read_with_the_focus_on_its_button(band: Workbench, store: Path) -> None:
    """Down scrolls a text that is longer than the dialog, and Enter still closes the dialog."""

    async def script(person: Person) -> None:
        await person.press("right")
        await person.sees("Linked by")
        await person.press(*["down"] * 30)
        await person.sees("folder")
        await person.press("enter")
        await person.until(lambda: person.dialog is None, "the end of the dialog")

    use(store, script, size=(60, 18))


def test_changes_by_the_command_line_are_noticed(band: Workbench, store: Path) -> None:
    """The app refreshes by itself when an entry is added."""

    async def script(person: Person) -> None:
        await person.sees("2 entries")
        band.at("one").install("horn==2.0")
        await person.sees("3 entries")

    use(store, script)


def test_changes_of_environments_by_other_tools_are_noticed(band: Workbench, store: Path, tmp_path: Path) -> None:
    """The app refreshes by itself when pepip or uv removes a package from an environment."""

    async def script(person: Person) -> None:
        await person.until(lambda: person.app.session.catalog.users.get("py3-none-any/drum-1.0"), "the users")  # type: ignore[union-attr]
        band.at("one").pepip("uninstall", "-y", "drum")
        await person.sees("unused 1")
        band.at("one").uv("pip", "uninstall", "horn")
        await person.until(
            lambda: len(person.app.session.catalog.users["py3-none-any/horn-1.0"]) == 1,  # type: ignore[union-attr]
            "the second change",
        )

    use(store, script)


def test_answers_of_the_command_line_are_noticed(band: Workbench, store: Path, tmp_path: Path) -> None:
    """The app shows damage that `pepip store verify` finds while the app runs."""

    async def script(person: Person) -> None:
        (module,) = store.glob("packages/*/drum-1.0/drum/__init__.py")
        module.chmod(0o644)
        module.write_text("x = 2\n" * 2000)
        band.pepip("store", "verify", check=False)
        await person.sees("damaged 1")

    use(store, script)


def test_a_size_that_no_prune_frees_is_answered(
    band: Workbench, store: Path, tmp_path: Path, wheelhouse: Path
) -> None:
    """The dialog says that an upgrade may free more, and leaves its switches as they are."""
    band.at("one").install("horn==2.0")

    async def script(person: Person) -> None:
        await person.press("F")
        await person.until(lambda: person.app.screen.query("#bundles") and person.table("#bundles").keys, "the rows")
        before = person.screen.count("[x]")
        await person.write("#target", "5 GB")
        await person.press("slash", "enter")
        await person.sees("A prune frees less. Enter on a row previews its upgrade")
        assert person.screen.count("[x]") == before

    use(store, script)


def test_two_apps_and_the_command_line_at_once(band: Workbench, store: Path, tmp_path: Path) -> None:
    """If the command line prunes an entry, the app sees it gone, and neither waits long for the other."""
    band.at("one").pepip("uninstall", "-y", "drum")

    async def script(person: Person) -> None:
        other = threading.Thread(target=lambda: band.pepip("prune", "--yes"))
        await person.press("P")
        await person.until(lambda: person.dialog and person.table("#orphans").marks, "the preview")
        other.start()
        await person.until(lambda: not list(store.glob("packages/*/drum-1.0")), "the other's prune")
        other.join()
        await person.answers("go")
        job = await person.has_done()
        assert job.state == DONE
        await person.sees("1 entry, ")

    use(store, script)


def test_a_store_on_a_disk_that_goes_away_and_comes_back(band: Workbench, store: Path, tmp_path: Path) -> None:
    """The app reports the missing store in place of an empty list, and continues when the store is back."""

    async def script(person: Person) -> None:
        store.rename(tmp_path / "away")
        await person.press("r")
        await person.sees("has disappeared")
        await person.press("P")
        assert person.dialog is None or "Prune" in person.screen
        if person.dialog is not None:
            await person.press("escape")
        (tmp_path / "away").rename(store)
        await person.press("r")
        await person.sees("2 entries")

    use(store, script)

    assert len(list(store.glob("packages/*/*"))) == 2


def test_a_store_that_the_user_may_not_read(band: Workbench, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The app names the folder and the remedy. A stand-in refuses root, who may read everything."""
    real = os.listdir

    def refusing(path: str = ".") -> list[str]:
        if str(path).startswith(str(store)):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "listdir", refusing)

    async def script(person: Person) -> None:
        await person.sees("can't be read: Permission denied", "PEPIP_HOME")
        await person.press("P", "2", "3", "4", "1")

    use(store, script)


def test_a_store_path_that_is_a_file(tmp_path: Path) -> None:
    """The app shows an error and does not crash."""
    (tmp_path / "store").write_text("")

    async def script(person: Person) -> None:
        await person.sees("can't be read: Not a directory")

    use(tmp_path / "store", script)


def test_a_broken_registry_file_blocks_pruning(band: Workbench, store: Path) -> None:
    """A notice names the file, and a click shows it in full. The preview says why nothing can be removed."""
    registered = next((store / "projects").glob("*.json"))
    registered.write_text("{")

    async def script(person: Person) -> None:
        await person.sees("! The registry file")
        await person.click("#notices")
        await person.sees("Notices")
        assert isinstance(person.dialog, MessageDialog)
        assert f"{registered} can't be read (it is not valid JSON)" in person.dialog._text.plain
        await person.press("escape", "P")
        await person.sees("Nothing can be removed")
        assert person.app.screen.query_one("#answer-go").disabled
        await person.press("escape")
        await person.sees("pruning is blocked [P]")

    use(store, script)


def test_without_uv_the_app_refuses_only_an_install(
    band: Workbench, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The app shows and verifies the store without uv. An install is refused with the reason."""

    def missing() -> str:
        raise program.UvError("uv was not found", hint="install it beside pepip: `pip install uv`")

    monkeypatch.setattr(program, "path", missing)

    async def script(person: Person) -> None:
        await person.sees("! Uv was not found")
        await person.press("V")
        assert (await person.has_done()).state == DONE
        await person.press("I")
        await person.write("#place", str(store.parent / "three"))
        await person.write("#line", "horn")
        await person.press("enter")
        await person.sees("Failed", "uv was not found")

    use(store, script)


def test_a_damaged_entry_and_a_deleted_project_are_named(band: Workbench, store: Path, tmp_path: Path) -> None:
    """The entry is at the top as damaged. The project is missing, with the reason."""
    (document,) = store.glob("packages/*/drum-1.0/pepip-entry.json")
    document.chmod(0o644)
    document.write_text("{")
    shutil.rmtree(tmp_path / "[red]two[b]")

    async def script(person: Person) -> None:
        await person.sees("damaged 1", "✗")
        assert "drum" in person.table("#entries").keys[0]
        await person.press("2")
        await person.sees("missing")
        person.table("#environments").put_cursor(str(tmp_path / "[red]two[b]" / ".venv"))
        await person.sees("it was deleted or moved")

    use(store, script, size=(150, 40))


def endless(finish: threading.Event, ended: list[str]) -> Generator[Progress, None, None]:
    """Yield progress until `finish` is set or the generator is closed."""
    try:
        while not finish.wait(0.01):
            yield Progress("verify", "something[/]", 1, 2)
    finally:
        ended.append("closed")


@pytest.mark.parametrize(("answer", "state"), [("finish", DONE), ("cancel", CANCELLED)])
def test_quitting_while_an_operation_runs(band: Workbench, store: Path, answer: str, state: str) -> None:
    """The app asks: it lets the operation finish, or cancels it and waits. The default is Stay."""
    ended: list[str] = []
    finish = threading.Event()

    async def script(person: Person) -> None:
        person.app.session.queue.submit(Job("go on [/]", "pepip", lambda: endless(finish, ended)))
        await person.until(lambda: person.app.session.queue.current, "a start")
        await person.press("q")
        await person.sees("Unfinished operations", "go on [/]")
        await person.press("enter")
        await person.until(lambda: person.dialog is None, "the end of the dialog")
        assert person.app.is_running
        await person.press("q")
        await person.sees("Unfinished operations")
        await person.answers(answer)
        finish.set() if answer == "finish" else None
        await person.until(lambda: not person.app.is_running or person.app._exit, "the end")

    app = use(store, script)

    assert app.session.queue.jobs[0].state == state
    assert ended == ["closed"]


def test_operations_wait_for_each_other(band: Workbench, store: Path) -> None:
    """Operations run in their order. A waiting one can be cancelled before it begins."""
    order: list[str] = []
    go_on = threading.Event()

    def first() -> None:
        go_on.wait(30)
        order.append("first")

    async def script(person: Person) -> None:
        jobs = [
            person.app.session.queue.submit(Job("first", "pepip", once(first))),
            person.app.session.queue.submit(Job("second", "pepip", once(lambda: order.append("second")))),
            person.app.session.queue.submit(Job("third", "pepip", once(lambda: order.append("third")))),
        ]
        person.app.session.queue.cancel(jobs[1])
        go_on.set()
        await person.has_done(3)
        assert [job.state for job in jobs] == [DONE, CANCELLED, DONE]

    use(store, script)

    assert order == ["first", "third"]


def test_a_fault_of_the_engine_does_not_end_the_app(band: Workbench, store: Path) -> None:
    """The fault is shown in full, and the next operation runs."""

    async def script(person: Person) -> None:
        person.app.session.queue.submit(Job("divide", "pepip", once(lambda: 1 // 0)))
        await person.sees("Failed: divide", "ZeroDivisionError")
        await person.press("escape")
        person.app.session.queue.submit(Job("go on", "pepip", once(lambda: 1)))
        assert (await person.has_done(2)).state == DONE

    use(store, script)


def test_the_palette_and_the_clipboard(band: Workbench, store: Path) -> None:
    """The palette finds every action by name. The command of the visible detail is copied."""

    async def script(person: Person) -> None:
        await person.press("y")
        assert person.app.clipboard.startswith("pepip store show ")
        await person.press("ctrl+p")
        await person.pilot.pause()
        await person.press(*"verify all")
        await person.sees("Verify every file of the store")
        await person.press("enter")
        assert (await person.has_done()).title == "verify the whole store"

    use(store, script)


def test_the_doctor_is_shown_in_a_dialog(band: Workbench, store: Path, tmp_path: Path) -> None:
    """The doctor has one line for each check, and a hint for each fault."""
    shutil.rmtree(tmp_path / "one")

    async def script(person: Person) -> None:
        await person.press("exclamation_mark")
        await person.sees("Doctor", "uv: uv ", "warning environment:", "$ pepip doctor")

    use(store, script, size=(160, 60))


def test_looking_changes_no_registration(band: Workbench, store: Path) -> None:
    """The app changes no registration while the user only looks."""
    before = {path: path.read_bytes() for path in (store / "projects").iterdir()}

    async def script(person: Person) -> None:
        await person.press("2", "3", "4", "1", "r")
        await person.has_looked()

    use(store, script)

    assert {path: path.read_bytes() for path in (store / "projects").iterdir()} == before
    assert all(json.loads(content)["format"] == 1 for content in before.values())
