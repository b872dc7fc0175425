"""The views of `pepip ui`: versions, reasons, files, the map; scripts, tools and layers."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from textual.app import App, ComposeResult

from pepip.tui.files_view import FilesView
from pepip.tui.job import DONE
from pepip.tui.map_view import MapView, TreeMap
from pepip.tui.matrix import Cell, Grid, Matrix
from pepip.tui.reasons_view import ReasonsView
from tests.support.machines import site_packages_of, version_in
from tests.support.screens import Person, use
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

WHEELS = [
    *(
        Wheel("drum", version, files={"drum/__init__.py": "x = 1\n" * 9000, "drum/kit/[bass].py": "y = 2\n" * 5000})
        for version in ("1.0", "2.0")
    ),
    Wheel("band", "1.0", files={"band/__init__.py": ""}, dependencies=["drum", "horn"]),
    Wheel("horn", "1.0", files={"horn/__init__.py": ""}),
    *(
        Wheel(
            "pen",
            version,
            files={"pen/__init__.py": f"def main():\n    print({version!r})\n"},
            entry_points={"console_scripts": {"pen": "pen:main"}},
        )
        for version in ("1.0", "2.0")
    ),
]


@pytest.fixture
def player(app_bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workbench:
    """Return the workbench of the app's user, with a folder of tools."""
    monkeypatch.setenv("UV_TOOL_DIR", str(tmp_path / "tools"))
    monkeypatch.setenv("UV_TOOL_BIN_DIR", str(tmp_path / "bin"))
    monkeypatch.chdir(tmp_path)
    return app_bench


def stuck(player: Workbench) -> Path:
    """Make a project with drum 1.0 whose requirement no version meets any more, and return its environment."""
    project = player.at("stuck")
    project.machine.make_folder(project.project)
    text = '[project]\nname = "stuck"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["drum{}"]\n'
    (project.project / "pyproject.toml").write_text(text.format("<2"))
    project.pepip("sync")
    (project.project / "pyproject.toml").write_text(text.format(">5"))
    return project.environment


def test_marked_versions_are_upgraded_in_one_preview(player: Workbench, store: Path) -> None:
    """The preview names the project that can't be upgraded; the others are upgraded, each by its own job."""
    one, two = player.at("one").install("drum==1.0"), player.at("two").install("drum==1.0")
    player.at("new").install("drum")
    left = stuck(player)

    async def script(person: Person) -> None:
        await person.press("5")
        matrix = person.app.screen.query_one(Matrix)
        await person.until(lambda: len(matrix.grid.columns) == 4, "the matrix")
        await person.press("a")
        await person.sees("3 marked", "newest version here: 2.0")
        await person.press("U")
        await person.sees("2 environments would change", "1 can't be upgraded", "fails:", "from the store, was 1.0")
        assert person.dialog is not None
        roots = sorted(map(str, (left, one, two)))
        assert person.dialog.command == f"pepip upgrade drum --projects {' '.join(roots)}"
        await person.answers("go")
        await person.has_done(2)
        assert [job.state for job in person.app.session.queue.jobs] == [DONE, DONE]
        assert [job.command for job in person.app.session.queue.jobs] == [
            f"pepip upgrade drum --projects {root}" for root in (one, two)
        ]
        await person.until(lambda: matrix.marks == {("drum", str(left))}, "the new versions")
        assert "hidden by the filter" not in person.screen
        await person.write("#versions-filter", "project:two")
        await person.sees("0 marked (1 more hidden by the filter)")
        await person.press("U")  # hidden marks have no effect, so the cell under the cursor counts
        await person.sees("Nothing to upgrade")
        assert person.dialog is not None
        assert person.dialog.command == f"pepip upgrade drum --projects {two}"

    use(store, script)

    assert (version_in(one, "drum"), version_in(two, "drum"), version_in(left, "drum")) == ("2.0", "2.0", "1.0")


@pytest.mark.real_world
def test_the_mouse_marks_cells_rows_and_columns(player: Workbench, store: Path) -> None:
    """A second click marks a cell. A click on a title marks a row or column. A click starts the upgrade."""
    one, two = player.at("one").install("drum==1.0"), player.at("two").install("drum==1.0")
    player.at("new").install("drum")

    async def script(person: Person) -> None:
        await person.click("#tabs", (person.screen.splitlines()[0].index("5 Versions"), 0))
        matrix = person.app.screen.query_one(Matrix)
        await person.until(lambda: len(matrix.grid.columns) == 3, "the matrix")
        left, width = matrix._first, matrix._column_width
        await person.click("#matrix", (left + width + 3, 1))
        assert matrix.cursor == ("drum", str(two))
        await person.click("#matrix", (left + width + 3, 1))
        assert matrix.marks == {("drum", str(two))}
        await person.click("#matrix", (3, 1))
        assert len(matrix.marks) == 3
        await person.click("#matrix", (3, 1))
        await person.click("#matrix", (left + 3, 0))
        assert matrix.marks == {("drum", str(one))}
        await person.click("#keys", (person.screen.splitlines()[-1].index("Upgrade"), 0))
        await person.answers("go")
        assert (await person.has_done()).state == DONE

    use(store, script)

    assert (version_in(one, "drum"), version_in(two, "drum")) == ("2.0", "1.0")


