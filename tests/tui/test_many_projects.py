"""Marked projects of the app: one dialog with the plan for all, and a job for each of them."""

from __future__ import annotations

import shlex
import shutil
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.widgets import Static

from pepip.operations import install as installing
from pepip.operations.adoption import eject as ejecting
from pepip.operations.adoption.eject import Ejected
from pepip.operations.reporting import Progress
from pepip.tui.job import CANCELLED, DONE, FAILED
from pepip.tui.projects_pane import ProjectsPane
from tests.support.machines import site_packages_of
from tests.support.screens import Person, use
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

WHEELS = [
    *(Wheel("drum", version, files={"drum/__init__.py": f"V = {version!r}\n" * 2000}) for version in ("1.0", "2.0")),
    Wheel("horn", "1.0", files={"horn/__init__.py": ""}),
]


@pytest.fixture
def player(app_bench: Workbench) -> Workbench:
    """Return the user of the app, who has three projects. Two of them link a package that the third lacks."""
    for name, package in (("one", "drum==1.0"), ("two", "drum==1.0"), ("three", "horn")):
        app_bench.at(name).install(package)
    return app_bench


def links_of(folder: Path, name: str) -> list[str]:
    """Return the names of the links among the site-packages of a project."""
    return sorted(path.name for path in site_packages_of(folder / name / ".venv").iterdir() if path.is_symlink())


def test_marks_act_on_the_listed_projects_alone(player: Workbench, store: Path) -> None:
    """Keys and mouse mark. A filter hides marks: the hidden project stays linked. Escape clears the filter first."""

    async def script(person: Person) -> None:
        table = person.table("#environments")
        await person.press("space")
        await person.click("#environments", (0, 2))
        await person.click("#environments", (0, 3))
        await person.sees("3 marked", "marked 3")
        await person.write("#projects-filter", "two")
        await person.sees("1 marked (2 more hidden by the filter)")
        await person.press("E")
        await person.sees("Eject this environment")
        await person.press("escape")
        await person.press("escape")
        assert (person.app.query_one(ProjectsPane).filter_text, len(table.marks)) == ("", 3)
        await person.write("#projects-filter", "-three")
        await person.press("E")
        await person.sees("Eject 2 environments", "would change", "real files")
        await person.answers("go")
        await person.has_done(2)
        await person.sees("eject 2 environments: 2 done")
        await person.press("escape", "escape", "escape")
        assert not table.marks

    use(store, script, pane="projects")

    folder = player.folder
    assert (links_of(folder, "one"), links_of(folder, "two")) == ([], [])
    assert "horn" in links_of(folder, "three")


def test_the_marked_projects_are_listed_and_written(player: Workbench, store: Path) -> None:
    """The facet `marked:` works as it does for entries. The command for the list names the marked projects."""
    path = player.folder / "list.csv"

    async def script(person: Person) -> None:
        table = person.table("#environments")
        await person.press("space", "space")
        await person.click_on("marked 2")
        assert set(table.keys) == table.marks
        assert len(table.keys) == 2
        await person.press("e")
        await person.write("#line", str(path))
        assert person.dialog is not None
        commands.append(person.dialog.command)
        await person.answers("go")
        await person.has_done()

    commands: list[str] = []
    use(store, script, pane="projects")
    written = path.read_text()
    path.unlink()
    player.pepip(*shlex.split(commands[0])[1:])
    assert path.read_text() == written
    assert len(written.splitlines()) == 3


