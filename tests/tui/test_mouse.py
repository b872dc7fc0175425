"""The mouse in `pepip ui`: parts that react to a key react to a click, and flows reach the disk by clicks alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from textual.widgets import Input

from pepip.store import growth_log, trash
from pepip.tui.bars import Keys
from pepip.tui.growth_plot import GrowthPlot
from pepip.tui.job import DONE
from pepip.tui.map_view import TreeMap
from pepip.tui.matrix import Matrix
from pepip.tui.reclaim_switches import Switches
from pepip.tui.settings_dialog import SettingsDialog
from tests.support.machines import Machine, site_packages_of
from tests.support.screens import Person, use
from tests.support.stores import entries_of, problems_of
from tests.support.wheels import Wheel

WHEELS = [
    *(Wheel("drum", version, files={"drum/__init__.py": f"x = {version!r}\n" * 9000}) for version in ("1.9", "1.10")),
    Wheel("band", "1.0", files={"band/__init__.py": ""}, dependencies=["drum", "horn"]),
    Wheel("horn", "1.0", files={"horn/__init__.py": "y = 1\n" * 900, "horn/keys/__init__.py": ""}),
    Wheel("flute", "1.0", files={"flute/__init__.py": "z = 1\n" * 4000}),
]


class Studio(NamedTuple):
    """A user of the app with projects below `code`."""

    player: Machine
    code: Path
    store: Path

    def install(self, project: str, *requirements: str) -> Path:
        """Install into a project by the command line, and return its environment."""
        folder = self.player.make_folder(self.code / project)
        self.player.pepip("install", *requirements, folder=folder)
        return folder / ".venv"

    def foreign(self, project: str) -> Path:
        """Make an environment as uv does, with copies, and return it."""
        folder = self.player.make_folder(self.code / project)
        self.player.uv("venv", ".venv", folder=folder)
        source = ("--no-index", "--find-links", self.code.parent / "wheelhouse", "--link-mode", "copy")
        self.player.uv("pip", "install", "--python", ".venv", *source, "horn", folder=folder)
        return folder / ".venv"


@pytest.fixture
def studio(
    app_user: Machine, wheelhouse: Path, tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> Studio:
    """Return a user with two projects, two versions of a package, and an unused entry."""
    for wheel in WHEELS:
        wheel.write(wheelhouse)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(trash, "has_room", lambda _: True)  # the disk of the tests may be nearly full
    studio = Studio(app_user, app_user.make_folder(tmp_path / "code"), store)
    studio.install("one", "drum==1.9", "horn")
    studio.install("two", "band")
    app_user.pepip("store", "add", "flute", folder=studio.code)
    return studio


def has_version(environment: Path, name: str, version: str) -> bool:
    """Return whether an environment has a version of a package."""
    return (site_packages_of(environment) / f"{name}-{version}.dist-info").is_dir()


class Spot(NamedTuple):
    """A part of the screen that reacts to a click: the words to click on, and the effect.

    A click with the same `words` in other lines needs the text `line`. `aside` is the distance from the start of the
    words in columns. After the effect, `back` keys are pressed.
    """

    words: str
    effect: Callable[[Person], object]
    line: str = ""
    aside: int = 0
    times: int = 1
    back: tuple[str, ...] = ()


class Screen(NamedTuple):
    """A screen: the pane, the keys or the script that lead to it, and its spots."""

    pane: str
    lead: Callable[[Person], Awaitable[None]]
    spots: tuple[Spot, ...]
    size: tuple[int, int] = (120, 36)


def pressing(*keys: str, until: str = "") -> Callable[[Person], Awaitable[None]]:
    """Return a script that presses keys, and waits for words."""

    async def script(person: Person) -> None:
        await person.press(*keys)
        if until:
            await person.sees(until)

    return script


async def growing(person: Person) -> None:
    """Note a second sample of the store's size, and wait for the plot."""
    store = person.app.session.store
    (today,) = growth_log.read(store).samples
    growth_log._write(store, growth_log.Growth((today._replace(taken_at=today.taken_at - 9 * 86_400), today)))
    await person.press("r")
    await person.until(lambda: person.app.query_one(GrowthPlot).display, "the plot")


def is_at(selector: str, words: str) -> Callable[[Person], bool]:
    """Return whether the cursor of a table is on a row whose key has these words."""
    return lambda person: words in person.table(selector).cursor_key


