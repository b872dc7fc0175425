"""Rare cases of everyday use: unusual environments, unusual options, a signal in the middle."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from pepip.cli import uv_options
from tests.support import projects
from tests.support.environments import Twins
from tests.support.machines import Machine, uv_executable
from tests.support.snapshots import snapshot, stamps
from tests.support.wheels import Wheel

PEPIP = (sys.executable, "-m", "pepip")

PYPROJECT = """\
[project]
name = "app"
version = "1.0"
requires-python = ">=3.8"
dependencies = ["lamp"]

[tool.uv]
no-index = true
find-links = ["wheelhouse"]
"""


@pytest.fixture
def app(machine: Machine, project: Path) -> Path:
    """Return a synced project."""
    Wheel("lamp", "1.0", files={"lamp/__init__.py": "LIT = True\n"}).write(project / "wheelhouse")
    Wheel("plug", "1.0", files={"plug/__init__.py": ""}).write(project / "wheelhouse")
    (project / "pyproject.toml").write_text(PYPROJECT)
    machine.pepip("sync", folder=project)
    return project


@contextmanager
def read_only(folder: Path, place: Path) -> Iterator[Path]:
    """Mount a folder read-only at another place. Skip if this process may not mount."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    place.mkdir()
    subprocess.run(["mount", "--bind", folder, place], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", place], check=True)
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def is_linked(environment: Path, name: str) -> bool:
    """Tell whether a package of the environment is a link."""
    return any(path.is_symlink() for path in environment.glob(f"lib/*/site-packages/{name}"))


def test_a_project_that_is_up_to_date_needs_no_permission(machine: Machine, app: Path, tmp_path: Path) -> None:
    """In a read-only project, and without a store, `sync` has nothing to do and `run` runs the command."""
    with read_only(app, tmp_path / "image") as place:
        variables = {"PEPIP_HOME": "/proc/nowhere"}
        for home in ({}, variables):
            synced = machine.pepip("sync", folder=place, variables=home)
            output = machine.pepip("run", "python", "-c", "print('ran')", folder=place, variables=home)

            assert "Nothing to do" in synced.stderr
            assert output.stdout == "ran\n"


@pytest.mark.parametrize("command", [("sync",), ("run", "true")], ids=["sync", "run"])
def test_an_environment_without_its_interpreter_is_made_anew(
    machine: Machine, app: Path, command: tuple[str, ...]
) -> None:
    """An environment whose interpreter is gone is made again, as by uv after an upgrade of Python."""
    (app / ".venv" / "bin" / "python").unlink()
    (app / ".venv" / "bin" / "python").symlink_to("/nonexistent/python")

    machine.pepip(*command, folder=app)

    machine.python(app / ".venv", "-c", "import lamp; assert lamp.LIT")
    assert is_linked(app / ".venv", "lamp")


def test_a_linked_venv_stays_a_link(machine: Machine, app: Path, tmp_path: Path) -> None:
    """If `.venv` is a link to a folder elsewhere, the environment is made there, also the second time."""
    shutil.rmtree(app / ".venv")
    (tmp_path / "scratch").mkdir()
    (app / ".venv").symlink_to(tmp_path / "scratch")

    machine.pepip("sync", folder=app)
    (tmp_path / "scratch" / "bin" / "python").unlink()
    machine.pepip("sync", folder=app)

    assert (app / ".venv").is_symlink()
    machine.python(tmp_path / "scratch", "-c", "import lamp; assert lamp.LIT")


def test_requirements_with_local_paths_are_installed_beside_others(twins: Twins) -> None:
    """A wheel file, a folder and an editable are installed together with names of an index.

    The environment already holds a distribution, and equals uv's afterwards.
    """
    elsewhere = projects.furnish(twins)
    lines = (
        f"attrs<25\n{elsewhere}/files/blotter-1.0-py3-none-any.whl\n../../elsewhere/quill\n-e ../../elsewhere/nib\n"
    )
    twins.write("requirements.txt", lines)
    twins.install("idna")
    twins.install("-r", "requirements.txt")

    twins.assert_equal()

    twins.machine.uv("pip", "sync", "requirements.txt", folder=twins.uv_project)
    twins.machine.pepip("pip", "sync", "requirements.txt", folder=twins.pepip_project)

    twins.assert_equal()


def test_requirements_are_read_from_a_pipe(machine: Machine, app: Path) -> None:
    """Requirements are read from a pipe, as in `-r <(uv export)`: a pipe can be read only once."""
    pipe = app / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("plug\n",))
    writer.start()
    machine.pepip("add", "-r", "pipe", folder=app)
    writer.join()

    assert is_linked(app / ".venv", "plug")


