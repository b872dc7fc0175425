"""The reports of `pepip ui`: the screens, the written files, and the shown commands."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest
from textual.widgets import Input

from pepip.operations import preferences, undo
from pepip.operations.growth import PERIODS
from pepip.store import growth_log
from pepip.store.growth_log import SECONDS_A_DAY as DAY
from pepip.store.root import Store
from pepip.tui import bell
from pepip.tui.compare_dialog import CompareDialog
from pepip.tui.facets import Facets
from pepip.tui.growth_plot import GrowthPlot
from pepip.tui.job import DONE
from tests.support.advisories import Service, record, service
from tests.support.machines import Output
from tests.support.screens import Person, use
from tests.support.wheels import Wheel
from tests.support.workbench import SettledWorkbench, Workbench

WHEELS = [
    Wheel(name, version, files={f"{name}/__init__.py": f"V = {version!r}\n" * 999})
    for name, version in (("drum", "1.0"), ("drum", "2.0"), ("horn", "1.0"), ("flute", "1.0"))
]
LOUD = record("A-1", "drum", {"introduced": "0"}, {"fixed": "2.0"}, summary="Too loud")


@dataclass(frozen=True)
class Desk(SettledWorkbench):
    """The workbench of the app's user, with three projects: `one`, `two`, and `app`, which has a lock."""

    @property
    def settings(self) -> Path:
        """Return the folder of the user's settings."""
        return Path(os.environ["XDG_CONFIG_HOME"])

    def shown(self, command: str, *more: str, check: bool = True) -> Output:
        """Run a command that the app has shown."""
        program, *words = shlex.split(command)
        assert program == "pepip"
        return self.pepip(*words, *more, check=check)


@pytest.fixture
def advisories() -> Iterator[Service]:
    """Return a service that knows one advisory."""
    with service({("drum", "1.0"): LOUD}) as found:
        yield found