def is_sorted(selector: str, key: str, *, is_descending: bool) -> Callable[[Person], bool]:
    """Return whether a table is sorted by a column."""
    return lambda person: (
        (person.table(selector).sort_key, person.table(selector).is_descending) == (key, is_descending)
    )


def marks(selector: str, number: int) -> Callable[[Person], bool]:
    """Return whether so many rows are marked."""
    return lambda person: len(person.table(selector).marks) == number


def shows(words: str) -> Callable[[Person], bool]:
    """Return whether the screen has these words."""
    return lambda person: words in person.screen


def is_here(pane: str) -> Callable[[Person], bool]:
    """Return whether a pane is visible, without a dialog."""
    return lambda person: person.app.here == pane and person.dialog is None


def line_is(selector: str, text: str) -> Callable[[Person], bool]:
    """Return whether an input line has this text."""
    return lambda person: person.app.screen.query_one(selector, Input).value == text


def title_is(words: str) -> Callable[[Person], bool]:
    """Return whether a dialog with this title is open."""
    return lambda person: person.dialog is not None and person.dialog.title_text.startswith(words)


def copied(words: str) -> Callable[[Person], bool]:
    """Return whether the clipboard has these words."""
    return lambda person: words in person.app.clipboard


def switches(name: str, *, value: object) -> Callable[[Person], bool]:
    """Return whether an option of the dialog that frees space has a value."""
    return lambda person: getattr(person.app.screen.query_one(Switches), name) == value


def rings(person: Person) -> bool:
    """Return whether the bell is on in the dialog of the settings."""
    return isinstance(person.dialog, SettingsDialog) and person.dialog.settings.bell


def tile_of(name: str) -> Callable[[Person], bool]:
    """Return whether the current tile of the map is that of an entry."""
    return lambda person: name in str(person.app.screen.query_one(TreeMap).current)


def sorts(selector: str, line: str, titles: dict[str, tuple[str, bool]]) -> tuple[Spot, ...]:
    """Return two spots for each title of a table: the order after one click, and the reversed one.

    The line of the titles has the text `line`.
    """
    return tuple(
        Spot(title, is_sorted(selector, key, is_descending=direction), line=line)
        for title, (key, is_descending) in titles.items()
        for direction in (is_descending, not is_descending)
    )


