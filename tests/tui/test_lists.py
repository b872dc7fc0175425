"""Lists of `pepip ui`: sorting, filters, marks, changes on disk, and the names in help and palette."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from textual import events
from textual.widgets import Input

from pepip.environment import last_use
from pepip.tui import key_bindings, palette
from pepip.tui.table import Table
from tests.support.indexes import served
from tests.support.machines import site_packages_of
from tests.support.projects import write_simple_index
from tests.support.screens import Person, use
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

WHEELS = [
    Wheel("drum", "1.0", files={"drum/__init__.py": "x = 1\n" * 9000}),
    Wheel("horn", "1.0", files={"horn/__init__.py": ""}),
    Wheel("skin", "1.0", files={"skin/__init__.py": "x = 1\n" * 3000}),
]


@pytest.fixture
def keeper(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> Workbench:
    """Return a user with two projects."""
    monkeypatch.setenv("HOME", str(workbench.machine.home))
    monkeypatch.setenv("UV_CACHE_DIR", str(workbench.machine.uv_cache))
    workbench.at("code/one").install("drum", "horn", "skin")
    workbench.at("code/two").install("horn")
    return workbench.at(".")


def names(table: Table) -> list[str]:
    """Return the names in a list of entries, from the top."""
    return [key.rpartition("/")[2].partition("-")[0] for key in table.keys]


def test_sorting_in_both_directions_stays_at_the_top(keeper: Workbench, store: Path) -> None:
    """A cursor that was never moved stays at the top. A cursor that was moved stays on its entry."""

    async def script(person: Person) -> None:
        table = person.table("#entries")
        assert names(table) == ["drum", "skin", "horn"]
        await person.press("O")
        assert names(table) == ["horn", "skin", "drum"]
        assert table.cursor_key == table.keys[0]
        await person.press("s")
        assert (table.sort_key, names(table)) == ("name", ["drum", "horn", "skin"])
        assert table.cursor_key == table.keys[0]
        await person.press("j", "O")
        assert "horn" in table.cursor_key
        await person.press("j", "O")
        assert "drum" in table.cursor_key

    use(store, script)


@pytest.mark.parametrize(
    ("pane", "keys_in_a_row", "expected"),
    [
        ("store", ["slash", *"horn", "enter", "j"], ("horn", "entries")),
        ("store", ["slash", *"horn", "escape", "s"], ("", "entries")),
        ("store", ["slash", *"a/d"], ("a/d", "filter")),
        ("projects", ["slash", *"one", "down", "s"], ("one", "environments")),
        ("versions", ["slash", *"x", "enter", "a"], ("x", "matrix")),
    ],
)
def test_a_busy_app_gives_no_key_to_a_filter_that_was_left(
    keeper: Workbench, store: Path, pane: str, keys_in_a_row: list[str], expected: tuple[str, str]
) -> None:
    """All keys come before the app has handled the first. Each goes where it would go with time between them."""

    async def script(person: Person) -> None:
        for key in keys_in_a_row:
            person.app.post_message(events.Key(key, {"slash": "/"}.get(key, key if len(key) == 1 else None)))
        typed = person.app.query_one(f"#{pane} FilterLine", Input)
        await person.until(lambda: (typed.value, person.focus) == expected, str(expected))
        assert person.dialog is None

    use(store, script, pane=pane)


def test_projects_are_filtered_and_sorted_by_their_last_use(
    keeper: Workbench, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command line lists the same. Without the times of starts, no project counts as idle or as used."""
    old = tmp_path / "code" / "one" / ".venv"
    for path in (old / "pyvenv.cfg", site_packages_of(old)):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    shown = keeper.pepip("projects", "--filter", "idle:>90d", "--sort", "used", "--json").stdout

    async def script(person: Person) -> None:
        table = person.table("#environments")
        await person.write("#projects-filter", "idle:>90d")
        await person.until(lambda: table.keys == [str(old)], "the idle project alone")
        await person.sees("1 environment,", "2023-11-1")
        await person.write("#projects-filter", "idle:<90d")
        await person.until(lambda: table.keys == [str(tmp_path / "code" / "two" / ".venv")], "the other")
        await person.write("#projects-filter", "")
        await person.press("escape", "s", "s", "s", "s")
        assert (table.sort_key, table.keys[0]) == ("used", str(old))
        monkeypatch.setattr(last_use, "of", lambda _: last_use.LastUse(1_700_000_000, counts_starts=False))
        person.app.read_again()
        await person.has_looked()
        await person.write("#projects-filter", "idle:>1d")
        await person.until(lambda: not table.keys, "no project")

    use(store, script, pane="projects", size=(160, 48))

    assert [item["environment"] for item in json.loads(shown)] == [str(old)]


def test_a_cursor_whose_row_is_gone_goes_to_the_next_row(keeper: Workbench, store: Path, tmp_path: Path) -> None:
    """The cursor does not jump to the first row, and the detail is that of its new row."""

    async def script(person: Person) -> None:
        table = person.table("#entries")
        assert names(table) == ["drum", "skin", "horn"]
        await person.press("down")
        keeper.at("code/one").pepip("uninstall", "-y", "skin")
        keeper.pepip("prune", "--yes")
        await person.until(lambda: names(table) == ["drum", "horn"], "the prune")
        assert "horn" in table.cursor_key
        await person.sees("used by 2 environments")

    use(store, script)


