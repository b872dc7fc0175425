"""`pepip run` updates the project's environment and then becomes `uv run`: same output, exit code and signals."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.operations.test_projects import assert_same, is_linked
from tests.support import projects
from tests.support.environments import Twins
from tests.support.machines import uv_executable
from tests.support.parity import Level
from tests.support.projects import project_table
from tests.support.refusals import assert_refused_alike
from tests.support.signals import wait_until_caught
from tests.support.snapshots import stamps
from tests.support.terminals import run_on_terminal

WHERE = "import sys; print(sys.prefix)"
INLINE = """# /// script
# requires-python = ">=3.9"
# dependencies = ["iniconfig"]
# ///
import iniconfig, sys
try:
    import click
except ImportError:
    print("on its own with", sys.argv[1:])
"""


def synced(twins: Twins) -> None:
    """Write the application into both projects and sync it."""
    projects.APPLICATION.lay_out(twins)
    twins.both("sync")


@pytest.mark.every(10)
@pytest.mark.parametrize(
    "words",
    [
        ("run", "python", "-c", "import app, click; print('hello')"),
        ("run", "--", "python", "-c", "print('hello')"),
        ("run", "app"),
        ("run", "-m", "app_module", "--help", "-v"),
        ("run", "--module", "app_module", "x"),
        ("run", "script.py", "--flag", "-q", "--json"),
        ("run", "--script", "script.py", "one"),
        ("run", "--with", "colorama", "python", "-c", "import colorama, click; print('both')"),
        ("run", "--with", "../../elsewhere/nib", "--no-project", "python", "-c", "import nib; print('nib')"),
        ("run", "--isolated", "python", "-c", "import app; print('isolated')"),
        ("run", "--no-dev", "python", "-c", "import click; print(click.__name__)"),
        ("run", "--env-file", "variables.env", "python", "-c", "import os; print(os.environ['OF_FILE'])"),
        ("run", "--quiet", "python", "-c", "print('quiet')"),
        ("-q", "run", "python", "-c", "print('quiet')"),
        ("run", "-v", "python", "-c", "print('verbose')"),
        ("run", "--exact", "python", "-c", "print('exact')"),
        ("run", "--frozen", "python", "-c", "print('frozen')"),
        ("run", "--locked", "--no-editable", "python", "-c", "print('locked')"),
        ("run", "--directory", "src", "python", "-c", "import os; print(os.path.basename(os.getcwd()))"),
        ("run", "python", "-c", "import sys; sys.exit(7)"),
        ("run", "python", "-c", "raise RuntimeError"),
        ("run", "python", "-c", "import os; os.kill(os.getpid(), 9)"),
        ("run", "there-is-no-such-command"),
        ("run", "--extra", "nothing", "python", "-c", "print('never')"),
        ("run", "--there-is-no-such-option", "python"),
        ("run", "missing.py"),
        ("run", "inline.py", "a", "b"),
    ],
    ids=" ".join,
)
def test_run_has_the_output_and_exit_code_of_uv(twins: Twins, words: tuple[str, ...]) -> None:
    """Only the command's output is on stdout, the exit code is uv's, and the environments are equal."""
    projects.APPLICATION.lay_out(twins)
    twins.write("app_module.py", "import sys; print(__name__, sys.argv[1:])\n")
    twins.write("script.py", "import click, sys; print(sys.argv)\n")
    twins.write("inline.py", INLINE)
    twins.write("variables.env", "OF_FILE=yes\n")
    twins.machine.uv("lock", folder=twins.uv_project)
    twins.write("uv.lock", (twins.uv_project / "uv.lock").read_text())

    by_uv, by_pepip = twins.both(*words, check=False)

    assert by_pepip.returncode == by_uv.returncode, by_pepip.stderr
    assert by_pepip.stdout == by_uv.stdout.replace("/by-uv/", "/pepip/")
    assert twins.uv_environment.exists() == twins.pepip_environment.exists()
    if twins.uv_environment.exists():
        assert_same(twins, Level.FILES)


def test_run_brings_the_environment_up_to_date(twins: Twins) -> None:
    """A new dependency in `pyproject.toml` is linked before the command runs. A dropped one stays, as with uv."""
    synced(twins)
    text = (twins.uv_project / "pyproject.toml").read_text()
    twins.write("pyproject.toml", text.replace('"click"', '"pyflakes"'))

    by_uv, by_pepip = twins.both("run", "python", "-c", "import pyflakes, click; print('both')")

    assert by_pepip.stdout == by_uv.stdout == "both\n"
    assert is_linked(twins, "pyflakes")
    assert_same(twins)
    twins.both("run", "--exact", "python", "-c", "import pyflakes")
    assert_same(twins)


def test_run_without_sync_leaves_the_environment(twins: Twins) -> None:
    """`--no-sync` and `UV_NO_SYNC` run the command in the unchanged environment."""
    synced(twins)
    text = (twins.uv_project / "pyproject.toml").read_text()
    twins.write("pyproject.toml", text.replace('"click"', '"pyflakes"'))
    before = stamps(twins.pepip_environment)

    for words, variables in ((("run", "--no-sync"), {}), (("run",), {"UV_NO_SYNC": "1"})):
        by_uv, by_pepip = twins.both(*words, "python", "-c", "import pyflakes", check=False, variables=variables)

        assert by_pepip.returncode == by_uv.returncode == 1
        assert stamps(twins.pepip_environment) == before
    assert twins.file_differences() == []


@pytest.mark.every(2)
@pytest.mark.parametrize(
    "words",
    [
        ("run", "inline.py"),
        ("run", "--script", "inline.py"),
        ("run", "--with", "iniconfig", "--isolated", "python", "-c", "import iniconfig"),
        ("run", "--no-project", "--with", "iniconfig", "python", "-c", "import iniconfig"),
    ],
    ids=" ".join,
)
def test_a_run_with_an_environment_of_its_own_leaves_that_of_the_project(
    twins: Twins, words: tuple[str, ...]
) -> None:
    """A script with inline metadata and an isolated command find their packages, and leave the project unchanged."""
    projects.VIRTUAL.lay_out(twins)
    twins.write("inline.py", INLINE)
    twins.both("sync")
    before = stamps(twins.pepip_project)

    by_uv, by_pepip = twins.both(*words)

    assert by_pepip.stdout == by_uv.stdout
    assert stamps(twins.pepip_project) == before


def test_with_adds_nothing_to_the_environment(twins: Twins) -> None:
    """`--with` adds a package for one run. The environment itself is linked and stays as the lock says."""
    projects.VIRTUAL.lay_out(twins)

    by_uv, by_pepip = twins.both(
        "run", "--with", "iniconfig", "python", "-c", "import iniconfig, click; print('both')"
    )

    assert by_pepip.stdout == by_uv.stdout == "both\n"
    assert is_linked(twins, "click")
    assert_same(twins)


def test_run_outside_of_a_project_is_uvs(twins: Twins) -> None:
    """Without a project, uv finds its Python, and nothing is made."""
    for project in (twins.uv_project, twins.pepip_project):
        twins.machine.make_folder(project)

    for words in (("python", "-c", "print('here')"), ("--with", "iniconfig", "python", "-c", "import iniconfig")):
        by_uv, by_pepip = twins.both("run", *words)

        assert by_pepip.stdout == by_uv.stdout
    assert list(twins.pepip_project.iterdir()) == []


def test_run_of_a_member_is_in_the_environment_of_the_workspace(twins: Twins) -> None:
    """In the folder of a member, or with `--package`, the member's dependencies and scripts can be used."""
    projects.WORKSPACE.lay_out(twins)

    by_uv, by_pepip = twins.both("run", "core", member="packages/cli")
    assert by_pepip.stdout == by_uv.stdout == "cli\n"
    assert_same(twins)
    by_uv, by_pepip = twins.both("run", "--package", "app", "python", "-c", WHERE)

    assert by_pepip.stdout == f"{twins.pepip_environment}\n"
    assert_same(twins)


