"""Commands to which pepip adds nothing behave exactly like uv's, including their signals and their terminal.

Errors, help and colours look like uv's, and options before a command work as with uv.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.machines import Output, site_packages_of, uv_executable
from tests.support.signals import wait_until_caught
from tests.support.snapshots import changes, snapshot
from tests.support.terminals import run_on_terminal
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

pytestmark = pytest.mark.every(2)

BELL = Wheel(
    "bell",
    "1.0",
    files={"bell/__init__.py": "def main():\n    print('ding')\n"},
    entry_points={"console_scripts": {"bell": "bell:main"}},
)
ESCAPE = "\x1b["


WHEELS = [BELL]
PEPIP = (sys.executable, "-m", "pepip")
"""The words that start pepip."""


def answer_of(output: Output) -> tuple[int, str, str]:
    """Return the exit code, stdout and stderr of a finished program, with durations replaced."""
    return output.returncode, output.stdout, re.sub(r"\b[\d.]+m?s\b", "<time>", output.stderr)


PASSED_ON: tuple[tuple[str, ...], ...] = (
    ("cache", "dir"),
    ("cache", "nonsense"),
    ("tool", "dir"),
    ("tool", "list"),
    ("tool", "uninstall", "absent"),
    ("tool", "run"),
    ("tool", "run", "--offline", "--no-index", "absent"),
    ("python", "dir"),
    ("python", "find", "--system"),
    ("python", "find", "2.0"),
    ("python", "pin", "--rm"),
    ("version",),
    ("self", "version"),
    ("self", "version", "--output-format", "json"),
    ("auth", "dir"),
    ("auth", "token", "--help"),
    ("format", "--help"),
    ("build",),
    ("publish", "--dry-run"),
    ("publish", "absent.whl", "--token", "none", "--publish-url", "http://127.0.0.1:9/"),
    ("init", "--help"),
    ("venv", "--help"),
    ("venv", "--python", "2.0", "--offline"),
    ("lock",),
    ("tree",),
    ("export",),
    ("workspace", "dir"),
    ("pip", "compile"),
    ("pip", "compile", "absent.in"),
    ("pip", "nonsense"),
    ("pip", "--help"),
    ("pip",),
    ("nonsense",),
    ("nonsense", "--help"),
    ("help", "lock"),
    ("help", "pip", "compile"),
    ("help", "tool"),
    ("help", "nonsense"),
    ("--offline", "tool", "list"),
    ("--directory", "absent", "tree"),
    ("--color", "always", "nonsense"),
    ("--color", "always", "lock"),
    ("--nonsense",),
    ("--nonsense", "lock"),
    ("--generate-shell-completion", "bash"),
)


@pytest.mark.every(4)
@pytest.mark.parametrize("words", PASSED_ON, ids=" ".join)
def test_a_command_of_uv_gives_its_answer(workbench: Workbench, words: tuple[str, ...]) -> None:
    """A command that pepip passes on has uv's stdout, stderr and exit code, and does not touch the store."""
    of_uv = workbench.uv(*words, check=False)

    of_pepip = workbench.pepip(*words, check=False)

    assert answer_of(of_pepip) == answer_of(of_uv)
    assert not workbench.store.exists()


OF_UV_ITSELF: tuple[tuple[str, ...], ...] = (
    (),
    ("--version",),
    ("--help",),
    ("pip", "list"),
    ("pip", "install"),
    ("sync",),
    ("run", "--help"),
    ("help", "sync"),
    ("audit", "--help"),
    ("nonsense",),
)


@pytest.mark.parametrize("words", OF_UV_ITSELF, ids=lambda words: " ".join(words) or "nothing")
def test_uv_reaches_each_of_uvs_commands(workbench: Workbench, words: tuple[str, ...]) -> None:
    """`pepip uv …` runs uv, even if pepip has a command of that name."""
    of_uv = workbench.uv(*words, check=False)

    of_pepip = workbench.pepip("uv", *words, check=False)

    assert answer_of(of_pepip) == answer_of(of_uv)


