"""`pepip ui` goes on after lines that can't be read, unknown settings, and a disk that is away."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from rich.text import Text
from textual.widgets import Button

from pepip.errors import UvError
from pepip.operations import preferences, prune, reclaim
from pepip.operations.adoption import find_venvs
from pepip.operations.reporting import Progress
from pepip.store import trash
from pepip.store.root import Store
from pepip.tui import user_input
from pepip.tui.dialogs import MessageDialog
from pepip.tui.job import DONE
from pepip.tui.reclaim_dialog import ReclaimDialog
from tests.support.screens import Person, use
from tests.support.stores import entries_of
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


@pytest.fixture
def idler(player: Workbench) -> Workbench:
    """Return the app's user with two entries that nothing links."""
    for name in ("one", "two"):
        shutil.rmtree(player.folder / name / ".venv")
    return player


@pytest.mark.parametrize(
    ("line", "complaint"), [("drum 'x", "can't be read"), ("--pre drum", "--pre is not allowed")]
)
def test_a_wrong_line_for_several_projects_is_asked_again(
    player: Workbench, store: Path, line: str, complaint: str
) -> None:
    """The message names the fault, and the line can be mended."""

    async def script(person: Person) -> None:
        await person.press("space", "space", "i")
        await person.write("#line", line)
        await person.press("enter")
        await person.sees("Not possible", complaint)
        await person.press("escape")
        await person.sees("Install into 2 environments", line)
        await person.write("#line", "drum")
        await person.press("enter")
        await person.sees("1 environment would change")

    use(store, script, pane="projects")


