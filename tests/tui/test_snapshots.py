"""Pictures of the app's states, compared with those in `snapshots/`. `--update-snapshots` writes them anew.

They show a fixed catalog, so they are the same on every machine.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Generator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple, NoReturn

import pytest

from pepip.errors import UvError
from pepip.operations import entry_details, entry_files, prune, reclaim, undo, why
from pepip.operations.reporting import Progress, Summary
from pepip.store.check import Flaw
from pepip.store.root import Store
from pepip.tui import adoption_jobs, previews, reports, screenshot
from pepip.tui import catalog as catalogs
from pepip.tui.app import PepipApp
from pepip.tui.catalog import Catalog, Trouble
from pepip.tui.job import Job, once
from pepip.tui.previews import Preview, PreviewedAction
from pepip.tui.unshared_search import UnsharedSearch
from pepip.tui.upgrade_actions import preview_of
from tests import ROOT
from tests.support import catalogs as looks
from tests.support.screens import Person, normalized, words_of

SNAPSHOTS = ROOT / "snapshots"
DRAWN_BY = SNAPSHOTS / "drawn-by.txt"

Script = Callable[[Person], Awaitable[None]]


class State(NamedTuple):
    """A state of the app: the script that leads to it, and the size, theme, pane and catalog of the picture."""

    script: Script
    size: tuple[int, int] = (80, 24)
    theme: str = "textual-dark"
    pane: str = "store"
    look: Callable[[str], Catalog] = looks.of


def keys(*pressed: str) -> Script:
    """Return a script that presses keys."""

    async def script(person: Person) -> None:
        for key in pressed:
            await person.press(key)
            await person.until(lambda: person.is_idle, f"the end of {key}")

    return script


def filtered(line: str) -> Script:
    """Return a script that filters by a line."""

    async def script(person: Person) -> None:
        await person.write("#filter", line)

    return script


def noticed(*kinds: str) -> Callable[[str], Catalog]:
    """Return a catalog with notices of faults."""
    sentences = {
        "uv": Trouble("uv", "Uv was not found: nothing can be installed.", "Install it beside pepip."),
        "registry": Trouble("registry", "The registry file x.json can't be read: nothing may be pruned.", "Scan."),
    }
    return lambda home: looks.of(home, notices=tuple(sentences[kind] for kind in kinds))


def troubled(kind: str) -> Callable[[str], Catalog]:
    """Return a catalog of a store that can't be read."""

    def look(home: str) -> Catalog:
        store = Store(f"{home}/.pepip")
        trouble = (
            catalogs._away(store)
            if kind == "away"
            else catalogs._refused(store, PermissionError(13, "Permission denied", store.root))
        )
        return looks.empty()._replace(trouble=trouble)

    return look


async def damaged(person: Person) -> None:
    """Show an entry as damaged."""
    (entry_id,) = [key for key in person.app.session.catalog.stored if "pandas" in key]  # type: ignore[union-attr]
    person.app.session.verified[entry_id] = [
        Flaw("altered", "pandas/__init__.py"),
        Flaw("missing", "pandas/[io]/sql.py"),
    ]
    person.app.action_rescan()
    await person.sees("✗")
    await person.press("g")


def planned(result: Summary | Exception, *, has_lock: bool = False) -> Script:
    """Return a script that shows a preview, maybe of a project that declares its requirements in a file."""

    async def script(person: Person) -> None:
        def steps() -> Preview:
            return _raise(result) if isinstance(result, Exception) else previews.of_summary(result)

        command = "pepip install --directory ~/code/api --venv .venv 'requests[socks]' 'numpy<2.5'"
        preview = Job("install requests[socks] numpy in api", command, once(steps), is_listed=False)
        plan = PreviewedAction(preview.title, "Install", preview, preview)
        if has_lock:
            plan = plan._replace(instead=preview, verb_instead="Add", note="A sync removes it again: Add keeps it.")
        person.app.actions.begin(lambda: plan, go_back=lambda: None)
        await person.until(lambda: getattr(person.dialog, "is_ready", False), "the preview")

    return script


