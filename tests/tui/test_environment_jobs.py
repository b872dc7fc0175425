"""The jobs that change environments: the folder they run in, the environment they change, and the shown command."""

from __future__ import annotations

from pathlib import Path

from pepip.store.root import Store
from pepip.tui import environment_jobs


def test_an_environment_behind_a_redirect_file_is_changed_as_that_of_its_project(tmp_path: Path) -> None:
    """The project has a lock, so an upgrade syncs. The changed environment is the one that the file names."""
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    for folder in (project, elsewhere):
        folder.mkdir()
    (elsewhere / "pyvenv.cfg").touch()
    (project / "pyproject.toml").write_text("[project]\nname = 'project'\n")
    (project / ".venv").write_text("../elsewhere")
    store, place = Store(str(tmp_path / "store")), str(project / ".venv")

    found = [
        environment_jobs.upgrade(store, place, ["ink"]),
        environment_jobs.uninstall(store, place, ["ink"]),
        environment_jobs.install(store, place, "ink"),
    ]

    assert [action.carry_out.command.split()[1] for action in found] == ["sync", "uninstall", "install"]
    assert {action.carry_out.folder for action in found} == {str(project)}
    assert {root for action in found for root in action.carry_out.touches} == {str(elsewhere)}
