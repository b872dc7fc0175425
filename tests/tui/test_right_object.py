"""Each act of the app changes the object that the app showed, or nothing."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from pepip.tui import environment_jobs, job_queue
from pepip.tui.job import FAILED, Job, once
from pepip.tui.job_queue import JobQueue
from tests.support.machines import site_packages_of
from tests.support.screens import Person, use
from tests.support.snapshots import changes, snapshot
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