def _raise(error: Exception) -> NoReturn:
    raise error


async def pruning(person: Person) -> None:
    """Open the preview of a prune, and untick a row."""
    await person.press("P")
    await person.sees("Remove")
    await person.until(lambda: person.table("#orphans").marks, "orphans")
    await person.press("space")


async def reclaiming(person: Person) -> None:
    """Open the list of bundles, and tick one more."""
    await person.press("F")
    await person.sees("entries to remove")
    await person.press("down", "space")
    await person.sees("and 1 environment to remove:", "free in 1 day")


async def freeing(person: Person) -> None:
    """Ask for more space than there is, at once."""
    await person.press("F")
    await person.sees("entries to remove")
    await person.press("c", "t")
    await person.write("#target", "9 TB")
    await person.sees("free at once")


def unshared(*pressed: str) -> Script:
    """Return a script that waits for the environments of a search, and then presses keys."""

    async def script(person: Person) -> None:
        person.app.post_message(UnsharedSearch.Ended(looks.unshared(os.environ["HOME"])))
        await person.sees("can be freed")
        await person.press(*pressed)

    return script


async def comparing(person: Person) -> None:
    """Compare a project with another one."""
    await person.press("equals_sign", "down")
    await person.until(lambda: person.dialog and person.dialog.command, "the comparison")
    _shorten(person)


async def exporting(person: Person) -> None:
    """Ask to write the list to a file."""
    await person.press("e")
    await person.until(lambda: person.dialog and person.dialog.command, "the command")
    _shorten(person)


def _shorten(person: Person) -> None:
    """Write the home as `~` in the shown command, because its path is another one in every run."""
    assert person.dialog is not None
    person.dialog.say_command(person.dialog.command.replace(os.environ["HOME"], "~"))


async def setting(person: Person) -> None:
    """Hide a column, and type a filter."""
    await person.press("comma", "j", "space")
    await person.write("#new-filter", "large = >100MB -torch")


async def adopting(person: Person) -> None:
    """Open the preview of an adoption."""
    home = os.environ["HOME"]
    preview = Job(
        "", "", previews.described(once(lambda: looks.unshared(home)), previews.of_adoption), is_listed=False
    )
    plan = adoption_jobs.adopt(person.app.session.store, ["notebooks", "site"])
    preview.command = "pepip adopt --yes ~/code/notebooks/.venv '~/code/site [old]/.venv'"
    person.app.actions.begin(lambda: plan._replace(preview=preview))
    await person.until(lambda: getattr(person.dialog, "is_ready", False), "the preview")


async def installing(person: Person) -> None:
    """Show a running install."""

    def steps() -> Generator[Progress, None, None]:
        yield Progress("resolve")
        yield Progress("download", "9 distributions", 0, 88_000_000)
        yield Progress("download", "numpy", 60_700_000, 88_000_000)
        while not job.is_cancelled.is_set():
            time.sleep(0.01)  # the operation is still running
        yield Progress("link")

    job = Job("install numpy 'requests[socks]' in api", "pepip install numpy", steps)
    person.app.session.queue.submit(job)
    await person.until(lambda: job.received_bytes, "bytes")
    person.app._show_jobs()


async def activities(person: Person) -> None:
    """Show one finished operation and one failed."""
    words = "error: no solution found\n  because [/] is hostile, and markup is not read"
    failing = once(lambda: _raise(UvError("uv pip compile failed", output=words, hint="ask for less")))
    done = once(
        lambda: Summary("/x", dry_run=False, linked=(("idna", "3.11"),), reused=("idna",), avoided_bytes=405_500)
    )
    person.app.session.queue.submit(
        Job("install idna in api", "pepip install idna", done, describe=reports.of_summary)
    )
    person.app.session.queue.submit(Job("install nonsense[/] in api", "pepip install 'nonsense[/]'", failing))
    await person.until(lambda: person.dialog and not person.app.session.queue.unfinished, "the failure")
    await person.press("escape", "4")
    for job in person.app.session.queue.jobs:
        job.seconds = 1.2
    person.app._show_jobs()