def test_requirements_are_read_from_stdin(machine: Machine, app: Path) -> None:
    """`add` and `uninstall` read requirements from stdin, as `install` does."""

    def piped(*words: str) -> None:
        process = machine.start([*PEPIP, *words], folder=app)
        _, said = process.communicate("plug\n", timeout=60)
        assert process.returncode == 0, said

    piped("add", "-r", "-")
    assert '"plug>=1.0"' in (app / "pyproject.toml").read_text()
    assert is_linked(app / ".venv", "plug")

    piped("uninstall", "--yes", "-r", "-")
    assert not is_linked(app / ".venv", "plug")


SLOW_BACKEND = """\
import pathlib, time


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    pathlib.Path("building").touch()
    time.sleep(60)


build_editable = build_wheel
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_to_pepip_alone_ends_uv_and_gives_everything_back(
    machine: Machine, app: Path, number: signal.Signals
) -> None:
    """After a signal to pepip during a build, `pyproject.toml` and `uv.lock` are as before. No uv still runs."""
    slow = app / "slow"
    slow.mkdir()
    build = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    (slow / "pyproject.toml").write_text(f'[project]\nname = "slow"\nversion = "1.0"\n{build}')
    (slow / "backend.py").write_text(SLOW_BACKEND)
    before = snapshot(app / "pyproject.toml"), snapshot(app / "uv.lock")
    process = machine.start([*PEPIP, "add", "./slow"], folder=app)
    deadline = time.monotonic() + 30
    while not (slow / "building").exists() and time.monotonic() < deadline:
        time.sleep(0.05)

    process.send_signal(number)
    _, said = process.communicate(timeout=20)

    assert process.returncode == (128 + number if number == signal.SIGINT else -number), said
    assert (snapshot(app / "pyproject.toml"), snapshot(app / "uv.lock")) == before
    left = subprocess.run(["ps", "-o", "comm=", "-g", str(process.pid)], capture_output=True, text=True, check=False)
    assert "uv" not in left.stdout.split()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # the build process, which uv leaves running, too


@pytest.mark.parametrize("word", ["--config-setting=--build-option=--quiet", "-C=--build-option=--quiet"])
def test_values_may_start_with_a_dash(machine: Machine, app: Path, word: str) -> None:
    """The value of an option may start with a dash, as under uv."""
    output = machine.pepip("pip", "install", word, "--no-index", "--find-links", "wheelhouse", "plug", folder=app)

    assert "plug==1.0" in output.stderr


def test_a_dry_run_into_an_environment_that_is_not_there_makes_none(
    machine: Machine, app: Path, tmp_path: Path
) -> None:
    """A dry run makes no environment, even if the active environment does not exist."""
    nowhere = tmp_path / "nowhere"
    before = stamps(app)

    machine.pepip("sync", "--active", "--dry-run", folder=app, variables={"VIRTUAL_ENV": str(nowhere)})

    assert not nowhere.exists()
    assert stamps(app) == before


def test_an_unknown_option_is_said_to_be_uvs(machine: Machine, app: Path) -> None:
    """An option that pepip does not know may be uv's. A warning says that uv alone runs the command."""
    output = machine.pepip("sync", "--no-such-option", folder=app, check=False)

    assert output.returncode == 2
    assert output.stderr.startswith("warning: pepip does not know --no-such-option: uv alone runs this")
    assert "unexpected argument '--no-such-option'" in output.stderr


