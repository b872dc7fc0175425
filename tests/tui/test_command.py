"""`pepip ui` as a command: on a real terminal, without one, and which modules other commands must not import."""

from __future__ import annotations

import fcntl
import os
import pty
import shutil
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

import pytest
from textual import events
from textual._xterm_parser import XTermParser

from pepip.tui import escape_key
from tests.support.machines import Machine
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

PATIENCE_SECONDS = 60


WHEELS = [Wheel(name, "1.0", files={f"{name}/__init__.py": ""}) for name in ("horn", "drum")]


@pytest.fixture
def stocked(workbench: Workbench) -> Workbench:
    """Return a user whose store has a linked entry and an orphan."""
    workbench.install("horn", "drum")
    workbench.pepip("uninstall", "-y", "drum")
    return workbench


def test_without_a_terminal_there_is_one_clear_error(stocked: Workbench) -> None:
    """The error says what to do instead, and nothing is written to stdout."""
    output = stocked.pepip("ui", check=False)

    assert output.returncode == 2
    assert output.stdout == ""
    assert output.stderr.splitlines()[0] == "error: `pepip ui` needs a terminal"
    assert "--screenshot" in output.stderr


@pytest.mark.parametrize("pane", ["store", "projects", "savings", "activity"])
def test_a_picture_is_written_without_a_terminal(stocked: Workbench, pane: str) -> None:
    """The picture is SVG, needs no network for fonts, and shows the store's entries. NO_COLOR does not change it."""
    stocked.pepip(
        "ui",
        "--screenshot",
        "x.svg",
        "--size",
        "120x30",
        "--screen",
        pane,
        variables={"NO_COLOR": "1"},
    )

    svg = (stocked.project / "x.svg").read_text()
    ElementTree.fromstring(svg)
    assert "https://" not in svg.replace("https://www.textualize.io", "").replace("https://github.com/Textualize", "")
    assert pane != "store" or "drum" in svg


def test_options_that_make_no_sense_are_refused(stocked: Workbench) -> None:
    """A wrong size, theme or screen is an error, and no picture is written."""
    for words in (("--size", "big"), ("--theme", "none"), ("--screen", "x")):
        output = stocked.pepip("ui", *words, "--screenshot", "x.svg", check=False)
        assert output.returncode == 2
        assert output.stderr.startswith("error: ")
        assert not (stocked.project / "x.svg").exists()


def test_no_headless_command_imports_textual(stocked: Workbench) -> None:
    """Without a terminal no command imports Textual, and neither does the help of `pepip ui`."""
    for words in (["store", "list"], ["prune", "--dry-run"], ["install", "horn", "--dry-run"], ["ui", "--help"]):
        code = (
            "import sys; from pepip.cli.main import run\n"
            f"try: run({words!r})\nexcept SystemExit: pass\n"
            "found = [name for name in sys.modules if name.startswith(('textual', 'pepip.tui'))]\n"
            "sys.exit(f'imported {found}' if found else 0)"
        )
        stocked.machine.run([sys.executable, "-c", code], folder=stocked.project)