SCREENS = {
    "store": Screen(
        "store",
        pressing(),
        (
            Spot("2 Projects", is_here("projects")),
            Spot("3 Savings", is_here("savings")),
            Spot("4 Activity", is_here("activity")),
            Spot("5 Versions", is_here("versions")),
            Spot("1 Store", is_here("store")),
            Spot("[P]", title_is("Prune"), back=("escape",)),
            Spot("unused 1", line_is("#filter", "unused:")),
            Spot("unused 1", line_is("#filter", "")),
            *sorts(
                "#entries",
                "✓",
                {
                    "Package": ("name", False),
                    "Version": ("version", False),
                    "Python": ("python", False),
                    "Projects": ("projects", True),
                    "Size": ("size", True),
                },
            ),
            Spot("horn", is_at("#entries", "horn"), line="any"),
            Spot("band", is_at("#entries", "band"), line="any"),
            Spot("horn", marks("#entries", 1), line="any", aside=-5),
            Spot("horn", marks("#entries", 0), line="any", aside=-5),
            Spot("✓", marks("#entries", 5), line="Package"),
            Spot("✓", marks("#entries", 0), line="Package"),
            Spot("horn", title_is("horn 1.0"), line="any", times=2, back=("escape",)),
            Spot("Origin", lambda person: person.focus == "detail"),
            Spot("/ filter", lambda person: person.focus == "filter"),
        ),
    ),
    "projects": Screen(
        "projects",
        pressing(),
        (
            *sorts(
                "#environments",
                "Folder",
                {
                    "Project": ("name", False),
                    "Folder": ("path", False),
                    "Python": ("python", False),
                    "Linked": ("packages", True),
                    "Now": ("own", True),
                    "State": ("state", False),
                    "Without": ("alone", True),
                },
            ),
            Spot("one  ", is_at("#environments", "/one/"), line="ok"),
            Spot("two  ", is_at("#environments", "/two/"), line="ok"),
            Spot("two  ", lambda person: person.focus == "packages", line="ok", times=2),
            *sorts(
                "#packages", "✓", {"Others": ("others", True), "Size": ("size", True), "Package": ("name", False)}
            ),
            Spot("drum", is_at("#packages", "drum")),
            Spot("drum", marks("#packages", 1), aside=-1),
            Spot("✓", marks("#packages", 3), line="Package"),
            Spot("✓", marks("#packages", 0), line="Package"),
            Spot("drum", lambda person: person.app.here == "store", times=2),
            Spot("2 Projects", is_here("projects")),
            Spot("/ filter", lambda person: person.focus == "projects-filter"),
        ),
        (160, 48),
    ),
    "projects on a small screen": Screen(
        "projects",
        pressing(),
        (
            Spot("two", lambda person: person.focus == "packages", times=2),
            Spot("Back", lambda person: person.focus == "environments"),
            Spot("foreign", title_is("Adopt"), times=2, back=("escape",)),
            Spot("foreign", marks("#unshared #unshared-list", 1), aside=-1),
            Spot("✓", marks("#unshared #unshared-list", 0), line="Not yet shared"),
        ),
        (80, 24),
    ),
    "savings": Screen(
        "savings",
        growing,
        (
            Spot(" 90 ", lambda person: person.app.query_one(GrowthPlot).period == 90, aside=1),
            Spot("365", lambda person: person.app.query_one(GrowthPlot).period == 365),
            Spot("horn", is_here("store"), times=2),
            Spot("3 Savings", is_here("savings")),
            Spot("1.10, 1.9", is_here("store"), times=2),
        ),
    ),
    "activity": Screen(
        "activity",
        pressing("V", until="checked"),
        (
            Spot("verify the whole store", lambda person: person.focus == "log", line="done", times=2),
            Spot("verify the whole store", lambda person: person.focus == "jobs", line="done"),
            Spot("Copy", copied("pepip store verify")),
            Spot("Again", title_is("Run again"), back=("escape",)),
        ),
    ),
    "versions": Screen(
        "versions",
        pressing(),
        (
            Spot("1.10", lambda person: person.app.query_one(Matrix).cursor[1].endswith("/two/.venv")),
            Spot("1.9", lambda person: person.app.query_one(Matrix).cursor[1].endswith("/one/.venv"), line="1.10"),
            Spot("1.9", lambda person: len(person.app.query_one(Matrix).marks) == 1, line="1.10"),
            Spot("drum", lambda person: len(person.app.query_one(Matrix).marks) == 2),
            Spot("In the store", is_here("store")),
        ),
    ),
    "prune": Screen(
        "store",
        pressing("P", until="1 entry to remove"),
        (
            Spot("flute", marks("#orphans", 0), line="│", aside=-2),
            Spot("✓", marks("#orphans", 1), line="Last linked"),
            Spot("flute", marks("#orphans", 0), line="│", times=2),
            Spot("[x] keep", shows("[ ] keep")),
            Spot("[ ] keep", shows("[x] keep")),
            Spot("flute", marks("#orphans", 1), line="│", aside=-2),
            Spot("$ pepip", copied("pepip prune --yes --trash")),
            Spot("Cancel", lambda person: person.dialog is None),
        ),
    ),
    "reclaim": Screen(
        "store",
        pressing("F", until="1 unused entry"),
        (
            Spot("kB  1 unused entry", marks("#bundles", 0), aside=-7),
            Spot("1 unused entry", marks("#bundles", 1), times=2),
            Spot("also uv's cache", switches("with_cache", value=True)),
            Spot("keep in the trash", switches("is_kept", value=False)),
            Spot("idle after", switches("idle_days", value=180)),
            Spot("a size, such as", lambda person: person.focus == "target"),
            Spot("drum 1.9", title_is("Upgrade drum"), times=2, back=("escape",)),
        ),
    ),
    "settings": Screen(
        "store",
        pressing("comma", until="Settings"),
        (
            Spot("ring a bell", lambda person: not rings(person)),
            Spot("ring a bell", rings),
            Spot("big =", lambda person: person.focus == "new-filter"),
            Spot("Cancel", lambda person: person.dialog is None),
        ),
    ),
    "help": Screen(
        "store",
        pressing("question_mark", until="Help"),
        (Spot("Install the entry", title_is("Install"), times=2),),
    ),
    "compare": Screen(
        "projects",
        pressing("equals_sign", until="Compare"),
        (
            Spot("$ pepip", copied("pepip diff")),
            Spot("Close", lambda person: person.dialog is None, line="│"),
        ),
    ),
    "audit": Screen(
        "store",
        pressing("o", until="Audit"),
        (
            Spot("offline: OSV records", lambda person: person.focus == "records"),
            Spot("$ pepip audit", copied("pepip audit")),
            Spot("Close", lambda person: person.dialog is None, line="Ask"),
        ),
    ),
    "export": Screen(
        "store",
        pressing("e", until="Cancel"),
        (Spot("$ pepip", copied("pepip store list")), Spot("Cancel", lambda person: person.dialog is None)),
    ),
    "install": Screen(
        "store",
        pressing("I", until="Known projects"),
        (
            Spot(
                "/two ", lambda person: person.app.screen.query_one("#place", Input).value.endswith("two"), line="3."
            ),
            Spot("requests 'numpy", lambda person: person.focus == "line"),
            Spot("Cancel", lambda person: person.dialog is None),
        ),
    ),
    "files": Screen(
        "store",
        pressing("slash", *"horn", "enter", "enter", until="horn 1.0 · any · files"),
        (
            Spot("horn/", shows("keys/"), times=2),
            Spot("keys/", shows("/horn/keys"), times=2),
            Spot("Up", shows("keys/")),
            Spot("Copy command", copied("pepip store show horn==1.0 --files")),
            Spot("Help", title_is("Help"), back=("escape",)),
            Spot("Close", lambda person: person.dialog is None),
        ),
    ),
    "map": Screen(
        "store",
        pressing("m", until="Map · 5 entries"),
        (
            Spot("flute 1.0", tile_of("flute"), line="1.10"),
            Spot("drum 1.9", tile_of("drum 1.9"), line="1.10"),
            Spot("drum 1.9", title_is("drum 1.9"), line="1.10", times=2),
        ),
    ),
    "why": Screen(
        "store",
        pressing("slash", *"band", "enter", "t", until="needed by"),
        (
            Spot("horn 1.0", title_is("Why"), times=2),
            Spot("Back", shows("band 1.0")),
            Spot("Close", lambda person: person.dialog is None),
        ),
    ),
}