def test_a_package_is_explained_up_and_down(player: Workbench, store: Path) -> None:
    """The view lists needs in both directions. Enter asks about one of the listed packages."""
    environment = player.at("one").install("band")

    async def script(person: Person) -> None:
        await person.press("2", "enter")
        person.table("#packages").put_cursor("horn")
        await person.press("t")
        await person.until(lambda: getattr(person.app.screen, "is_answered", False), "the answer")
        assert isinstance(person.app.screen, ReasonsView)
        assert person.app.screen.command == f"pepip why horn --project {environment}"
        await person.sees("needed by", "band 1.0", "installed on its own")
        table = person.table("#reasons")
        table.put_cursor(next(key for key in table.keys if "\nband\n" in key))
        await person.press("enter")
        await person.sees("Why band", "only it needs", "drum 2.0")
        assert person.app.screen.command == f"pepip why band --project {environment}"
        await person.press("backspace")
        await person.sees("Why horn")
        await person.press("backspace")
        await person.until(lambda: person.dialog is None, "the projects")
        await person.press("1")
        await person.write("#filter", "horn")
        await person.press("t")
        await person.sees("Why horn 1.0 in all environments", "1 environment")
        await person.press("question_mark")
        await person.sees("Copy the command that shows the same")

    use(store, script)


def test_files_are_reached_from_the_list_and_from_the_map(player: Workbench, store: Path) -> None:
    """Enter goes into folders, Backspace goes up. A double click on the map opens the same list."""
    player.at("one").install("drum", "horn")

    async def script(person: Person) -> None:
        await person.press("enter")
        await person.sees("drum 2.0 · any · files", "drum/", "%")
        await person.press("enter")
        await person.sees("kit/", "__init__.py")
        person.table("#files").put_cursor("1")
        await person.click("#files", (20, 2), times=2)
        await person.sees("/drum/kit", "[bass].py")
        await person.press("enter", "backspace")
        assert person.table("#files").cursor_key == "1"
        assert isinstance(person.app.screen, FilesView)
        assert person.app.screen.command == "pepip store show drum==2.0 --files"
        await person.press("backspace", "backspace")
        await person.until(lambda: person.dialog is None, "the list")
        await person.press("m")
        await person.sees("Map · 2 entries", "drum 2.0", "horn 1.0")
        tiles = {plot.name: tile for plot, tile in person.app.screen.query_one(TreeMap).tiles}
        assert tiles["drum 2.0"].area > tiles["horn 1.0"].area
        corner = (int(tiles["horn 1.0"].left) + 1, int(tiles["horn 1.0"].top))
        await person.click("#map", corner)
        await person.sees("horn 1.0 · any · linked by 1 environment")
        await person.press("left", "right", "up", "down", "g")
        await person.sees("drum 2.0 · any · linked by 1 environment")
        await person.click("#map", corner)
        await person.click("#map", corner, times=2)
        await person.sees("horn 1.0 · any · files", "horn/")
        await person.press("escape")
        await person.until(lambda: person.dialog is None, "the list")
        await person.press("m", "escape")
        await person.until(lambda: not isinstance(person.app.screen, MapView), "the list")

    use(store, script)


def test_a_tool_is_listed_upgraded_and_removed(player: Workbench, store: Path, tmp_path: Path) -> None:
    """A filter finds it by its kind. uv upgrades it, and removes it with its launcher."""
    player.at("one").install("horn")
    player.pepip("tool", "install", "pen>=1", "--with", "horn")
    player.pepip("tool", "install", "--force", "pen<2")
    tool = tmp_path / "tools" / "pen"
    receipt = tool / "uv-receipt.toml"
    receipt.write_text(receipt.read_text().replace("<2", "<3"))

    async def script(person: Person) -> None:
        await person.press("2")
        await person.write("#projects-filter", "kind:tool")
        await person.press("enter")
        table = person.table("#environments")
        await person.until(lambda: table.keys == [str(tool)], "the tool alone")
        await person.sees("pen (tool)")
        await person.press("U")
        await person.sees("1 environment would change", "the whole tool, by uv")
        await person.answers("go")
        job = await person.has_done()
        assert job.state == DONE, job.log
        assert version_in(tool, "pen") == "2.0"
        assert (site_packages_of(tool) / "pen").is_symlink()
        await person.press("d")
        await person.sees("Remove the tool pen", "pepip tool uninstall pen")
        await person.answers("go")
        job = await person.has_done(2)
        assert job.state == DONE, job.log

    use(store, script, size=(160, 48))

    assert not tool.exists()
    assert not (tmp_path / "bin" / "pen").exists()