PLAN = Summary(
    "/x",
    dry_run=True,
    linked=(("numpy", "2.4.1"), ("requests", "2.32.5"), ("pysocks", "1.7.1"), ("idna", "3.11")),
    removed=(("numpy", "2.0.2"), ("old-thing", "1.0")),
    private=(("api", "0.1.0"),),
    reused=("numpy", "requests", "idna"),
    downloaded=("pysocks",),
    avoided_bytes=61_600_000,
    download_bytes=16_700,
)

STATES = {
    "store-80x24": State(keys()),
    "store-160x48": State(keys("j"), (160, 48)),
    "store-50x20": State(keys(), (50, 20)),
    "store-light": State(keys("j", "j"), (120, 30), "textual-light"),
    "store-ansi": State(keys("space", "space"), (80, 24), "ansi-dark"),
    "store-filtered": State(filtered(">10MB project:research -triton")),
    "store-nothing-matches": State(filtered("no-such-thing[/]")),
    "store-damaged": State(damaged, (120, 30)),
    "store-notices": State(keys(), look=noticed("uv", "registry")),
    "store-empty": State(keys(), look=lambda _: looks.empty()),
    "store-empty-50x20": State(keys(), (50, 20), look=lambda _: looks.empty()),
    "store-denied": State(keys(), look=troubled("denied")),
    "store-away": State(keys(), look=troubled("away"), theme="ansi-light"),
    "detail-80x24": State(keys("right")),
    "projects-80x24": State(keys(), pane="projects"),
    "projects-160x48": State(keys("j"), (160, 48), pane="projects"),
    "projects-50x20": State(keys(), (50, 20), pane="projects"),
    "projects-packages": State(keys("enter", "j"), pane="projects"),
    "projects-none": State(keys(), pane="projects", look=lambda home: looks.of(home, projects=())),
    "savings-80x24": State(keys(), pane="savings"),
    "savings-160x48": State(keys(), (160, 48), pane="savings", theme="nord"),
    "savings-50x20": State(keys(), (50, 20), pane="savings"),
    "unshared-first": State(unshared(), look=lambda _: looks.empty()),
    "unshared-first-50x20": State(unshared(), (50, 20), look=lambda _: looks.empty()),
    "unshared-first-160x48": State(unshared("space"), (160, 48), look=lambda _: looks.empty()),
    "unshared-projects": State(unshared("tab", "space"), pane="projects"),
    "unshared-projects-50x20": State(unshared(), (50, 20), pane="projects"),
    "unshared-projects-160x48": State(unshared(), (160, 48), pane="projects", theme="ansi-dark"),
    "adopt-plan": State(adopting, (100, 30)),
    "activity": State(activities, (120, 30)),
    "activity-none": State(keys(), pane="activity"),
    "drawer": State(installing),
    "drawer-50x20": State(installing, (50, 20)),
    "install-form": State(keys("i")),
    "install-form-50x20": State(keys("i"), (50, 20)),
    "install-plan": State(planned(PLAN)),
    "install-plan-50x20": State(planned(PLAN, has_lock=True), (50, 20)),
    "install-plan-ansi": State(planned(PLAN), (100, 30), "ansi-light"),
    "install-refused": State(planned(UvError("uv pip compile failed", output="error: [x] no solution\n  hint [/]"))),
    "prune": State(pruning),
    "prune-50x20": State(pruning, (50, 20)),
    "prune-ansi": State(pruning, (120, 30), "ansi-dark"),
    "reclaim": State(reclaiming),
    "reclaim-50x20": State(reclaiming, (50, 20)),
    "reclaim-120x36": State(reclaiming, (120, 36)),
    "reclaim-160x48": State(freeing, (160, 48)),
    "reclaim-light": State(reclaiming, (120, 36), "textual-light"),
    "reclaim-ansi": State(freeing, (80, 24), "ansi-dark"),
    "repair": State(keys("R")),
    "remove-linked": State(keys("d")),
    "undo": State(keys("z")),
    "undo-50x20": State(keys("z"), (50, 20)),
    "help": State(keys("question_mark")),
    "audit": State(keys("o"), look=looks.audited),
    "audit-detail-160x48": State(filtered("vuln:"), (160, 48), look=looks.audited),
    "compare": State(comparing, pane="projects"),
    "compare-which": State(keys("equals_sign")),
    "settings": State(setting),
    "export": State(exporting),
    "growth-120x36": State(keys("w"), (120, 36), pane="savings", look=looks.grown),
}
SIZES = {"80x24": (80, 24), "120x36": (120, 36), "160x48": (160, 48), "50x20": (50, 20)}
THEMES = {"dark": "textual-dark", "light": "textual-light", "ansi": "ansi-dark"}
SCREENS = {
    "audit-never": State(keys("o")),
    "growth": State(keys(), pane="savings", look=looks.grown),
    **{name: STATES[name] for name in ("audit", "compare", "settings", "export")},
}
ALL_SIZES = {
    f"{name}-{size}-{theme}": state._replace(size=SIZES[size], theme=THEMES[theme])
    for name, state in SCREENS.items()
    for size in SIZES
    for theme in THEMES
    if theme == "dark" or size == "80x24"
}
"""The screens of reports at all sizes, and in all kinds of themes, for the long list."""