def test_x_runs_a_tool(workbench: Workbench) -> None:
    """`pepip x` has the output of `uv tool run`, with options before and after the command."""
    words = ("--from", "bell", *workbench.source, "bell")
    of_uv = workbench.uv("tool", "run", *words, check=False)

    for command in (("x",), ("tool", "run"), ("--offline", "x"), ("-q", "x")):
        of_pepip = workbench.pepip(*command, *words, check=False)

        assert (of_pepip.returncode, of_pepip.stdout) == (of_uv.returncode, of_uv.stdout) == (0, "ding\n")


def test_commands_that_write_leave_the_same_files_as_uv(workbench: Workbench) -> None:
    """`init`, `version`, `venv`, `lock`, `export`, `build` and `python pin` write the same files."""
    folders = [workbench.project / name for name in ("uv", "us")]
    commands: tuple[tuple[str | Path, ...], ...] = (
        ("init", "--lib", "--name", "bell-tower", "--python", workbench.interpreter, "--vcs", "none", "app"),
        ("--directory", "app", "version", "--bump", "minor", "--frozen"),
        ("--directory", "app", "lock", "--offline", "--python", workbench.interpreter),
        ("--directory", "app", "export", "--frozen", "-q", "-o", "requirements.txt"),
        ("--directory", "app", "build", "--wheel", "--offline", "--python", workbench.interpreter, "-o", "out"),
        ("venv", "--python", workbench.interpreter, "--prompt", "bell", "made"),
        ("python", "pin", "--no-project", "3.9"),
    )

    ends = []
    for folder, run in zip(folders, (workbench.machine.uv, workbench.machine.pepip), strict=True):
        folder.mkdir()
        settings = {"UV_PYTHON_DOWNLOADS": "never", "UV_OFFLINE": "1"}
        ends.append(
            [run(*command, folder=folder, check=False, variables=settings).returncode for command in commands]
        )

    assert ends[0] == ends[1] == [0] * len(commands)
    seen = [
        {path: node for path, node in snapshot(folder).items() if not path.startswith("made/bin/")}
        for folder in folders
    ]
    assert changes(seen[0], seen[1]) == []
    assert "app/out/bell_tower-0.2.0-py3-none-any.whl" in seen[1]


ELSEWHERE: tuple[tuple[str, ...], ...] = (
    ("install", "--target", "there", "bell"),
    ("install", "-t", "there", "bell"),
    ("install", "--prefix", "there", "bell"),
    ("pip", "install", "--target=there", "bell"),
    ("pip", "sync", "--target", "there", "requirements.txt"),
    ("-q", "install", "--target", "there", "bell"),
)


@pytest.mark.parametrize("words", ELSEWHERE, ids=" ".join)
def test_an_install_elsewhere_is_uvs(workbench: Workbench, words: tuple[str, ...]) -> None:
    """An install into a folder that is no environment is left to uv: real files, no store and no `.venv`."""
    (workbench.project / "requirements.txt").write_text("bell==1.0\n")

    output = workbench.pepip(*words, *workbench.source, check=False)

    assert output.returncode == 0, output.stderr
    (module,) = (workbench.project / "there").rglob("bell/__init__.py")
    assert not module.is_symlink()
    assert not module.parent.is_symlink()
    assert not workbench.store.exists()
    assert not (workbench.project / ".venv").exists()


def test_an_install_into_the_system_is_uvs(workbench: Workbench) -> None:
    """`--system` is left to uv. The test compares uv's error about a missing interpreter."""
    words = ("--system", "--python", "2.0", "bell", *workbench.from_wheelhouse)
    of_uv = workbench.uv("pip", "install", *words, check=False)

    for command in (("install",), ("pip", "install")):
        assert answer_of(workbench.pepip(*command, *words, check=False)) == answer_of(of_uv)

    assert of_uv.returncode != 0