def test_run_of_a_broken_project_has_the_words_of_uv(twins: Twins) -> None:
    """A project that can't be locked is refused before the command runs."""
    twins.write("pyproject.toml", project_table('"pepip-tests-there-is-no-such-package"'))

    by_uv, by_pepip = twins.both("run", "python", "-c", "print('never')", check=False)

    assert_refused_alike(by_uv, by_pepip)
    assert twins.file_differences() == []


def tool_of(twins: Twins, name: str) -> tuple[list[str | Path], Path]:
    """Return the words that start uv, or pepip, and its project."""
    if name == "uv":
        return [uv_executable()], twins.uv_project
    return [sys.executable, "-m", "pepip"], twins.pepip_project


def test_stdin_passes_through(twins: Twins) -> None:
    """The command reads the input that is piped to pepip, and a script can be piped too."""
    synced(twins)
    said = {}

    for name in ("uv", "pepip"):
        command, folder = tool_of(twins, name)
        reader = twins.machine.start(
            [*command, "run", "python", "-c", "print(input()[::-1])"], folder=folder
        ).communicate("abc\n", timeout=60)
        script = twins.machine.start([*command, "run", "-"], folder=folder).communicate(
            "import click; print('from stdin')\n", timeout=60
        )
        said[name] = (reader[0], script[0])

    assert said["pepip"] == said["uv"] == ("cba\n", "from stdin\n")