def mixed(home: str) -> Catalog:
    """Return a catalog with a script and a tool among the projects."""
    return looks.of(home, projects=(*looks.PROJECTS, *looks.OTHERS))


async def marked(person: Person) -> None:
    """Mark two cells of the matrix."""
    await person.press("a", "right", "space")


async def upgrading(person: Person) -> None:
    """Open the preview for two projects, of which one can't be upgraded."""
    shares = person.app.session.catalog.shares.values()  # type: ignore[union-attr]
    plan = looks.upgrade_plan([share.known for share in shares])
    preview = Job("upgrade numpy, requests", "", once(lambda: preview_of(plan)), is_listed=False)
    preview.command = "pepip upgrade numpy requests --projects ~/code/api/.venv '~/code/training [gpu]/.venv'"
    action = PreviewedAction("upgrade numpy, requests in 3 environments", "Upgrade", preview, preview)
    person.app.actions.begin(lambda: action)
    await person.until(lambda: getattr(person.dialog, "is_ready", False), "the preview")


SCREENS = {
    "files": State(keys("enter", "j"), look=mixed),
    "map": State(keys("m", "right"), look=mixed),
    "why": State(keys("t"), look=mixed),
    "versions": State(marked, pane="versions", look=mixed),
    "upgrade-plan": State(upgrading, pane="versions", look=mixed),
    "kinds": State(keys("j"), pane="projects", look=mixed),
}
SIZES = {
    "80x24": ((80, 24), "textual-dark"),
    "120x36": ((120, 36), "textual-light"),
    "160x48": ((160, 48), "ansi-dark"),
    "50x20": ((50, 20), "textual-dark"),
}
"""The sizes and themes in which each of the `SCREENS` is drawn. The first is in the default run."""