@contextlib.contextmanager
def started(workbench: Workbench, command: Sequence[str | Path]) -> Iterator[subprocess.Popen[str]]:
    """Start a program that prints `ready`, wait for that line, and yield the program.

    At the end, kill its process group.
    """
    process = subprocess.Popen(
        [os.fspath(word) for word in command],
        cwd=workbench.project,
        env=workbench.machine.variables(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):  # children of a killed program still run
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


WAITING = "import time; print('ready', flush=True); time.sleep(600)"
HANDLING = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print('ready', flush=True)
time.sleep(600)
"""


@pytest.mark.every(2)
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGKILL", "SIGUSR1"])
@pytest.mark.parametrize("way", [("run", "--no-project"), ("uv", "run", "--no-project")], ids=" ".join)
def test_a_signal_ends_it_as_it_ends_uv(workbench: Workbench, name: str, way: tuple[str, ...]) -> None:
    """A signal ends pepip with the same exit status as uv."""
    words = ("--python", workbench.interpreter, "python", "-c", WAITING)
    ends = []
    for command in ((uv_executable(), "run", "--no-project"), (*PEPIP, *way)):
        with started(workbench, [*command, *words]) as process:
            wait_until_caught(process.pid, signal.Signals[name])
            process.send_signal(signal.Signals[name])
            ends.append(process.wait(60))

    assert ends[1] == ends[0] != 0


def test_a_signal_reaches_the_command(workbench: Workbench) -> None:
    """A signal reaches the command of `run`, and the command's exit code is pepip's."""
    words = ("run", "--no-project", "--python", workbench.interpreter, "python", "-c", HANDLING)

    with started(workbench, [*PEPIP, *words]) as process:
        wait_until_caught(process.pid, signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        exit_code = process.wait(60)

    assert exit_code == 7


@pytest.mark.parametrize("exit_code", [0, 1, 3, 130])
def test_the_exit_code_of_a_command_is_pepips(workbench: Workbench, exit_code: int) -> None:
    """`run` without a project and `x` end with the exit code of their command."""
    script = f"import sys; sys.exit({exit_code})"
    for words in (("run", "--no-project"), ("x", "--offline")):
        output = workbench.pepip(*words, "--python", workbench.interpreter, "python", "-c", script, check=False)

        assert output.returncode == exit_code, output.stderr


def run_without_reader(workbench: Workbench, *command: str | Path) -> tuple[int, str]:
    """Run a command whose stdout has no reader, and return its exit code and its stderr."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = subprocess.run(
            [os.fspath(word) for word in command],
            cwd=workbench.project,
            env=workbench.machine.variables(),
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(writing)
    return ended.returncode, ended.stderr


@pytest.mark.parametrize(
    "words",
    [("help", "pip", "compile"), ("pip", "tree", "--help"), ("python", "list"), ("tool", "dir")],
    ids=" ".join,
)
def test_without_a_reader_uvs_commands_end_as_with_uv(workbench: Workbench, words: tuple[str, ...]) -> None:
    """If stdout is a pipe without a reader, exit code and stderr are uv's."""
    assert run_without_reader(workbench, *PEPIP, *words) == run_without_reader(workbench, uv_executable(), *words)


@pytest.mark.parametrize(
    "words", [("--help",), ("help", "install"), ("install", "--json", "bell"), ("generate-shell-completion", "zsh")],
    ids=" ".join,
)  # fmt: skip
def test_without_a_reader_pepips_commands_end_quietly(workbench: Workbench, words: tuple[str, ...]) -> None:
    """There is no traceback and no error. The exit code is 0 or that of a closed pipe."""
    source = workbench.source if "bell" in words else ()

    exit_code, said = run_without_reader(workbench, *PEPIP, *words, *source)

    assert said == ""
    assert exit_code in {0, -signal.SIGPIPE, 128 + signal.SIGPIPE}


@pytest.mark.parametrize("program", ["uv", "pepip"])
def test_a_command_of_a_command_dies_of_a_closed_pipe(workbench: Workbench, program: str) -> None:
    """An endless writer under `run` dies of SIGPIPE when its reader ends.

    Python ignores SIGPIPE, but the command of `run` does not inherit that.
    """
    command = [uv_executable()] if program == "uv" else PEPIP
    pipe = 'set -o pipefail; "$@" | head -n 1'
    words = ("run", "--no-project", "--python", workbench.interpreter, "sh", "-c", "while echo y; do :; done; exit 9")

    ended = workbench.machine.run(
        ["bash", "-c", pipe, "bash", *command, *words], folder=workbench.project, check=False, timeout_seconds=60
    )

    assert ended.stdout == "y\n"
    assert ended.returncode == 128 + signal.SIGPIPE


def test_a_command_has_the_terminal(workbench: Workbench) -> None:
    """A command of `run` or `x` has pepip's terminal as its three streams, and runs in the foreground."""
    script = (
        "import os, sys; print([os.isatty(number) for number in range(3)], "
        "os.tcgetpgrp(0) == os.getpgrp(), input('name? '))"
    )
    for words in (("run", "--no-project"), ("x", "--offline")):
        output = run_on_terminal(
            workbench.machine,
            [*PEPIP, *words, "--python", workbench.interpreter, "python", "-c", script],
            folder=workbench.project,
            answers=[("name? ", "bell\n")],
        )

        assert output.returncode == 0, output.stdout
        assert "[True, True, True] True bell" in output.stdout


def test_an_interrupt_on_the_terminal_ends_both(workbench: Workbench) -> None:
    """Ctrl-C during a command of `run` ends pepip as it ends uv."""
    words = ("run", "--no-project", "--python", workbench.interpreter, "python", "-c", WAITING)
    ends = [
        run_on_terminal(
            workbench.machine, [*command, *words], folder=workbench.project, answers=[("ready", "\x03")]
        ).returncode
        for command in ([uv_executable()], PEPIP)
    ]

    assert ends[1] == ends[0] != 0


def test_uv_sees_a_terminal_behind_pepip(workbench: Workbench) -> None:
    """On a terminal, uv's output is shown unchanged, with its colours."""
    words = ("nonsense", "--offline")
    screens = [
        run_on_terminal(workbench.machine, [*command, *words], folder=workbench.project)
        for command in ([uv_executable()], PEPIP)
    ]

    assert ESCAPE in screens[0].stdout
    assert (screens[1].returncode, screens[1].stdout) == (screens[0].returncode, screens[0].stdout)


COLOURS: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "as it comes": ({}, ()),
    "NO_COLOR": ({"NO_COLOR": "1"}, ()),
    "NO_COLOR, empty": ({"NO_COLOR": ""}, ()),
    "FORCE_COLOR": ({"FORCE_COLOR": "1"}, ()),
    "CLICOLOR_FORCE": ({"CLICOLOR_FORCE": "1"}, ()),
    "FORCE_COLOR, empty": ({"FORCE_COLOR": ""}, ()),
    "both": ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, ()),
    "CLICOLOR_FORCE=0": ({"CLICOLOR_FORCE": "0"}, ()),
    "TERM=dumb": ({"TERM": "dumb"}, ()),
    "TERM=dumb on CI": ({"TERM": "dumb", "CI": "true"}, ()),
    "TERM=dumb, CLICOLOR": ({"TERM": "dumb", "CLICOLOR": "1"}, ()),
    "--color always": ({"NO_COLOR": "1"}, ("--color", "always")),
    "--color=always": ({}, ("--color=always",)),
    "--color never": ({"FORCE_COLOR": "1"}, ("--color", "never")),
    "--color auto": ({}, ("--color", "auto")),
    "--no-color": ({"FORCE_COLOR": "1"}, ("--no-color",)),
}