@contextmanager
def terminal(machine: Machine, folder: Path, size: tuple[int, int] = (80, 24)) -> Iterator[Terminal]:
    """Yield a terminal in which `pepip ui` runs. Skip the test if tmux is missing."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux is missing: no terminal to look at")
    socket = folder / "tmux"
    shown = Terminal(machine, socket)
    command = [Path(sys.executable).with_name("pepip"), "ui"]
    if not command[0].exists():
        pytest.skip("pepip is not installed beside this interpreter")
    words = ["new-session", "-d", "-x", str(size[0]), "-y", str(size[1]), *map(str, command)]
    shown.tmux("-f", "/dev/null", *words)
    try:
        yield shown
    finally:
        shown.tmux("kill-server", check=False)


class Terminal:
    """A terminal of tmux. Tests press keys in it and read its screen."""

    def __init__(self, machine: Machine, socket: Path) -> None:
        self._machine = machine
        self._socket = socket

    def tmux(self, *words: str, check: bool = True) -> str:
        """Run tmux on this terminal's own server."""
        variables = self._machine.variables({"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"})
        for name in ("TMUX", "COLUMNS", "LINES", "NO_COLOR"):
            variables.pop(name, None)
        command = ["tmux", "-u", "-S", str(self._socket), *words]
        return subprocess.run(command, env=variables, check=check, capture_output=True, text=True).stdout

    def press(self, *keys: str) -> None:
        """Press keys, by tmux's names."""
        self.tmux("send-keys", *keys)

    @property
    def screen(self) -> str:
        """The text on the screen."""
        return self.tmux("capture-pane", "-p", check=False)

    @property
    def process(self) -> int:
        """The process that runs in the terminal."""
        return int(self.tmux("list-panes", "-F", "#{pane_pid}").split()[0])

    def sees(self, words: str) -> None:
        """Wait until words are on the screen."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while words not in self.screen:
            if time.monotonic() > deadline:
                pytest.fail(f"{words!r} never came:\n{self.screen}", pytrace=False)
            time.sleep(0.05)

    def ends(self) -> None:
        """Wait until the program has ended, and with it the terminal."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.tmux("list-sessions", check=False):
            if time.monotonic() > deadline:
                pytest.fail(f"it never ended:\n{self.screen}", pytrace=False)
            time.sleep(0.05)


@pytest.mark.parametrize(
    ("sent", "keys"),
    [
        ("\x1b2", ["escape", "2"]),
        ("\x1b/", ["escape", "slash"]),
        ("\x1bP", ["escape", "P"]),
        ("\x1b\x1b", ["escape", "escape"]),
        ("\x1b[A", ["up"]),
        ("\x1b[<0;3;4M", []),
        ("™", ["trade_mark_sign"]),
    ],
)
def test_escape_and_a_key_soon_after_it_are_two_keys(sent: str, keys: list[str]) -> None:
    """Control sequences stay whole."""
    escape_key.separate()
    parser = XTermParser()

    found = [*parser.feed(sent)]
    time.sleep(0.11)
    found += parser.tick()

    assert [event.key for event in found if isinstance(event, events.Key)] == keys


def test_a_prune_on_a_real_terminal(stocked: Workbench, store: Path, tmp_path: Path) -> None:
    """In the installed `pepip ui`, a user filters, prunes by keys, and quits."""
    with terminal(stocked.machine, tmp_path) as shown:
        shown.sees("2 entries")
        shown.press("/")
        shown.sees("esc Clear")
        shown.press("unused:")
        shown.sees("1 entry")
        shown.press("Enter")
        shown.sees("Files")
        shown.press("P")
        shown.sees("Remove 1 entry")
        shown.press("Right", "Enter")
        shown.sees("1 entry removed")
        shown.press("q")
        shown.ends()

    assert [path.name for path in store.glob("packages/*/*")] == ["horn-1.0"]


def test_a_terminal_that_is_gone_ends_the_app(stocked: Workbench, tmp_path: Path) -> None:
    """Nobody reads the output any more. A write must not wait for ever."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "pepip", "ui"],
        cwd=tmp_path,
        env=stocked.machine.variables({"TERM": "xterm-256color"}),
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509  no other thread is at work
    )
    os.close(follower)
    screen = b""
    while b"2 entries" not in screen:
        screen += os.read(leader, 65536)
    os.close(leader)

    assert process.wait(30) == 128 + signal.SIGHUP


@pytest.mark.parametrize("end", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_a_terminal_that_is_closed_ends_the_app(
    stocked: Workbench, store: Path, tmp_path: Path, end: signal.Signals
) -> None:
    """The app ends by itself, and the store is unchanged."""
    with terminal(stocked.machine, tmp_path, (50, 20)) as shown:
        shown.sees("2 entries")
        os.kill(shown.process, end)
        shown.ends()

    assert len(list(store.glob("packages/*/*"))) == 2