UVS_COMMANDS = {
    ("pip", "install"): uv_options.PIP_OPTIONS,
    ("pip", "sync"): uv_options.PIP_OPTIONS,
    ("sync",): uv_options.PROJECT_OPTIONS,
    ("run",): uv_options.PROJECT_OPTIONS,
    ("add",): uv_options.LOCK_OPTIONS,
    ("remove",): uv_options.LOCK_OPTIONS,
}


@pytest.mark.parametrize("command", UVS_COMMANDS, ids=" ".join)
def test_every_option_that_uv_documents_is_known(machine: Machine, project: Path, command: tuple[str, ...]) -> None:
    """The parsers of pepip know each option in uv's help, so none is refused and none bypasses the store."""
    shown = machine.uv(*command, "--help", folder=project, variables={"COLUMNS": "200"}).stdout
    documented = {word.rstrip(",") for line in shown.splitlines() for word in line.split() if line.startswith("  ")}
    flags = {word for word in documented if word.startswith("--") and word.strip("-").replace("-", "").isalpha()}
    known = machine.run([sys.executable, "-c", KNOWN, *command], folder=project).stdout.split()

    assert len(flags) > 40
    assert flags - set(known) == set()


KNOWN = """\
import sys
from pepip.cli import options, uv_options

names = []
real = options.Parser.read

def read(self, words):
    for item in (*self._actions, *(option for _, table in self._tables for option in table)):
        names.extend(getattr(item, "option_strings", None) or getattr(item, "names", ()))
    print(*names)
    sys.exit(0)

options.Parser.read = read
from pepip.cli.main import run
run(sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("kind", "table"), [("pip", uv_options.PIP_OPTIONS), ("project", uv_options.PROJECT_OPTIONS)]
)
def test_every_option_that_is_passed_on_is_known_where_it_goes(
    machine: Machine, project: Path, kind: str, table: tuple[uv_options.UvOption, ...]
) -> None:
    """Each uv command gets only options that it knows: uv refuses a request with an unknown option."""
    goes_to = {
        ("pip", "common_options"): [("pip", "compile"), ("pip", "install")],
        ("pip", "resolver_options"): [("pip", "compile"), ("pip", "install")],
        ("pip", "installer_options"): [("pip", "install")],
        ("project", "common_options"): [("sync",), ("lock",), ("export",), ("run",), ("pip", "install")],
        ("project", "build_options"): [("sync",), ("lock",), ("export",), ("run",)],
        ("project", "resolver_options"): [("sync",), ("lock",)],
        ("project", "selection_options"): [("sync",), ("export",), ("run",)],
        ("project", "sync_options"): [("sync",)],
        ("project", "reinstall_options"): [("sync",)],
    }
    of_sync = {"--allow-empty-requirements", "--no-allow-empty-requirements"}  # only `uv pip sync` has these
    unknown = []

    for option in table:
        for command in goes_to[kind, option.group]:
            for name in set(option.names) - of_sync:
                words = [*command, name, *(["x"] if option.takes_value else []), "--help"]
                said = machine.run([uv_executable(), *words], folder=project, check=False).stderr
                if "unexpected" in said:
                    unknown.append(" ".join(words))

    assert unknown == []


def test_a_file_and_a_folder_of_one_name_are_refused(machine: Machine, app: Path) -> None:
    """A file and a folder of one name are refused without a change, as by uv. Either one alone can be installed."""
    Wheel("moth", "1.0", files={"lamp": "a file\n"}).write(app / "wheelhouse")
    before = snapshot(app / ".venv")

    output = machine.pepip("pip", "install", "moth", folder=app, check=False)

    assert output.returncode == 1
    assert "lamp is a file of moth and a folder of lamp: one can't be installed" in output.stderr
    assert "Traceback" not in output.stderr
    assert snapshot(app / ".venv") == before
    machine.pepip("pip", "uninstall", "lamp", folder=app)
    machine.pepip("pip", "install", "moth", folder=app)
    (made,) = app.glob(".venv/lib/*/site-packages/lamp")
    assert made.read_text() == "a file\n"