VARIANTS = {
    f"{name}-{size}": screen._replace(size=SIZES[size][0], theme=SIZES[size][1])
    for size in SIZES
    for name, screen in SCREENS.items()
}
LONG = {*list(VARIANTS)[len(SCREENS) :], "reclaim-light", "reclaim-ansi"}
STATES |= VARIANTS


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the home of a user whose terminal has colours."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "name",
    [
        *(pytest.param(name, marks=pytest.mark.real_world) if name in LONG else name for name in STATES),
        *(pytest.param(name, marks=pytest.mark.real_world) for name in ALL_SIZES),
    ],
)
def test_a_state_looks_as_it_did(
    name: str, home: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """The picture of each state is the reviewed one.

    If another version of Textual draws it, only the words are compared.
    """
    state = STATES.get(name) or ALL_SIZES[name]
    monkeypatch.setattr(time, "time", lambda: looks.FIRST_DAY + 40 * looks.DAY)
    found = state.look(str(home))
    monkeypatch.setattr(catalogs, "recall", lambda *_: None)
    monkeypatch.setattr(catalogs, "read", lambda *_, **__: found)
    monkeypatch.setattr(entry_details, "show", lambda _store, item, version, **_: looks.details(found, item, version))
    monkeypatch.setattr(entry_files, "of", looks.files_of)
    monkeypatch.setattr(why, "why", lambda _store, name, known, **_: looks.reasons(name, known))
    monkeypatch.setattr(prune, "preview", lambda *_: looks.preview(found))
    monkeypatch.setattr(prune, "freed_by_entry", lambda item: (item.file_count * 9000, 0))
    monkeypatch.setattr(prune, "measure", lambda _store, chosen, _gone, options: looks.measure(chosen, options))
    monkeypatch.setattr(undo, "default_trash_seconds", lambda *_: 86_400.0)
    monkeypatch.setattr(undo, "last", lambda *_: looks.grave(found))
    monkeypatch.setattr(reclaim, "find", lambda *_, **__: looks.reclaimable(found))
    monkeypatch.setattr(reclaim, "measure", lambda _store, _seen, choice: looks.gain(found, choice))
    monkeypatch.setenv("XDG_STATE_HOME", str(home))

    svg = normalized(asyncio.run(_picture(state, home)))

    expected = SNAPSHOTS / f"{name}.svg"
    if request.config.getoption("--update-snapshots"):
        SNAPSHOTS.mkdir(exist_ok=True)
        expected.write_text(svg)
        DRAWN_BY.write_text(f"{_painters()}\n")
    assert expected.exists(), "never reviewed: run with --update-snapshots, and look at it"
    reduced = str if DRAWN_BY.read_text().strip() == _painters() else words_of
    if reduced(svg) != reduced(expected.read_text()):
        seen = expected.with_suffix(".new.svg")
        seen.write_text(svg)
        pytest.fail(f"{name} looks otherwise: compare {expected} with {seen}", pytrace=False)


def _painters() -> str:
    """Return the versions of the libraries that draw. Other versions may draw the same words differently."""
    return ", ".join(f"{name} {metadata.version(name)}" for name in ("textual", "rich"))


async def _picture(state: State, home: Path) -> str:
    app = PepipApp(Store(f"{home}/.pepip"), pane=state.pane, folder=f"{home}/nowhere", is_still=True)
    app.animation_level = "none"
    app.theme = state.theme
    async with app.run_test(size=state.size) as pilot:
        person = Person(app, pilot)
        await person.has_looked()
        await _settle(person)
        await state.script(person)
        await _settle(person)
        before = person.screen
        _paint_again(person)
        await _settle(person)
        assert person.screen == before
        svg = screenshot.picture_of(app)
        app.session.queue.cancel_all()
        await asyncio.get_running_loop().run_in_executor(None, app.session.queue.wait, 10)
    return svg


def _paint_again(person: Person) -> None:
    """Let all widgets forget their colours: Textual keeps those of a paint before the style sheet was applied."""
    for screen in person.app.screen_stack:
        for widget in (screen, *screen.query("*")):
            widget.notify_style_update()
            widget.refresh()


async def _settle(person: Person) -> None:
    """Wait until the app has drawn everything: no work is left, and two looks at the screen are equal."""
    before = ""
    while not person.is_idle or before != person.screen:
        if person.is_idle:  # a look at a screen that Textual has not drawn yet would spoil it
            before = person.screen
        await person.pilot.pause(0.1)