@pytest.mark.every(6)
@pytest.mark.parametrize("ending", ["success", "failure"])
@pytest.mark.parametrize("case", COLOURS)
def test_colours_are_where_uv_has_them(workbench: Workbench, case: str, ending: str) -> None:
    """Output has colours in the same cases as uv's.

    The cases: terminal or pipe, variables, and `--color` before or after the command.
    """
    variables, options = COLOURS[case]
    workbench.uv("venv", "-q", "--python", workbench.interpreter)
    words = (
        "install",
        "--dry-run",
        "--reinstall",
        "bell" if ending == "success" else "absent",
        *workbench.from_wheelhouse,
    )

    def coloured(*command: str | Path) -> list[bool]:
        plain = workbench.machine.run(command, folder=workbench.project, variables=variables, check=False)
        screen = run_on_terminal(workbench.machine, command, folder=workbench.project, variables=variables)
        assert plain.returncode == screen.returncode == (0 if ending == "success" else 1), screen.stdout
        return [ESCAPE in plain.stderr, ESCAPE in screen.stdout]

    of_uv = coloured(uv_executable(), *options, "pip", *words)

    assert coloured(*PEPIP, *options, *words) == of_uv
    assert coloured(*PEPIP, *words, *options) == of_uv


def test_a_pipe_gets_no_progress(workbench: Workbench) -> None:
    """Without a terminal there are only lines: nothing moves the cursor or erases text."""
    output = workbench.pepip("install", "bell", *workbench.source, variables={"UV_NO_PROGRESS": "0"}, check=False)

    assert output.returncode == 0
    assert ESCAPE not in output.stderr
    assert "\r" not in output.stderr
    assert output.stdout == ""