@pytest.mark.every(3)
@pytest.mark.parametrize("name", SCREENS)
def test_every_part_of_a_screen_reacts_to_a_click(name: str, studio: Studio) -> None:
    """The spots are those parts of the screen that react to a key."""
    screen = SCREENS[name]
    if name.startswith("projects"):
        studio.foreign("foreign")

    async def script(person: Person) -> None:
        await screen.lead(person)
        for number, spot in enumerate(screen.spots):
            await person.click_on(spot.words, line=spot.line, aside=spot.aside, times=spot.times)
            await person.until(lambda spot=spot: spot.effect(person), f"{number}: the effect of {spot.words!r}")  # type: ignore[misc]
            await person.press(*spot.back)

    use(studio.store, script, size=screen.size, pane=screen.pane, folder=studio.code)


def test_a_prune_is_done_and_undone_by_clicks(studio: Studio) -> None:
    """`[P]` and Remove put an entry into the trash. `[z]` and Bring back undo that."""

    async def prune(person: Person) -> None:
        await person.click_on("[P]")
        await person.sees("1 entry to remove")
        await person.click_on("Remove 1 entry")
        job = await person.has_done()
        assert job.state == DONE
        assert "z undoes this" in job.outcome

    async def undo(person: Person) -> None:
        await person.click_on("[z]")
        await person.click_on("Bring back")
        assert (await person.has_done()).state == DONE

    use(studio.store, prune)
    assert "flute-1.0" not in entries_of(studio.store)
    use(studio.store, undo)

    assert "flute-1.0" in entries_of(studio.store)
    assert problems_of(studio.store) == []


@pytest.mark.real_world
def test_space_is_reclaimed_and_brought_back_by_clicks(studio: Studio) -> None:
    """The palette leads to the dialog. A bundle with an upgrade opens its preview."""

    async def script(person: Person) -> None:
        await person.click_on("Commands")
        await person.press(*"reclaim")
        await person.click_on("List the space")
        await person.sees("1 unused entry", "1 entry to remove: ")
        await person.click_on("drum 1.9", line="upgrade removes", times=2)
        await person.sees("1 environment would change")
        await person.answers("go")
        assert (await person.has_done()).state == DONE
        await person.press("F")
        await person.sees("2 unused entries", "2 entries to remove: ")
        await person.click_on("Remove", line="Cancel")
        assert (await person.has_done(2)).state == DONE
        await person.click_on("[z]")
        await person.sees("2 entries, removed", "drum-1.9", "flute-1.0")
        await person.click_on("Bring back")
        job = await person.has_done(3)
        assert (job.state, job.outcome) == (DONE, "2 entries brought back")

    use(studio.store, script)

    assert has_version(studio.code / "one" / ".venv", "drum", "1.10")
    assert entries_of(studio.store) == ["band-1.0", "drum-1.10", "drum-1.9", "flute-1.0", "horn-1.0"]
    assert problems_of(studio.store) == []