def test_help_names_each_key_once(keeper: Workbench, store: Path) -> None:
    """A letter that does the same as an arrow has a name of its own."""

    async def script(person: Person) -> None:
        await person.press("question_mark")
        keys = {row.cells[1]: row.cells[0].split() for row in person.table("#help")._rows}
        assert keys["Show the detail of this entry"] == ["l", "→"]
        assert all(len(set(names)) == len(names) for names in keys.values())

    use(store, script)


def test_hidden_marks_have_no_effect(keeper: Workbench, store: Path) -> None:
    """They are counted, and come back. Escape clears the filter at once."""

    async def script(person: Person) -> None:
        table = person.table("#entries")
        await person.press("a")
        await person.press("slash", *"horn")
        await person.sees("1 marked", "(2 more hidden by the filter)")
        await person.press("enter", "v")
        job = await person.has_done()
        assert job.outcome == "1 entry checked, intact"
        await person.press("slash", "escape")
        assert person.focus == "entries"
        assert len(table.keys) == 3
        await person.press("v")
        assert (await person.has_done(2)).outcome == "3 entries checked, all intact"

    use(store, script)


def test_projects_are_filtered_and_their_packages_sorted(keeper: Workbench, store: Path, tmp_path: Path) -> None:
    """A word, a size and a state filter; `s` sorts the list that has the focus."""
    one, two = (str(tmp_path / "code" / name / ".venv") for name in ("one", "two"))

    async def script(person: Person) -> None:
        table, packages = person.table("#environments"), person.table("#packages")
        assert set(table.keys) == {one, two}
        await person.press("slash", *"code/two")
        assert table.keys == [two]
        await person.write("#projects-filter", ">150kB ok")
        assert table.keys == [one]
        await person.write("#projects-filter", "nonsense")
        await person.sees("nothing matches nonsense")
        await person.press("escape")
        assert set(table.keys) == {one, two}
        table.put_cursor(one)
        before = table.keys
        await person.press("enter", "s", "s")
        assert packages.sort_key == "size"
        assert packages.keys == ["drum", "skin", "horn"]
        assert table.keys == before
        await person.press("O")
        assert packages.keys == ["horn", "skin", "drum"]

    use(store, script, pane="projects", size=(160, 40))


def test_a_removed_project_is_noticed(keeper: Workbench, store: Path, tmp_path: Path) -> None:
    """Without a key press, its state changes, and the entries that only it linked are unused."""

    async def script(person: Person) -> None:
        await person.sees("nothing to prune")
        shutil.rmtree(tmp_path / "code" / "one")
        await person.sees("○", "it was deleted or moved", "kB to prune")

    use(store, script, pane="projects", size=(160, 40))


def test_help_and_palette_have_no_names_of_textual(keeper: Workbench, store: Path) -> None:
    """Each name appears once, on the list and in the filter."""

    async def script(person: Person) -> None:
        for pane, focus in (("store", "#entries"), ("store", "#filter"), ("projects", "#packages")):
            await person.app.action_show(pane)
            person.app.screen.query_one(focus).focus()
            await person.pilot.pause()
            titles = Counter(command.title for command in palette.commands_of(person.app.screen))
            assert [title for title, count in titles.items() if count > 1] == []
            offered = {binding.description for binding in key_bindings.offered_on(person.app.screen)}
            assert offered.isdisjoint(
                {"Focus Next", "Copy selected text", "Move cursor left", "Scroll Up", "Page Left"}
            )
            assert "Commands" in offered

    use(store, script, size=(160, 40))


def test_entries_that_differ_from_their_record_are_counted_and_shown(
    keeper: Workbench, store: Path, tmp_path: Path
) -> None:
    """An install does not read the files of such a wheel, so only a verification finds them."""
    (tmp_path / "wheels").mkdir()
    Wheel("clock", "1.0", files={"clock/face.txt": "12"}, wrong_hashes=["clock/face.txt"]).write(tmp_path / "wheels")
    write_simple_index(tmp_path / "pages" / "simple", tmp_path / "wheels", hashes=True)
    fresh = replace(keeper, variables={"UV_CACHE_DIR": str(tmp_path / "uv-cache")})
    with served(tmp_path / "pages") as url:
        fresh.pepip("store", "add", "clock", "--default-index", f"{url}simple/")

    async def script(person: Person) -> None:
        await person.press("V")
        job = await person.has_done()
        assert job.outcome == "4 entries checked, 1 unproven: R fetches and compares"
        await person.write("#filter", "clock")
        await person.sees("✗", "unproven: 1 problem", "RECORD differs", "clock/face.txt")

    use(store, script)


def test_ctrl_c_says_how_to_quit(keeper: Workbench, store: Path) -> None:
    """It quits nothing, as it copies selected text elsewhere."""
    assert keeper

    async def script(person: Person) -> None:
        await person.press("ctrl+c")
        await person.sees("q quits")
        assert "[b]" not in person.screen

    use(store, script)