WAITING = """
import signal, sys, time
def answer(number, frame):
    print("got", signal.Signals(number).name, flush=True)
    sys.exit(7)
if sys.argv[1:] == ["answering"]:
    signal.signal(signal.SIGTERM, answer)
    signal.signal(signal.SIGINT, answer)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.every(2)
@pytest.mark.parametrize("kind", ["answering", "plain"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_signals_reach_the_command(twins: Twins, kind: str, number: signal.Signals) -> None:
    """The command gets the signal that pepip gets. SIGINT goes to the whole group, as from a terminal."""
    projects.VIRTUAL.lay_out(twins)
    twins.both("sync")
    twins.write("waiting.py", WAITING)
    ends = {}

    for name in ("uv", "pepip"):
        command, folder = tool_of(twins, name)
        process = twins.machine.start([*command, "run", "waiting.py", kind], folder=folder)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        wait_until_caught(process.pid, number)
        if number == signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        # If the signal arrives just before the sleep, Python may answer only after the sleep.
        stdout, stderr = process.communicate(timeout=100)
        ends[name] = (process.returncode, stdout, stderr.splitlines()[-1:])  # the interrupted line may differ

    assert ends["pepip"] == ends["uv"]


COUNTING = """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
print("ready", flush=True)
got = int(signal.sigtimedwait({signal.SIGINT}, 15) is not None)
while signal.sigtimedwait({signal.SIGINT}, 0.7):
    got += 1
print("got", got, flush=True)
"""


def test_an_interrupt_of_pepip_alone_reaches_the_command(twins: Twins) -> None:
    """Such as `kill -INT`: no terminal sends it to the command. The command gets it once.

    pepip waits for `run --with`, to link the environment that uv makes for it.
    """
    projects.VIRTUAL.lay_out(twins)
    twins.both("sync")
    twins.write("counting.py", COUNTING)

    for name in ("uv", "pepip"):
        command, folder = tool_of(twins, name)
        process = twins.machine.start([*command, "run", "--with", "colorama", "counting.py"], folder=folder)
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            wait_until_caught(process.pid, signal.SIGINT)
            process.send_signal(signal.SIGINT)

            assert process.communicate(timeout=20)[0] == "got 1\n", name
        finally:
            process.kill()


def test_an_interrupt_from_the_terminal_reaches_the_command_once(twins: Twins) -> None:
    """The terminal sends it to the command, too, so pepip does not pass it on.

    Two signals that arrive at the same time would count as one, so the calls of `kill` are listened to.
    """
    code = """
import sys
from pepip.uv import process
sys.addaudithook(lambda event, _: event == "os.kill" and print("passed on", flush=True))
sys.exit(process.run_attached(sys.argv[1:]))
"""
    command = [sys.executable, "-c", code, sys.executable, "-c", COUNTING]

    output = run_on_terminal(twins.machine, command, folder=twins.folder, answers=[("ready", "\x03")])

    assert "got 1\n" in output.stdout
    assert "passed on" not in output.stdout
    assert output.returncode == 0


def test_output_to_a_closed_pipe_ends_the_command_as_under_uv(twins: Twins) -> None:
    """Python ignores SIGPIPE, but a command that `pepip run` starts does not."""
    projects.VIRTUAL.lay_out(twins)
    twins.both("sync")
    ends = {}

    for name in ("uv", "pepip"):
        command, folder = tool_of(twins, name)
        process = twins.machine.start([*command, "run", "sh", "-c", "echo ready; sleep 0.2; yes"], folder=folder)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.stdout.close()
        process.wait(timeout=60)
        assert process.stderr is not None
        process.stderr.close()
        assert process.stdin is not None
        process.stdin.close()
        ends[name] = process.returncode

    assert ends["pepip"] == ends["uv"]