def test_one_project_that_fails_does_not_stop_the_rest(
    player: Workbench, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One dialog at the end names the project that failed, with its command. The other one is upgraded."""
    real = installing.install

    def fail_in_one(*arguments: Any) -> Generator[Progress, None, Any]:
        if "/one/" in arguments[2].environment and not arguments[2].dry_run:
            raise OSError(28, "No space left on device", arguments[2].environment)
        return (yield from real(*arguments))

    monkeypatch.setattr(installing, "install", fail_in_one)

    async def script(person: Person) -> None:
        await person.press("a", "U")
        await person.sees("Upgrade all packages in 3 environments", "2 environments would change")
        await person.answers("go")
        await person.has_done(2)
        await person.sees("Failed in part: upgrade all packages in 3 environments", "1 done, 1 failed")
        await person.sees("No space left on device")
        assert person.dialog is not None
        assert person.dialog.command.startswith("pepip upgrade --projects ")
        assert "/one/" in person.dialog.command
        assert "/two/" not in person.dialog.command
        assert [job.state for job in person.app.session.queue.jobs] == [FAILED, DONE]

    use(store, script, pane="projects")

    assert player.at("two").python("-c", "import drum; print(drum.V)") == "2.0"
    assert player.at("one").python("-c", "import drum; print(drum.V)") == "1.0"


def test_cancelling_ends_all_operations_of_one_request(
    player: Workbench, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`x` cancels the running operation and those that wait for it. The projects stay linked."""
    go_on = threading.Event()

    def slowly(*arguments: Any) -> Generator[Progress, None, Ejected]:
        while not go_on.wait(0.02):
            yield Progress("eject", "slowly")
        return (yield from real(*arguments))

    real = ejecting.eject
    monkeypatch.setattr(ejecting, "eject", slowly)

    async def script(person: Person) -> None:
        await person.press("a", "E")
        await person.answers("go")
        await person.sees("(+2 waiting)")
        await person.press("4")
        assert person.table("#jobs").keys == [str(job.number) for job in person.app.session.queue.jobs]
        await person.press("2")
        await person.press("x")
        await person.until(lambda: not person.app.session.queue.unfinished, "the end")
        await person.sees("eject 3 environments: 3 cancelled")
        assert {job.state for job in person.app.session.queue.jobs} == {CANCELLED}

    use(store, script, pane="projects")
    go_on.set()

    assert all("drum" in links_of(player.folder, name) for name in ("one", "two"))


def test_two_marked_projects_are_compared_by_name(player: Workbench, store: Path) -> None:
    """The columns have the names of both projects, and so has the sentence."""
    player.at("two").install("drum==2.0")

    async def script(person: Person) -> None:
        await person.write("#projects-filter", "-three")
        await person.press("a", "equals_sign")
        await person.until(lambda: person.dialog, "the dialog")
        left, right = (Path(root).parent.name for root in person.app.query_one(ProjectsPane).chosen)
        await person.sees(f"From {left} to {right}: 1 changed")
        titles = [column.title for column in person.table("#differences").columns]
        assert titles[2:] == [left, right]

    use(store, script, pane="projects")


def test_a_key_right_after_escape_is_for_the_projects(player: Workbench, store: Path) -> None:
    """Both keys come before the app has moved the focus. The mark goes to the project, not to a package."""
    assert player

    async def script(person: Person) -> None:
        await person.press("enter")
        for key, character in (("escape", "\x1b"), ("space", " ")):
            person.app.post_message(events.Key(key, character))
        await person.sees("1 marked")
        assert not person.table("#packages").marks

    use(store, script, pane="projects")


@pytest.mark.parametrize("size", [(50, 20), (80, 24)])
def test_a_plan_for_many_projects_shows_its_buttons_and_its_texts(
    player: Workbench, store: Path, size: tuple[int, int]
) -> None:
    """The list gives way, not the buttons. A line shows the row under the cursor in full. Keys move the cursor."""
    for number in range(12):
        player.at(f"choir-with-a-long-name-{number:02}").install("horn")

    async def script(person: Person) -> None:
        await person.press("a", "S")
        await person.sees("Nothing to sync.")
        line = person.app.screen.query_one("#preview-row", Static)
        await person.until(lambda: "[project] table is beside it" in str(line.content), "the whole row")
        assert line.region.height <= 4
        await person.press("G", "k") if size[0] > 50 else await person.press("j")
        frame, cancel = person.app.screen.query_one(".dialog"), person.app.screen.query_one("#answer-")
        assert cancel.region.bottom == frame.region.bottom - 1
        assert frame.region.bottom <= size[1]

    use(store, script, size=size, pane="projects")


def test_the_middle_of_a_long_name_gives_way(player: Workbench, store: Path) -> None:
    """Two names that differ only at their ends look different. Wide characters count as two columns."""
    for end in ("v1", "v2"):
        player.at(f"{'x' * 90}-{end}").install("horn")
    player.at("日本語" * 12 + "-終").install("horn")

    async def script(person: Person) -> None:
        await person.sees("x-v1", "x-v2", "-終", "…")

    use(store, script, size=(80, 24), pane="projects")


@pytest.mark.parametrize("pane", ["store", "projects", "savings", "activity", "versions"])
def test_no_line_of_the_help_is_cut(player: Workbench, store: Path, pane: str) -> None:
    """At 80 columns, each key's line fits."""
    assert player

    async def script(person: Person) -> None:
        await person.press("question_mark")
        await person.until(lambda: person.dialog, "the help")
        assert not person.table("#help").is_cutting

    use(store, script, size=(80, 24), pane=pane)


def test_a_deleted_environment_leaves_only_its_registration(player: Workbench, store: Path) -> None:
    """There is nothing to upgrade or eject. Removing it means to forget it, alone or with others."""
    folder = player.folder
    for name in ("one", "two"):
        shutil.rmtree(folder / name)

    async def script(person: Person) -> None:
        person.table("#environments").put_cursor(f"{folder}/one/.venv")
        await person.press("U")
        await person.sees("nothing to upgrade: it was deleted or moved")
        await person.press("E")
        await person.sees("nothing to eject: it was deleted or moved")
        await person.press("d")
        await person.sees("Forget this environment")
        await person.answers("go")
        await person.has_done()
        await person.press("escape", "a", "d")
        await person.sees("2 environments would change", "leaves the registry", "The environment goes")
        await person.answers("go")
        await person.has_done(3)
        assert not person.table("#environments").keys

    use(store, script, pane="projects")

    assert not (folder / "three" / ".venv").exists()


def test_a_plan_names_the_project_that_fails_and_syncs_the_others(player: Workbench, store: Path) -> None:
    """The reason begins with the telling words of uv, and is there once. Projects without a lock are left alone."""
    text = '[project]\nname = "{0}"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["{1}"]\n'
    for name, dependency in (("one", "drum"), ("two", "nosuch")):
        (player.folder / name / "pyproject.toml").write_text(text.format(name, dependency))

    async def script(person: Person) -> None:
        await person.press("a", "S")
        await person.sees("1 environment would change", "1 can't; the others can")
        await person.sees("fails: No solution found", "no pyproject.toml")
        table = person.table("#preview")
        table.put_cursor(next(key for key in table.keys if "/two/" in key))
        words, line = (person.app.screen.query_one(name, Static) for name in ("#preview-words", "#preview-row"))
        await person.until(lambda: "nosuch was not found" not in str(line.content), "the line")
        assert str(words.content).count("nosuch was not found") == 1
        await person.answers("go")
        job = await person.has_done()
        assert job.state == DONE, job.log

    use(store, script, pane="projects")

    assert player.at("one").python("-c", "import drum; print(drum.V)") == "2.0"
    assert player.at("two").python("-c", "import drum; print(drum.V)") == "1.0"