def test_a_project_is_synced_by_clicks(studio: Studio) -> None:
    """The preview lists a removal and an addition. Afterwards the environment follows its lock."""
    project = studio.player.make_folder(studio.code / "app")
    environment = studio.install("app", "flute")
    text = '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["drum<1.10"]\n'
    (project / "pyproject.toml").write_text(text)

    async def script(person: Person) -> None:
        await person.click_on("2 Projects")
        await person.click_on(" app ", line="ok", aside=1)
        await person.click_on("Sync")
        await person.sees("drum 1.9", "flute 1.0")
        await person.click_on("Sync", line="Cancel")
        assert (await person.has_done()).state == DONE

    use(studio.store, script, size=(160, 48))

    assert has_version(environment, "drum", "1.9")
    assert not has_version(environment, "flute", "1.0")
    assert (project / "uv.lock").exists()


@pytest.mark.real_world
def test_projects_are_upgraded_by_clicks_and_one_fails(studio: Studio) -> None:
    """A click on the package marks it everywhere. The project that fails stays as it is, and says why."""
    old, stuck = studio.install("old", "drum==1.9"), studio.code / "stuck"
    studio.player.make_folder(stuck)
    text = '[project]\nname = "stuck"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["drum{}"]\n'
    (stuck / "pyproject.toml").write_text(text.format("<1.10"))
    studio.player.pepip("sync", folder=stuck)
    (stuck / "pyproject.toml").write_text(text.format(">5"))

    async def script(person: Person) -> None:
        await person.click_on("5 Versions")
        await person.click_on("drum", line="1.10")
        await person.sees("4 marked")
        await person.click_on("Upgrade", line="Mark older")
        await person.sees("2 environments would change", "1 can't be upgraded", "fails:")
        await person.click_on("Upgrade", line="Cancel")
        await person.has_done(2)
        assert [job.state for job in person.app.session.queue.jobs] == [DONE, DONE]

    use(studio.store, script, size=(160, 48))

    assert has_version(studio.code / "one" / ".venv", "drum", "1.10")
    assert has_version(old, "drum", "1.10")
    assert has_version(stuck / ".venv", "drum", "1.9")


@pytest.mark.real_world
def test_an_environment_is_adopted_and_a_package_uninstalled_by_clicks(studio: Studio) -> None:
    """A click on the left edge marks the environment and the package."""
    environment = studio.foreign("foreign")

    async def script(person: Person) -> None:
        await person.click_on("2 Projects")
        await person.click_on("foreign", line="kB", aside=-1)
        await person.click_on("Adopt", line="Commands")
        await person.click_on("Adopt", line="Cancel")
        assert (await person.has_done()).state == DONE
        await person.click_on(" two ", line="ok", aside=1)
        await person.click_on("horn", line="65", aside=-1)
        await person.click_on("Uninstall", line="Commands")
        await person.sees("band 1.0", "stays, and needs horn")
        await person.click_on("Uninstall", line="Cancel")
        assert (await person.has_done(2)).state == DONE

    use(studio.store, script, size=(160, 48), folder=studio.code)

    assert (site_packages_of(environment) / "horn").is_symlink()
    assert not has_version(studio.code / "two" / ".venv", "horn", "1.0")
    assert has_version(studio.code / "two" / ".venv", "band", "1.0")


def test_each_key_in_the_line_of_keys_is_pressed_by_a_click(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """This holds for every pane and for a screen over the panes."""
    pressed: list[str] = []

    async def script(person: Person) -> None:
        real = person.app.simulate_key
        for lead in ("1", "2", "3", "4", "5", "m"):
            await person.press("1", lead)
            await person.pilot.pause()
            keys = person.app.screen.query_one(Keys)
            await person.until(lambda keys=keys: keys.click_targets, "the keys")  # type: ignore[misc]
            monkeypatch.setattr(person.app, "simulate_key", pressed.append)
            wanted = [target.action for target in keys.click_targets]
            for target in list(keys.click_targets):
                await person.pilot.click(keys, offset=(target.start + 1, 0))
            monkeypatch.setattr(person.app, "simulate_key", real)
            assert pressed == wanted
            assert len(wanted) > 3
            pressed.clear()

    use(studio.store, script, size=(160, 48))
