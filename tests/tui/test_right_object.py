"""Each act of the app changes the object that the app showed, or nothing."""

from __future__ import annotations

import asyncio
import shlex
import shutil
import subprocess
import threading
from collections.abc import Collection, Generator
from pathlib import Path

import pytest
from textual import events
from textual.message import Message

from pepip.operations import prune as pruning
from pepip.operations import reclaim
from pepip.operations.adoption.preview import AdoptionPreview
from pepip.operations.census import Census
from pepip.operations.prune import PruneOptions, PrunePreview
from pepip.operations.reclaim import Reclaimable
from pepip.operations.reporting import Progress
from pepip.store.root import Store
from pepip.tui import entries, environment_jobs, job_queue
from pepip.tui import jobs as jobs_of
from pepip.tui.catalog import Catalog
from pepip.tui.entries import Listing
from pepip.tui.job import DONE, FAILED, Job, once
from pepip.tui.job_queue import JobQueue
from pepip.tui.projects_pane import ProjectsPane
from pepip.tui.reclaim_dialog import ReclaimDialog
from tests.support.machines import site_packages_of
from tests.support.screens import Person, use
from tests.support.snapshots import changes, snapshot
from tests.support.stores import entries_of
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

WHEELS = [
    Wheel("drum", "1.0", files={"drum/__init__.py": "V = 1\n" * 2000}),
    Wheel("horn", "1.0", files={"horn/__init__.py": ""}),
]


def project(player: Workbench, name: str) -> Path:
    """Make a project that declares no dependency and has drum in its environment, and return its folder."""
    bench = player.at(name)
    bench.machine.make_folder(bench.project)
    text = f'[project]\nname = "{name}"\nversion = "0"\nrequires-python = ">=3.8"\ndependencies = []\n'
    (bench.project / "pyproject.toml").write_text(text)
    bench.install("drum")
    return bench.project


def block(queue: JobQueue) -> threading.Event:
    """Submit a job that ends when the returned event is set: later jobs wait until then."""
    is_free = threading.Event()
    queue.submit(Job("a long one", "pepip", once(lambda: is_free.wait(20))))
    return is_free


@pytest.mark.parametrize(("is_moved", "reason"), [(True, "is gone"), (False, "no longer the folder of a project")])
def test_jobs_for_a_lost_project_fail_and_touch_no_other_project(
    app_bench: Workbench, store: Path, monkeypatch: pytest.MonkeyPatch, is_moved: bool, reason: str
) -> None:
    """The app was started in a project, and lost one is below it: uv would take the former for the latter."""
    lost = project(app_bench, "outer/lost")
    outer = project(app_bench, "outer")
    monkeypatch.chdir(outer)
    monkeypatch.setattr(job_queue, "STARTED_IN", str(outer))
    before = snapshot(outer)

    async def script(person: Person) -> None:
        queue, of_store = person.app.session.queue, person.app.session.store
        synced = environment_jobs.sync(of_store, str(lost / ".venv"))
        installed = environment_jobs.install(of_store, str(lost / ".venv"), "horn")
        uninstalled = environment_jobs.uninstall(of_store, str(lost / ".venv"), ["drum"])
        assert installed.instead is not None
        assert uninstalled.instead is not None
        is_free = block(queue)
        for job in (synced.carry_out, installed.instead, uninstalled.instead):
            queue.submit(job)
        if is_moved:
            queue.submit(installed.carry_out)
            shutil.move(lost, outer.parent / "moved")
        else:
            (lost / "pyproject.toml").unlink()
        is_free.set()
        await person.has_done(4)
        for job in queue.jobs[1:]:
            assert (job.state, reason in job.outcome) == (FAILED, True), (job.title, job.outcome)
        queue.submit(synced.preview)
        await person.until(lambda: synced.preview.is_over, "the preview")
        assert reason in synced.preview.outcome

    use(store, script, folder=outer)

    if is_moved:
        shutil.move(outer.parent / "moved", lost)
        assert not changes(before, snapshot(outer))
    assert not (outer / "uv.lock").exists()
    assert (site_packages_of(outer / ".venv") / "drum").is_symlink()
    assert (site_packages_of(lost / ".venv") / "drum").is_symlink()


