"""Several commands that start at the same moment in one project all succeed, and end like a single one.

Compose services, hooks and `make -j` start commands like that: nothing exists yet, and each of them begins to make
everything.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from pepip.operations import venv_creation
from tests.support.machines import require_interpreter, uv_executable
from tests.support.parity import Level, differences, observe
from tests.support.snapshots import changes, snapshot
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

pytestmark = pytest.mark.every(2)

PROJECT = '[project]\nname = "orchestra"\nversion = "1"\nrequires-python = ">=3.8"\ndependencies = ["drum", "horn"]\n'
SYNC, RUN, INSTALL = ["sync"], ["run", "python", "-c", "import drum, horn"], ["install", "drum", "horn"]
TOGETHER = {
    "syncs": [SYNC] * 6,
    "runs": [RUN] * 6,
    "installs": [INSTALL] * 6,
    "all kinds": [SYNC, RUN, INSTALL] * 2,
}


WHEELS = [Wheel(name, "1.0", files={f"{name}/__init__.py": "", f"{name}/data.txt": ""}) for name in ("drum", "horn")]


@dataclass(frozen=True)
class Hall(Workbench):
    """A place for projects, and a model project that a single command made."""

    @property
    def model(self) -> Workbench:
        """Return the model project."""
        return self.at("model")

    def make(self, name: str, *, is_locked: bool = False) -> Hall:
        """Make a project without an environment, and return the hall with that project."""
        made = self.at(name)
        made.project.mkdir()
        (made.project / "pyproject.toml").write_text(PROJECT)
        if is_locked:
            shutil.copy(self.model.project / "uv.lock", made.project)
        return made

    def start(self, commands: Sequence[Sequence[str]], *, uv: bool = False) -> list[str]:
        """Start commands at the same moment, and return the output of those that failed.

        With `uv`, every second command is one of uv.
        """
        running = []
        for number, words in enumerate(commands):
            program = [str(uv_executable())] if uv and number % 2 else [sys.executable, "-m", "pepip"]
            running.append(
                subprocess.Popen(
                    [*program, *words],
                    cwd=self.project,
                    env=self.machine.variables(self.variables),
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                )
            )
        said = [process.communicate(timeout=300)[0] for process in running]
        return [text for text, process in zip(said, running, strict=True) if process.returncode]

    def assert_as_model(self) -> None:
        """Assert that the project's environment equals the model's, and that no temporary file is left."""
        observed = [observe(made.environment, self.machine, level=Level.METADATA) for made in (self.model, self)]
        own = ("file bin/activate", "file pyvenv.cfg")  # have the project's name, except after `install`
        assert [line for line in differences(*observed) if not line.startswith(own)] == []
        assert sorted(path.name for path in self.project.iterdir()) == [".venv", "pyproject.toml", "uv.lock"]
        assert self.problems() == self.leftovers() == []


@pytest.fixture
def hall(workbench: Workbench) -> Hall:
    """Return a hall with its own wheels."""
    settings = {
        "UV_NO_INDEX": "1",
        "UV_FIND_LINKS": str(workbench.wheelhouse),
        "UV_PYTHON": str(workbench.interpreter),
        "UV_OFFLINE": "1",
    }
    found = Hall.like(workbench, variables=settings)
    found.make("model").pepip("sync")
    return found


@pytest.mark.parametrize("name", TOGETHER)
def test_first_commands_at_the_same_time_all_succeed(hall: Hall, name: str) -> None:
    """One command does the work, and the others find it done."""
    project = hall.make("new", is_locked=True)

    failed = project.start(TOGETHER[name])

    assert failed == []
    project.assert_as_model()


def test_the_lock_may_be_missing_too(hall: Hall) -> None:
    """Each command makes `uv.lock` or finds it."""
    project = hall.make("new")

    failed = project.start([SYNC] * 6)

    assert failed == []
    project.assert_as_model()


def test_an_environment_of_another_python_is_replaced_once(hall: Hall) -> None:
    """The second run does not remove the environment that the first run made."""
    project = hall.make("new", is_locked=True)
    other = next(found for found in ("3.12", "3.11") if found not in hall.variables["UV_PYTHON"])
    project.uv("venv", "--python", require_interpreter(other))

    failed = project.start(TOGETHER["all kinds"][:2] * 3)

    assert failed == []
    project.assert_as_model()


def test_uv_may_sync_at_the_same_time(hall: Hall) -> None:
    """Syncs of pepip and uv at the same time succeed, because both wait for the same lock."""
    project = hall.make("new", is_locked=True)

    failed = project.start([SYNC] * 6, uv=True)

    assert failed == []
    assert project.python("-c", "import drum, horn") == ""


@pytest.mark.real_world
def test_two_hundred_rounds_of_six_first_syncs_all_succeed(hall: Hall) -> None:
    """All 1,200 syncs succeed."""
    failed: list[str] = []
    for number in range(200):
        project = hall.make(f"round-{number}", is_locked=True)
        failed += project.start([SYNC] * 6)
        project.assert_as_model()
        shutil.rmtree(project.project)

    assert failed == []


class MakingFailedError(Exception):
    """An environment can't be made."""