BEFORE: dict[str, tuple[str, ...]] = {
    "quiet": ("-q",),
    "verbose": ("-v",),
    "offline": ("--offline",),
    "no cache": ("--no-cache",),
    "directory": ("--directory", "inner"),
    "directory=": ("--directory=inner",),
    "colour": ("--color", "never"),
    "no progress": ("--no-progress",),
    "configuration": ("--no-config",),
    "two": ("--offline", "--directory", "inner", "-q"),
    "cache folder": ("--cache-dir", "../cache"),
}


@pytest.mark.every(4)
@pytest.mark.parametrize("command", [("install",), ("pip", "install")], ids=" ".join)
@pytest.mark.parametrize("case", BEFORE)
def test_options_stand_before_the_command(workbench: Workbench, case: str, command: tuple[str, ...]) -> None:
    """Options before the command mean the same as after it."""
    options = BEFORE[case]
    inner = workbench.project / "inner"
    inner.mkdir()
    workbench.machine.uv("venv", "-q", "--python", workbench.interpreter, folder=inner)

    folder = workbench.project if any("inner" in option for option in options) else inner
    output = workbench.machine.pepip(*options, *command, "bell", *workbench.from_wheelhouse, folder=folder)

    assert (site_packages_of(inner / ".venv") / "bell").exists()
    assert (output.stderr == "") is ("-q" in options)
    assert not (workbench.project / ".venv").exists()


HELPS = ("install", "uninstall", "sync", "add", "remove", "run")


@pytest.mark.parametrize("command", HELPS)
def test_help_of_a_command_of_pepip(workbench: Workbench, command: str) -> None:
    """`help COMMAND`, `COMMAND --help` and `COMMAND -h` print the same help on stdout, with options."""
    shown = [
        workbench.pepip(*words, check=False) for words in (("help", command), (command, "--help"), (command, "-h"))
    ]

    for output in shown:
        assert (output.returncode, output.stderr) == (0, "")
        assert output.stdout == shown[0].stdout
    assert f"pepip {command}" in shown[0].stdout
    assert "--offline" in shown[0].stdout
    assert not workbench.store.exists()