def test_a_sync_refuses_an_environment_that_a_variable_names(
    app_bench: Workbench, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The preview says that uv would sync the environment that a variable names, and jobs change nothing."""
    one, two = project(app_bench, "one"), project(app_bench, "two")
    monkeypatch.setenv("UV_PROJECT_ENVIRONMENT", str(two / ".venv"))
    before = snapshot(one.parent)

    async def script(person: Person) -> None:
        person.table("#environments").put_cursor(str(one / ".venv"))
        await person.press("S")
        await person.sees(f"uv syncs {two}/.venv, and not {one}/.venv", "unset UV_PROJECT_ENVIRONMENT")
        await person.press("escape")
        job = environment_jobs.install(person.app.session.store, str(one / ".venv"), "horn").instead
        assert job is not None
        person.app.session.queue.submit(job)
        await person.has_done()
        assert (job.state, "and not" in job.outcome) == (FAILED, True)

    use(store, script, folder=one, pane="projects")

    assert not changes(before, snapshot(one.parent))


def unused(player: Workbench, *names: str) -> None:
    """Store packages that no environment links."""
    for name in names:
        shutil.rmtree(player.at(name).install(name))


def prune_into_trash(person: Person, name: str) -> Job[PrunePreview]:
    """Submit a job that puts the entry of a package into the trash for an hour."""
    of_store = person.app.session.store
    orphans = [item for item in pruning.preview(of_store, PruneOptions()).orphans if item.stored.name == name]
    return person.app.session.queue.submit(jobs_of.prune(of_store, orphans, "pepip", keep_seconds=3600))


def test_an_undo_brings_back_what_its_dialog_shows_or_nothing(app_bench: Workbench, store: Path) -> None:
    """Another prune ends before the undo. The undo fails, and nothing comes back."""
    unused(app_bench, "drum", "horn")

    async def script(person: Person) -> None:
        prune_into_trash(person, "drum")
        await person.has_done()
        is_free = block(person.app.session.queue)
        prune_into_trash(person, "horn")
        await person.press("z")
        await person.sees("Undo the last prune", "drum-1.0")
        await person.answers("go")
        is_free.set()
        job = await person.has_done(4)
        assert (job.state, job.outcome) == (FAILED, "this is not the last removal any more")

    use(store, script)

    assert entries_of(store) == []


def test_a_removal_without_the_trash_says_that_it_empties_the_trash(app_bench: Workbench, store: Path) -> None:
    """The dialogs name the space of earlier removals, and Reclaim ticks its row `the trash`."""
    unused(app_bench, "drum", "horn")
    included = "of earlier removals in the trash: z can't bring them back then"

    async def script(person: Person) -> None:
        prune_into_trash(person, "drum")
        await person.has_done()
        await person.press("P")
        await person.sees("1 entry to remove", "free in")
        assert "of earlier removals" not in person.screen
        await person.press("t")
        await person.sees(included)
        await person.press("escape")
        await person.press("F")
        await person.sees("1 unused entry", "the trash", "free in")
        assert person.table("#bundles").marks == {"unused"}
        await person.press("t")
        await person.sees(included)
        assert person.table("#bundles").marks == {"unused", "trash"}
        person.table("#bundles").put_cursor("unused")
        await person.press("space")
        await person.sees("Nothing is ticked")
        assert person.app.screen.query_one("#answer-go").disabled

    use(store, script)


def test_reclaim_ticks_for_the_size_that_was_typed_last(
    app_bench: Workbench, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The choice for an earlier size ends later, and is ignored. So is a choice after a tick by hand."""
    unused(app_bench, "drum")
    is_free, ended, real = threading.Event(), threading.Event(), reclaim.pick

    def slowly(store: Store, found: Reclaimable, target_bytes: float, *, with_cache: bool) -> reclaim.Choice:
        choice = real(store, found, target_bytes, with_cache=with_cache)
        if target_bytes < 1000:
            return choice._replace(keys=frozenset())
        is_free.wait(20)
        ended.set()
        return choice

    monkeypatch.setattr(reclaim, "pick", slowly)

    async def script(person: Person) -> None:
        await person.press("F")
        await person.sees("1 unused entry", "free in")
        await pick(person, "5 GB")
        await pick(person, "1 B")
        table = person.table("#bundles")
        await person.until(lambda: not table.marks, "the choice for 1 B")
        is_free.set()
        await person.until(ended.is_set, "the choice for 5 GB")
        await person.until(lambda: not busy(person), "the end of all choices")
        assert not table.marks
        is_free.clear()
        ended.clear()
        await pick(person, "6 GB")
        table.put_cursor("unused")
        await person.press("space")
        await person.press("space")
        assert not table.marks
        is_free.set()
        await person.until(ended.is_set, "the choice for 6 GB")
        await person.until(lambda: not busy(person), "the end of all choices")
        assert not table.marks

    async def pick(person: Person, size: str) -> None:
        await person.write("#target", size)
        person.app.screen.query_one("#target").focus()
        await person.press("enter")

    def busy(person: Person) -> bool:
        return any(worker.group == "pick" and worker.is_running for worker in person.app.workers)

    use(store, script)


@pytest.mark.parametrize("name", ["prune", "reclaim"])
def test_an_answer_is_carried_out_although_its_dialog_is_gone(app_bench: Workbench, store: Path, name: str) -> None:
    """The app is busy when the user answers. Textual removes the dialog, and calls the app afterwards."""
    unused(app_bench, "drum")

    async def script(person: Person) -> None:
        of_entries = person.app.actions.entries
        person.app.call_later(of_entries.ask_to_prune if name == "prune" else of_entries.ask_to_reclaim)
        await person.sees("1 entry to remove: ", "free in")
        dialog = person.dialog
        assert dialog is not None

        async def be_busy() -> None:
            while dialog.is_attached:
                await asyncio.sleep(0.01)

        person.app.call_later(be_busy)
        await asyncio.sleep(0)
        dialog.action_answer("go")
        assert (await person.has_done()).state == DONE

    use(store, script)

    assert entries_of(store) == []


def test_reclaim_lists_the_idle_environments_of_the_time_that_was_chosen_last(
    app_bench: Workbench, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search for an earlier time ends later, and is ignored."""
    unused(app_bench, "drum")
    is_free, real, post = threading.Event(), reclaim.find, ReclaimDialog.post_message
    found = []

    def post_and_tell(dialog: ReclaimDialog, message: Message) -> bool:
        is_posted = post(dialog, message)
        found.extend([message] if isinstance(message, ReclaimDialog.Found) else [])
        return is_posted

    def slowly(
        store: Store, seen: Census, *, idle_seconds: float, unshared: AdoptionPreview | None = None
    ) -> Reclaimable:
        listed = real(store, seen, idle_seconds=idle_seconds, unshared=unshared)
        days = round(idle_seconds / 86_400)
        if days == 180:
            is_free.wait(20)
        return listed._replace(
            bundles=[bundle._replace(title=f"listed for {days} days") for bundle in listed.bundles]
        )

    monkeypatch.setattr(reclaim, "find", slowly)
    monkeypatch.setattr(ReclaimDialog, "post_message", post_and_tell)

    async def script(person: Person) -> None:
        await person.press("F")
        await person.sees("listed for 90 days")
        await person.press("n", "n")
        await person.sees("listed for 365 days")
        is_free.set()
        await person.until(lambda: len(found) == 3, "the end of all searches")
        assert "listed for 365 days" in person.screen

    use(store, script)


@pytest.mark.parametrize("is_read_meanwhile", [False, True], ids=["in its first phase", "in a reading"])
def test_entries_of_a_running_operation_are_marked(
    app_bench: Workbench, store: Path, monkeypatch: pytest.MonkeyPatch, is_read_meanwhile: bool
) -> None:
    """Also if the operation is in its first phase when the app hears of it, or if a reading listed them before."""
    unused(app_bench, "drum")
    has_begun, may_end, is_listed, may_go_on = (threading.Event() for _ in range(4))
    real = entries.listing

    def listing(catalog: Catalog, damaged: Collection[str], touched: Collection[str]) -> Listing:
        made = real(catalog, damaged, touched)
        if is_read_meanwhile and not is_listed.is_set():
            is_listed.set()
            may_go_on.wait(20)
        return made

    def operation() -> Generator[Progress, None, None]:
        yield Progress("" if is_read_meanwhile else "verify")
        has_begun.set()
        may_end.wait(20)

    async def script(person: Person) -> None:
        monkeypatch.setattr(entries, "listing", listing)
        if is_read_meanwhile:
            await person.press("r")
            await person.until(is_listed.is_set, "a listing")
        (entry_id,) = person.table("#entries").keys
        person.app.session.queue.submit(Job("a long one", "pepip", operation, touches=frozenset([entry_id])))
        assert has_begun.wait(20)
        if is_read_meanwhile:
            await person.sees("busy 1")
            may_go_on.set()
            await person.has_looked()
        await person.sees("busy 1")
        may_end.set()
        await person.has_done()
        await person.until(lambda: "busy 1" not in person.screen, "the end of the mark")

    use(store, script)


def test_packages_marked_in_one_project_are_not_those_of_the_next(app_bench: Workbench, store: Path) -> None:
    """Two keys come at once: the second one comes before the app has shown the packages of the next project."""
    environments = [str(app_bench.at(name).install("drum", "horn")) for name in ("one", "two")]
    before = snapshot(app_bench.folder)

    async def script(person: Person) -> None:
        app, table = person.app, person.table("#environments")
        table.put_cursor(table.keys[0])
        await person.press("enter", "space", "left")
        pane = app.query_one(ProjectsPane)
        assert pane.packages.marks == {"drum"}
        for key in ("down", "u"):
            app.post_message(events.Key(key, None).set_sender(app))
        await person.sees("No package is chosen")
        assert table.cursor_key == table.keys[1]
        assert (person.dialog, pane.packages.marks) == (None, set())
        assert sorted(environments) == sorted(table.keys)

    use(store, script, pane="projects")

    assert not changes(before, snapshot(app_bench.folder))


@pytest.mark.parametrize("name", ["venv", ".venv", "blank "])
def test_the_form_names_the_environment_of_the_row(app_bench: Workbench, store: Path, name: str) -> None:
    """The folder of a project may be called like an environment. The list of known projects means the same."""
    environment = app_bench.at(name).install("horn")
    command = shlex.join(["pepip", "install", "--directory", str(environment.parent), "--venv", ".venv", "drum"])

    async def script(person: Person) -> None:
        await person.press("i")
        await person.write("#line", "drum")
        await person.until(lambda: person.dialog and person.dialog.command == command, command)
        await person.write("#place", "/")
        await person.until(lambda: person.dialog and person.dialog.command != command, "another command")
        await person.press("down")
        await person.until(lambda: person.dialog and person.dialog.command == command, command)

    use(store, script, pane="projects")


def test_the_words_of_the_drawer_are_clicked_where_they_are(app_bench: Workbench, store: Path) -> None:
    """The title has characters of two columns each. A click beside `x cancel` cancels nothing."""
    app_bench.install("horn")

    async def script(person: Person) -> None:
        is_free = threading.Event()
        job = Job("install 楽器 in 日本語プロジェクト名前", "pepip", once(lambda: is_free.wait(20)))
        person.app.session.queue.submit(job)
        await person.click_on("x cancel", aside=-4)
        await person.until(lambda: person.app.here == "activity", "the activity pane")
        assert not job.is_cancelled.is_set()
        await person.click_on("x cancel", line="esc hide")
        await person.until(job.is_cancelled.is_set, "the click")
        is_free.set()

    use(store, script, size=(100, 30))


def test_x_on_an_operation_that_is_over_cancels_no_other(app_bench: Workbench, store: Path) -> None:
    """The list of operations has the cursor on a finished one, and another one runs."""
    app_bench.install("horn")

    async def script(person: Person) -> None:
        queue = person.app.session.queue
        over = queue.submit(Job("the first one", "pepip", once(lambda: None)))
        await person.has_done()
        await person.press("4")
        is_free = block(queue)
        await person.sees("a long one")
        person.table("#jobs").put_cursor(str(over.number))
        await person.press("x")
        await person.sees("This operation is over: the first one")
        assert not any(job.is_cancelled.is_set() for job in queue.jobs)
        person.table("#jobs").put_cursor(str(queue.jobs[1].number))
        await person.press("x")
        await person.until(queue.jobs[1].is_cancelled.is_set, "the cancellation")
        is_free.set()

    use(store, script)


def test_entries_of_a_project_that_stays_are_not_announced_to_go(app_bench: Workbench, store: Path) -> None:
    """A program runs from one of the marked projects. The preview and its command have nothing of that project."""
    one, two = (app_bench.at(name).install(*names) for name, names in (("one", ["drum"]), ("two", ["drum", "horn"])))
    program = subprocess.Popen([one / "bin" / "python", "-c", "input()"], stdin=subprocess.PIPE)

    async def script(person: Person) -> None:
        await person.press("space", "space")
        assert person.table("#environments").marks == {str(one), str(two)}
        await person.press("d")
        await person.sees("1 environment would change", "runs from it", "horn 1.0", "with 1 entry that")
        assert "drum 1.0" not in person.screen
        assert person.dialog is not None
        assert person.dialog.command == f"pepip prune --yes --trash --environment {two} horn==1.0"
        await person.answers("go")
        job = await person.has_done()
        assert (job.state, len(person.app.session.queue.jobs)) == (DONE, 1)

    with program:
        try:
            use(store, script, pane="projects", size=(150, 40))
        finally:
            program.kill()

    assert (entries_of(store), one.exists(), two.exists()) == (["drum-1.0"], True, False)