@pytest.mark.parametrize("is_linked", [False, True])
def test_an_environment_stays_if_its_replacement_cannot_be_made(hall: Hall, *, is_linked: bool) -> None:
    """The environment is put back as it was, even if `.venv` is a link to the folder."""
    root = hall.model.environment
    if is_linked:
        root.rename(hall.folder / "elsewhere")
        root.symlink_to(hall.folder / "elsewhere")
    before = snapshot(root.resolve())

    def maker() -> None:
        root.mkdir(exist_ok=True)
        (root / "half").write_text("")
        raise MakingFailedError

    with pytest.raises(MakingFailedError):
        venv_creation.make(str(root), maker, must_be_replaced=lambda: True)

    assert changes(before, snapshot(root.resolve())) == []
    assert root.is_symlink() == is_linked
    assert sorted(path.name for path in hall.model.project.iterdir()) == [".venv", "pyproject.toml", "uv.lock"]


def test_an_environment_stays_if_its_replacement_cannot_even_begin(tmp_path: Path) -> None:
    """If the environment's name is too long for a mark beside it, nothing is replaced or emptied."""
    root = tmp_path / ("e" * 250)
    root.mkdir()
    (root / "pyvenv.cfg").write_text("home = /usr/bin\n")
    before = snapshot(root)

    with pytest.raises(OSError, match="too long"):
        venv_creation.make(str(root), root.mkdir, must_be_replaced=lambda: True)

    assert changes(before, snapshot(root)) == []


def test_an_environment_comes_back_after_a_kill_while_it_was_replaced(hall: Hall) -> None:
    """The next command puts back the environment that the killed command had set aside."""
    root = hall.model.environment
    before = snapshot(root)
    script = (
        "import os; from pepip.operations import venv_creation\n"
        f"root = {str(root)!r}\n"
        "venv_creation.make(root, lambda: [os.mkdir(root), os._exit(9)], must_be_replaced=lambda: True)"
    )
    subprocess.run([sys.executable, "-c", script], check=False)
    assert not (root / "pyvenv.cfg").exists()

    hall.model.pepip("sync")

    assert changes(before, snapshot(root)) == []
    assert sorted(path.name for path in hall.model.project.iterdir()) == [".venv", "pyproject.toml", "uv.lock"]


class Mount:
    """A folder that is a mount point."""

    def __init__(self, folder: Path, behind: Path) -> None:
        self.folder = folder
        folder.mkdir()
        behind.mkdir()
        if os.geteuid() != 0 or subprocess.run(["mount", "--bind", behind, folder], check=False).returncode:
            pytest.skip("this needs a mount")

    def close(self) -> None:
        """Unmount the folder."""
        subprocess.run(["umount", self.folder], check=True)


def test_a_mounted_environment_is_made_emptied_and_made_again(hall: Hall) -> None:
    """An environment that is a mount point can't be replaced, so it is emptied and filled again, as by uv.

    A sync that fails leaves it as before.
    """
    project = hall.make("new", is_locked=True)
    mount = Mount(project.environment, hall.folder / "volume")
    try:
        project.pepip("sync")
        project.assert_as_model()
        other = require_interpreter("3.12" if "3.12" not in hall.variables["UV_PYTHON"] else "3.11")
        project.pepip("sync", "--python", other, variables={"UV_PYTHON": ""})
        project.python("-c", "import drum, horn")
        before = observe(project.environment, hall.machine, level=Level.METADATA)
        lacking = project.pepip("sync", "--python", "9.9", variables={"UV_PYTHON": ""}, check=False)

        assert lacking.returncode != 0
        assert differences(before, observe(project.environment, hall.machine, level=Level.METADATA)) == []
        project.pepip("sync")
        project.assert_as_model()
    finally:
        mount.close()