@pytest.mark.parametrize("command", ["install", "uninstall", "sync"])
def test_help_of_the_pip_interface(workbench: Workbench, command: str) -> None:
    """Commands below `pip` have their own help on stdout."""
    for words in (("help", "pip", command), ("pip", command, "--help")):
        output = workbench.pepip(*words, check=False)

        assert (output.returncode, output.stderr) == (0, "")
        assert f"pepip pip {command}" in output.stdout


@pytest.mark.parametrize("words", [("--help",), ("-h",), ("help",)], ids=" ".join)
def test_help_of_pepip_names_its_commands(workbench: Workbench, words: tuple[str, ...]) -> None:
    """The help is on stdout, and names the commands and `PEPIP_HOME`."""
    output = workbench.pepip(*words, check=False)

    assert (output.returncode, output.stderr) == (0, "")
    for word in (*HELPS, "list", "freeze", "show", "check", "pip", "tool", "PEPIP_HOME"):
        assert word in output.stdout


@pytest.mark.parametrize("words", [("--version",), ("-V",)], ids=" ".join)
def test_the_version_is_pepips(workbench: Workbench, words: tuple[str, ...]) -> None:
    """The version is one line on stdout."""
    output = workbench.pepip(*words, check=False)

    assert (output.returncode, output.stderr) == (0, "")
    assert re.fullmatch(r"pepip \d+\.\d+\S*\n", output.stdout)


MISUSES: tuple[tuple[str, ...], ...] = (
    ("install",),
    ("install", "bell", "--nonsense"),
    ("install", "--color", "sometimes", "bell"),
    ("--color", "sometimes", "install", "bell"),
    ("--directory", "absent", "install", "bell"),
    ("install", "bell", "--find-links"),
    ("uninstall",),
    ("pip", "sync"),
    ("sync", "--nonsense"),
    ("add",),
    ("remove",),
    ("sync", "extra"),
)


@pytest.mark.parametrize("words", MISUSES, ids=" ".join)
def test_a_misuse_is_told_in_uvs_manner(workbench: Workbench, words: tuple[str, ...]) -> None:
    """A misuse prints an `error:` line and has uv's exit code. Nothing is on stdout.

    A warning about an unknown option may come before the error.
    """
    workbench.uv("venv", "-q", "--python", workbench.interpreter)
    (workbench.project / "pyproject.toml").write_text(
        '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.8"\n'
    )
    at_top = next(index for index, word in enumerate(words) if word in {"install", "uninstall", *HELPS, "pip"})
    of_uv = workbench.uv(
        *words[:at_top], *(["pip"] if words[at_top] in {"install", "uninstall"} else []), *words[at_top:], check=False
    )

    of_pepip = workbench.pepip(*words, check=False)

    assert of_pepip.returncode == of_uv.returncode != 0, of_pepip.stderr
    said = of_pepip.stderr.splitlines()
    assert said[0].startswith("error:") or said[0].startswith("warning: pepip does not know --nonsense")
    assert any(line.startswith("error:") for line in said)
    assert of_pepip.stdout == ""
    assert "Traceback" not in of_pepip.stderr


def test_uv_is_found_without_a_path(workbench: Workbench) -> None:
    """With an empty PATH, pepip uses the uv that is installed beside it. A shim named uv on PATH is not run."""
    shims = workbench.project / "shims"
    shims.mkdir()
    shim = shims / "uv"
    shim.write_text("#!/bin/sh\nexit 99\n")
    shim.chmod(0o755)
    if shutil.which("uv", path=os.fspath(Path(sys.executable).parent)) is None:
        pytest.skip("uv is not beside the interpreter")

    assert workbench.pepip("tool", "dir", variables={"PATH": ""}, check=False).returncode == 0
    assert workbench.pepip("tool", "dir", variables={"PATH": str(shims)}, check=False).returncode == 0