def test_a_wrong_time_of_the_trash_is_named_when_several_projects_are_removed(
    player: Workbench, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable can't be read, and nothing is removed."""
    monkeypatch.setenv("PEPIP_TRASH_TIME", "soon")

    async def script(person: Person) -> None:
        await person.press("space", "space", "d")
        await person.sees("Not possible", "PEPIP_TRASH_TIME")

    use(store, script, pane="projects")


def test_a_theme_that_textual_lacks_does_not_hinder_other_settings(player: Workbench, store: Path) -> None:
    """The settings may be of another version of the app. The theme stays in the file."""
    os.makedirs(os.path.dirname(preferences.path()), exist_ok=True)
    preferences.write(preferences.read()._replace(theme="no-such"))

    async def script(person: Person) -> None:
        before = person.app.theme
        person.app.use(preferences.read())
        await person.press("comma")
        await person.sees("Settings")
        await person.press("down", "space")
        await person.answers("go")
        await person.has_done()
        assert person.app.theme == before

    use(store, script)
    assert (preferences.read().theme, preferences.read().bell) == ("no-such", False)


def test_the_app_survives_a_store_that_disappears_below_a_dialog(idler: Workbench, store: Path) -> None:
    """The dialog can't measure the space of another choice any more, and says why."""

    async def script(person: Person) -> None:
        await person.press("P")
        await person.until(lambda: "in 1 day" in person.screen, "the gain")
        os.rename(store, f"{store}.away")
        try:
            await person.press("t")
            await person.sees("The store can't be read")
        finally:
            os.rename(f"{store}.away", store)

    use(store, script)


def test_reclaim_says_why_it_can_not_measure(idler: Workbench, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of uv does not end the app."""

    def fail(*_: object, **__: object) -> None:
        raise UvError("uv cache dir failed")

    async def script(person: Person) -> None:
        await person.press("F")
        await person.sees("in 1 day")
        monkeypatch.setattr(reclaim, "measure", fail)
        await person.press("c")
        await person.sees("uv cache dir failed")

    use(store, script)


def test_a_search_that_fails_is_over(player: Workbench, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The app does not say for ever that it searches."""

    def fail(*_: object, **__: object) -> Generator[Progress, None, None]:
        yield Progress("scan", "/a/folder")
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(find_venvs, "discover", fail)

    async def script(person: Person) -> None:
        await person.until(
            lambda: not any(w.group == "unshared" for w in person.app.workers if w.is_running), "the end"
        )
        await person.pilot.pause()
        assert person.app.session.search_place == ""

    use(store, script, pane="projects")


def test_entries_of_an_unreachable_project_lead_to_the_store(player: Workbench, store: Path) -> None:
    """The names of its packages are not known: no package can be uninstalled."""
    folder = player.folder / "two"
    shutil.rmtree(folder)
    folder.symlink_to(folder)

    async def script(person: Person) -> None:
        table = person.table("#environments")
        table.put_cursor(next(key for key in table.keys if "/two/" in key))
        await person.pilot.pause()
        await person.press("enter", "u")
        await person.sees("No package is chosen")
        await person.press("enter")
        await person.until(lambda: person.app.here == "store", "the store")
        assert person.table("#entries").cursor_key == "py3-none-any/horn-1.0"

    use(store, script, pane="projects")


def test_enter_on_the_trash_empties_it(idler: Workbench, store: Path) -> None:
    """The list of the space that can be freed has a row for the trash. Nothing else is removed."""
    idler.pepip("prune", "--yes", "--trash", "drum==1.0")

    async def script(person: Person) -> None:
        await person.press("F")
        await person.sees("the trash")
        table = person.table("#bundles")
        table.put_cursor("trash")
        table.focus()
        await person.press("enter")
        await person.sees("Empty the trash", "prunes can no longer be undone")
        await person.answers("go")
        job = await person.has_done()
        assert job.state == DONE
        assert job.title == "empty the trash"

    use(store, script)
    assert trash.kept(Store(str(store))) == []
    assert entries_of(store) == ["horn-1.0"]


def test_reclaim_offers_nothing_if_no_bundle_is_left(idler: Workbench, store: Path) -> None:
    """The button is off, and no command is shown."""

    async def script(person: Person) -> None:
        await person.press("F")
        await person.sees("pepip prune --yes")
        dialog = person.app.screen
        assert isinstance(dialog, ReclaimDialog)
        assert dialog._found is not None
        dialog.post_message(ReclaimDialog.Found(dialog._found._replace(bundles=[]), 0.0, 90))
        await person.sees("Nothing can be freed")
        assert dialog.query_one("#answer-go", Button).disabled
        assert dialog.command == ""

    use(store, script)


def test_a_disk_that_hangs_does_not_stop_the_form(
    player: Workbench, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command comes when the disk answers. Meanwhile the user types, and one thread waits."""
    answers, looks = threading.Event(), []
    real = user_input.environment_at

    def slow(text: str) -> str:
        looks.append(text)
        answers.wait(2)
        return real(text)

    monkeypatch.setattr(user_input, "environment_at", slow)

    async def script(person: Person) -> None:
        await person.press("I")
        await person.write("#line", "horn")
        for name in ("a", "ab", "abc"):
            await person.write("#place", str(player.folder / name))
        await person.sees(str(player.folder / "abc"))
        assert len(looks) == 1
        answers.set()
        command = f"pepip install --venv {player.folder / 'abc'}/.venv horn"
        await person.until(lambda: person.dialog and person.dialog.command == command, command)

    use(store, script)


def test_the_figure_of_an_older_catalog_does_not_replace_a_newer_one(
    idler: Workbench, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow check of the older catalog ends last."""
    goes_on, checks, ended = threading.Event(), [], []
    real = prune.preview

    async def script(person: Person) -> None:
        def slow(*arguments: Any) -> prune.PrunePreview:
            checks.append(arguments)
            if len(checks) > 1:
                return real(*arguments)
            goes_on.wait(20)
            ended.append(True)
            return real(*arguments)._replace(orphans=[])

        app = person.app
        monkeypatch.setattr(prune, "preview", slow)
        catalog = app.session.catalog
        assert catalog is not None
        app.session.prunable = None
        app._checks.begin(catalog)
        await person.until(lambda: checks, "the older check")
        app._checks.begin(catalog)
        await person.until(lambda: app.session.prunable, "the newer figure")
        goes_on.set()
        await person.until(lambda: ended, "the end of the older check")
        await person.pilot.pause(0.2)
        assert app.session.prunable is not None
        assert len(app.session.prunable.orphans) == 2

    use(store, script)


def test_several_messages_over_each_other_are_drawn(player: Workbench, store: Path) -> None:
    """Operations that fail one after the other open them. Textual draws the lowest one later than the others."""

    async def script(person: Person) -> None:
        for title in ("lowest", "middle", "top"):
            person.app.push_screen(MessageDialog(title, Text(title)))
        await person.sees("top")
        lowest = person.app.screen_stack[1]
        lowest._layout_cache.clear()
        for dialog in person.app.screen_stack[1:]:
            dialog._styles_cache.clear()
            dialog._set_dirty()
        await person.sees("top")
        await person.press("escape", "escape")
        await person.sees("lowest")

    use(store, script)