@pytest.fixture
def desk(app_bench: Workbench, advisories: Service, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Return the user. This process runs as that user, too."""
    monkeypatch.setenv("PEPIP_AUDIT_SERVICE_URL", advisories.url)
    app_bench.at("one").install("drum==1.0", "horn")
    app_bench.at("two").install("drum==2.0", "flute")
    return Desk.like(app_bench)


def test_an_audit_asks_only_after_its_button(desk: Desk, advisories: Service) -> None:
    """Afterwards facets filter by the findings, the command shows the same, and a row leads to the entry."""

    async def script(person: Person) -> None:
        await person.press("o")
        await person.sees("There is no answer yet")
        assert person.dialog is not None
        assert shlex.split(person.dialog.command) == ["pepip", "audit"]
        await person.press("enter")
        assert not advisories.asked
        await person.press("o")
        await person.answers("go")
        job = await person.has_done()
        assert (job.state, job.command) == (DONE, "pepip audit"), job.log
        await person.sees("1 vulnerable, 0 yanked, 1 outdated")
        await person.write("#filter", "vuln:")
        assert [key.rpartition("/")[2] for key in person.table("#entries").keys] == ["drum-1.0"]
        await person.sees("Too loud, fixed in 2.0")
        await person.write("#filter", "")
        await person.press("o")
        table = person.table("#findings")
        assert [row.cells[:3] for row in table._rows] == [
            ("drum", "1.0", "vulnerable"),
            ("drum", "1.0", "outdated"),
        ]
        await person.click("#findings", (6, 1), times=2)
        await person.until(lambda: person.dialog is None, "the end of the dialog")
        await person.until(lambda: "drum-1.0" in person.table("#entries").cursor_key, "the entry")

    use(desk.store, script)

    (kept,) = desk.store.glob("cache/*/audit.json")
    first = json.loads(kept.read_text())
    kept.unlink()
    assert desk.shown("pepip audit", check=False).returncode == 1
    again = json.loads(kept.read_text())
    for document in (first, again):
        for kind in ("vulnerable", "yanked", "outdated"):
            assert document[kind].pop("asked_at")
    assert first == again
    assert len(first["vulnerable"]["pins"]) == 4


def test_advisories_are_looked_up_in_records_on_disk(desk: Desk, advisories: Service, tmp_path: Path) -> None:
    """Nobody is asked. The shown command does the same."""
    (tmp_path / "osv.json").write_text(json.dumps(LOUD))
    commands: list[str] = []

    async def script(person: Person) -> None:
        await person.press("o", "slash")
        await person.write("#records", str(tmp_path / "osv.json"))
        await person.until(lambda: person.dialog and "--osv" in person.dialog.command, "the command")
        assert person.dialog is not None
        commands.append(person.dialog.command)
        await person.press("enter")
        job = await person.has_done()
        assert (job.state, job.command) == (DONE, commands[0]), job.log
        await person.press("o")
        await person.sees("1 of 4 vulnerable", "OSV records in", "Too loud")

    use(desk.store, script)

    assert not advisories.asked
    document = json.loads(desk.shown(commands[0], "--json", check=False).stdout)
    assert [(item["name"], item["version"]) for item in document["findings"]] == [("drum", "1.0")]


@pytest.mark.real_world
def test_a_failed_audit_is_shown_in_a_dialog(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer is kept."""
    monkeypatch.setenv("UV_OFFLINE", "1")

    async def script(person: Person) -> None:
        await person.press("o")
        await person.answers("go")
        await person.sees("the network gave no answer: uv is told to be offline", "--osv FILE")

    use(desk.store, script)

    assert not list(desk.store.glob("cache/*/audit.json"))


@pytest.mark.every(3)
@pytest.mark.parametrize(
    ("pane", "keys", "line", "end"),
    [
        ("store", ("s", "O"), "-horn >1kB", "csv"),
        ("store", (), "marked:", "md"),
        ("projects", ("s",), "two", "json"),
    ],
)
def test_a_list_is_written_as_it_is_shown(desk: Desk, pane: str, keys: tuple[str, ...], line: str, end: str) -> None:
    """The shown command writes the same file, in the same order."""
    file = desk.folder / f"list.{end}"
    commands: list[str] = []

    async def script(person: Person) -> None:
        if line == "marked:":
            await person.press("space", "space")
        await person.press(*keys)
        await person.write("#filter" if pane == "store" else "#projects-filter", line)
        await person.press("e")
        await person.write("#line", str(file))
        await person.until(lambda: person.dialog and str(file) in person.dialog.command, "the command")
        assert person.dialog is not None
        commands.append(person.dialog.command)
        await person.answers("go")
        job = await person.has_done()
        assert (job.state, job.command) == (DONE, commands[0]), job.log

    use(desk.store, script, pane=pane, folder=desk.folder)
    written = file.read_bytes()
    file.unlink()
    desk.shown(commands[0])

    assert file.read_bytes() == written
    names = [name for name in ("drum", "horn", "flute") if name in written.decode()]
    assert names == {"csv": ["drum", "flute"], "md": names[:2], "json": ["drum", "flute"]}[end]


@pytest.mark.real_world
def test_an_existing_file_stays(desk: Desk) -> None:
    """A dialog shows the failure. It also refuses a name with an unknown format."""
    file = desk.folder / "list.csv"
    file.write_text("mine")

    async def script(person: Person) -> None:
        await person.press("e")
        await person.write("#line", str(desk.folder / "list.xls"))
        await person.press("enter")
        await person.sees("the format of", "let its name end in")
        await person.press("escape")
        await person.write("#line", str(file))
        await person.press("enter")
        await person.sees("is there already")

    use(desk.store, script, folder=desk.folder)

    assert file.read_text() == "mine"


@pytest.mark.real_world
def test_projects_are_compared_as_the_command_does(desk: Desk) -> None:
    """The comparison follows the cursor. A lock is compared as uv reads it, and comes first."""
    project = desk.machine.make_folder(desk.folder / "app")
    table = '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["drum<2"]\n'
    (project / "pyproject.toml").write_text(table)
    desk.at("app").pepip("sync")
    desk.at("app").pepip("install", "horn")
    seen: dict[str, list[tuple[str, ...]]] = {}

    async def script(person: Person) -> None:
        person.table("#environments").put_cursor(f"{project}/.venv")
        await person.press("equals_sign")
        dialog = person.dialog
        assert isinstance(dialog, CompareDialog)
        await person.until(lambda: person.table("#differences").display, "the comparison with the lock")
        seen[dialog.command] = [row.cells for row in person.table("#differences")._rows]
        for _ in range(2):
            await person.press("down")
            await person.until(lambda: dialog.command not in seen, "the next comparison")
            seen[dialog.command] = [row.cells for row in person.table("#differences")._rows]
        await person.click("#others", (4, 1))
        await person.until(lambda: "--lock" in dialog.command, "the click")
        await person.answers("")

    use(desk.store, script, pane="projects")

    assert len(seen) == 3
    signs = {"+": "added", "-": "removed", "~": "changed"}
    for command, rows in seen.items():
        document = json.loads(desk.shown(command, "--json", check=False).stdout)
        differences = [(item["kind"], item["name"], item["left"], item["right"]) for item in document["differences"]]
        assert differences == [
            (signs[sign], name, *(side.strip("-") for side in sides)) for sign, name, *sides in rows
        ]


def test_settings_take_effect_and_stay(desk: Desk) -> None:
    """A column is hidden, a filter has a name, and the theme changes. The shown command writes the same file."""
    commands: list[str] = []

    async def script(person: Person) -> None:
        assert "cp" in person.screen or "any" in person.screen
        await person.press("comma")
        table = person.table("#settings")
        table.put_cursor("column:python")
        await person.press("space")
        assert [row.key for row in table._rows if row.cells[0] == "●"] == [f"theme:{person.app.theme}"]
        table.put_cursor("theme:nord")
        await person.press("enter")
        assert person.app.theme == "nord"
        for key in ("trash:", "bell:"):
            table.put_cursor(key)
            await person.press("space")
        await person.sees("for 7 days")
        await person.write("#new-filter", "large = >1kB -horn")
        await person.until(lambda: person.dialog and "large" in person.dialog.command, "the command")
        assert person.dialog is not None
        commands.append(person.dialog.command)
        await person.answers("go")
        job = await person.has_done()
        assert (job.state, job.command) == (DONE, commands[0]), job.log
        columns = [column.key for _, column, _ in person.table("#entries").shown_columns]
        assert "python" not in columns
        facets = person.app.query_one("#facets", Facets)
        await person.until(
            lambda: [target for target in facets.click_targets if target.action == "@large"], "the named filter"
        )
        target = next(target for target in facets.click_targets if target.action == "@large")
        await person.click("#facets", (target.start, 0))
        await person.until(lambda: person.app.query_one("#filter", Input).value == "@large", "the click")
        assert not [key for key in person.table("#entries").keys if "horn" in key]
        await person.press("escape", "comma")
        person.table("#settings").put_cursor("theme:gruvbox")
        await person.press("enter")
        assert person.app.theme == "gruvbox"
        await person.press("escape")
        await person.until(lambda: person.dialog is None, "the end of the dialog")
        assert person.app.theme == "nord"

    use(desk.store, script)
    file = desk.settings / "pepip" / "settings.toml"
    written = file.read_text()
    file.unlink()
    desk.shown(commands[0])

    assert file.read_text() == written
    assert "nord" in written
    assert undo.trash_seconds({}) == 7 * 86_400
    assert undo.trash_seconds({"PEPIP_TRASH_TIME": "1h"}) == 3600
    assert not bell.is_wanted({}, rings=preferences.read().bell)
    assert bell.is_wanted({"PEPIP_BELL": "1"}, rings=False)


def test_any_pane_compares_two_projects(desk: Desk) -> None:
    """Where no project is under the cursor, a list asks for one. Those that link the entry there come first."""

    async def script(person: Person) -> None:
        await person.write("#filter", "name:flute used:")
        await person.press("equals_sign")
        await person.sees("Compare which project?")
        assert person.table("#which").keys[0] == f"{desk.folder}/two/.venv"
        await person.press("enter")
        await person.sees("Compare two", "1 added, 1 removed, 1 changed")
        assert person.dialog is not None
        assert person.dialog.command == f"pepip diff {desk.folder}/two/.venv {desk.folder}/one/.venv"

    use(desk.store, script)


@pytest.mark.real_world
def test_a_bad_settings_file_is_one_notice(desk: Desk) -> None:
    """The defaults apply, and the dialog says why it can't change them."""
    file = desk.settings / "pepip" / "settings.toml"
    file.parent.mkdir()
    file.write_text("theme = [")

    async def script(person: Person) -> None:
        await person.sees("The settings in")
        await person.press("comma")
        await person.sees("can't be read", "fix the file or remove it")

    use(desk.store, script)

    assert file.read_text() == "theme = ["


@pytest.mark.real_world
def test_the_plot_shows_the_growth_of_the_last_days(desk: Desk) -> None:
    """`w` and a click show another period. A prune is a notch, and the copied command shows the same days."""
    desk.pepip("savings")
    (kept,) = desk.store.glob("cache/*/growth.json")
    document = json.loads(kept.read_text())
    today = document["samples"][0]
    document["samples"] = [[today[0] - days * 86_400, *today[1:]] for days in (80, 20, 3)] + [today]
    kept.write_text(json.dumps(document))
    desk.at("two").pepip("uninstall", "--yes", "flute")
    desk.pepip("prune", "--yes")
    copied: list[str] = []

    async def script(person: Person) -> None:
        plot = person.app.query_one(GrowthPlot)
        await person.until(lambda: plot.display, "the plot")
        await person.sees("1 prune freed")
        assert plot.period == 30
        await person.press("w")
        assert plot.period == 90
        spot = next(spot for spot in plot.click_targets if spot.action == "365")
        await person.click("#growth", (spot.start + 1, 0))
        assert plot.period == 365
        await person.pilot.resize_terminal(50, 20)
        await person.until(lambda: not plot.display, "a screen without room for the plot")
        await person.pilot.resize_terminal(120, 36)
        await person.until(lambda: plot.display, "the plot")
        await person.press("y")
        copied.append(person.app.clipboard)

    use(desk.store, script, pane="savings")

    days = json.loads(desk.shown(copied[0], "--json").stdout)
    assert len(days) == 4
    assert [len(day["prunes"]) for day in days] == [0, 0, 0, 1]


def test_the_growth_of_a_year_is_shown_at_every_size(desk: Desk) -> None:
    """Each period has its first day, its prunes and its notches, as on the command line.

    On a low screen, `w` shows the plot in place of the figures, and after the last period the figures again.
    """
    desk.pepip("savings")
    store = Store(str(desk.store))
    (today,) = growth_log.read(store).samples
    ages = [age for age in range(380, 0, -1) if age % 7]
    samples = [
        today._replace(taken_at=today.taken_at - age * DAY, on_disk_bytes=900_000 - 2000 * age) for age in ages
    ]
    prunes = [growth_log.Prune(today.taken_at - age * DAY, 9, 40_000) for age in (364, 150, 80, 12, 3)]
    growth_log._write(store, growth_log.Growth((*samples, today), tuple(prunes)))
    known = {
        days: json.loads(desk.pepip("savings", "--growth", "--days", str(days), "--json").stdout) for days in PERIODS
    }
    assert [sum(len(day["prunes"]) for day in known[days]) for days in PERIODS] == [2, 3, 5]

    async def script(person: Person) -> None:
        plot = person.app.query_one(GrowthPlot)
        for size in ((80, 24), (120, 36), (160, 48), (50, 20)):
            await person.pilot.resize_terminal(*size)
            is_low = size[1] < 24
            await person.until(lambda is_low=is_low: plot.display != is_low, "the size")  # type: ignore[misc]
            for days in PERIODS:
                if is_low or days != PERIODS[0]:
                    await person.press("w")
                await person.until(lambda days=days: plot.display and plot.period == days, f"{days} days")  # type: ignore[misc]
                shown = str(plot.render())
                first = date.fromtimestamp(today.taken_at) - timedelta(days=days - 1)
                number = sum(len(day["prunes"]) for day in known[days])
                assert f"{first.isoformat()} " in shown
                assert shown.splitlines()[-1].count("╵") == number
                assert size[0] < 60 or f"{number} prunes freed" in shown
                assert all(len(line) <= size[0] for line in shown.splitlines())
            await person.press("w")
            await person.until(lambda is_low=is_low: plot.display != is_low, "the figures")  # type: ignore[misc]

    use(desk.store, script, pane="savings")