def test_a_script_keeps_its_packages_and_loses_its_environment(
    player: Workbench, store: Path, tmp_path: Path
) -> None:
    """Its environment goes, with what it alone links, and comes back by an undo. Only the script changes packages."""
    player.at("one").install("horn")
    path = tmp_path / "show.py"
    path.write_text('# /// script\n# dependencies = ["drum<2", "horn"]\n# ///\nimport drum\n')
    player.pepip("run", str(path))

    async def script(person: Person) -> None:
        table = person.table("#environments")
        await person.click("#projects-facets", (2, 0))
        await person.write("#projects-filter", "kind:script")
        await person.until(lambda: len(table.keys) == 1, "the script alone")
        root = Path(table.keys[0])
        await person.press("escape", "escape")
        table.put_cursor(str(player.folder / "one" / ".venv"))
        await person.press("i")
        await person.until(lambda: person.dialog, "the form")
        assert person.table("#known").keys == [str(player.folder / "one")]
        await person.press("escape")
        table.put_cursor(str(root))
        await person.press("i")
        await person.sees("lists the packages that it needs", f"pepip add --script {path}")
        await person.press("escape", "d")
        await person.sees("with 1 entry that only it links", "drum 1.0")
        await person.answers("go")
        job = await person.has_done()
        assert job.outcome.startswith("1 entry and 1 environment removed"), job.log
        assert job.report.freed_bytes == 0
        assert path.exists()
        assert not root.exists()
        assert [entry.name for entry in sorted(store.glob("packages/*/*"))] == ["horn-1.0"]
        await person.press("z")
        await person.sees("1 environment and 1 entry, removed")
        await person.answers("go")
        await person.has_done(2)
        assert (site_packages_of(root) / "drum" / "__init__.py").exists()

    use(store, script, size=(160, 48), pane="projects")


def test_entries_of_a_layer_have_their_own_sign(player: Workbench, store: Path, tmp_path: Path) -> None:
    """They have a sign and a filter. The detail names the layer. They can't be removed."""
    layer = tmp_path / "layer"
    player.pepip("store", "add", "drum", "horn", variables={"PEPIP_HOME": str(layer)})
    player.at("one").install("horn", variables={"PEPIP_LAYERS": str(layer)})

    async def script(person: Person) -> None:
        await person.write("#filter", "layer:")
        await person.sees("2 entries", "◇", "◆")
        table = person.table("#entries")
        table.put_cursor(next(key for key in table.keys if "horn" in key))
        await person.sees("the layer", "used by 1 environment")
        table.put_cursor(next(key for key in table.keys if "drum" in key))
        await person.sees("other users may link it")
        await person.press("d")
        await person.sees("Entries of a layer are not removed")
        await person.press("escape", "t")
        await person.sees("no environment has it")
        await person.press("escape", "enter")
        await person.sees("drum 2.0 · any · files", "drum/")

    use(store, script, size=(150, 40), layers=[layer])

    assert [path.name for path in sorted(layer.glob("packages/*/*"))] == ["drum-2.0", "horn-1.0"]


def test_a_large_matrix_shows_any_cell_at_once() -> None:
    """The first column and the titles stay in place, and only the cells on the screen are drawn."""
    rows = [(f"package-{number}", f"package-{number}") for number in range(800)]
    columns = [(f"/code/{number}", f"project-{number}") for number in range(1000)]
    cells = {(row, column): Cell(f"{row[8:]}.{column[6:]}", "") for row, _ in rows[::7] for column, _ in columns[::3]}

    class Hall(App[None]):
        def compose(self) -> ComposeResult:
            yield Matrix("Several", verb="", id="matrix")

    async def run() -> tuple[list[str], float]:
        app = Hall()
        async with app.run_test(size=(60, 12)) as pilot:
            matrix = app.query_one(Matrix)
            matrix.show(Grid(rows, columns, cells))
            await pilot.press("G", "end")
            started = time.process_time()
            await pilot.press("up", "up", "up", "up", "up", "up", "k", "h", "h", "h")
            seconds = time.process_time() - started
            await pilot.press(*["j"] * 6, "l", "l", "l")
            assert matrix.cursor == ("package-798", "/code/999")
            shown = [matrix.render_line(y).text for y in range(12)]
            await pilot.press("g", "home")
            assert matrix.cursor == ("package-0", "/code/0")
            assert (matrix.scroll_x, matrix.scroll_y) == (0, 0)
            return shown, seconds

    shown, seconds = asyncio.run(run())

    assert shown[0].startswith("  Several")
    assert "project-999" in shown[0]
    (line,) = [line for line in shown if "798.999" in line]
    assert line.startswith("  package-798")
    assert seconds < 2  # ten keys: some 30 ms each on a busy machine, where a repaint of all cells takes seconds
