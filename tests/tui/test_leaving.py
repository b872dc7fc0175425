"""`pepip ui` finishes its operations, and then exits."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pepip.store import activity_log
from pepip.store.root import Store
from pepip.tui.job import Job, once
from tests.support.screens import Person, use
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

ENDLESS = """
import sys, time
from pepip.operations.reporting import Progress
from pepip.store.root import Store
from pepip.tui import start
from pepip.tui.job import Job
from pepip.tui.scanner import Scanner

def steps():
    while True:
        time.sleep(0.02)
        yield Progress("verify", "and so on")

def begin(scanner, real=Scanner.begin):
    real(scanner)
    scanner._session.queue.submit(Job("an endless one", "pepip", steps))

Scanner.begin = begin
sys.exit(start.run(Store(sys.argv[1])))
"""
"""A program that runs the app with an operation which only a cancellation ends."""

HANGING = """
import sys, threading
from pepip.operations import prune
from pepip.store.root import Store
from pepip.tui import start

def hang(*arguments):
    print("the disk hangs", file=sys.__stderr__, flush=True)
    threading.Event().wait()

prune.preview = hang
sys.exit(start.run(Store(sys.argv[1])))
"""
"""A program that runs the app with a disk that does not answer a thread."""

WHEELS = [Wheel("drum", "1.0", files={"drum/__init__.py": ""})]


@pytest.mark.parametrize("fails", [False, True])
def test_the_operations_that_end_last_are_in_the_history(
    app_bench: Workbench, store: Path, capfd: pytest.CaptureFixture[str], *, fails: bool
) -> None:
    """A failure among them is shown on the terminal, and the exit code is 1."""
    app_bench.at("one").install("drum")
    goes_on = threading.Event()

    def work() -> None:
        goes_on.wait(20)
        if fails:
            raise OSError(5, "Input/output error", "/a/file")

    async def script(person: Person) -> None:
        queue = person.app.session.queue
        queue.submit(Job("first", "pepip first", once(work)))
        queue.submit(Job("second", "pepip second", once(lambda: None)))
        await person.press("q")
        await person.answers("finish")
        goes_on.set()
        await person.until(lambda: not person.app.is_running, "the exit")

    app = use(store, script)

    rows = [(row.title, row.state) for row in activity_log.read(Store(str(store)))]
    assert rows == [("first", "failed" if fails else "done"), ("second", "done")]
    assert app.return_code == int(fails)
    shown = capfd.readouterr().err
    assert ("failed: first\nInput/output error: /a/file" in shown) is fails


@pytest.mark.parametrize("is_asked", [True, False], ids=["in the dialog", "without a dialog"])
def test_an_operation_that_fails_as_the_user_quits_is_told(
    app_bench: Workbench, store: Path, capfd: pytest.CaptureFixture[str], *, is_asked: bool
) -> None:
    """It ends just before the app takes the key. The terminal shows the failure, and the exit code is 1."""
    app_bench.at("one").install("drum")
    goes_on = threading.Event()

    def work() -> None:
        goes_on.wait(20)
        raise OSError(5, "Input/output error", "/a/file")

    async def script(person: Person) -> None:
        queue = person.app.session.queue
        queue.submit(Job("the only one", "pepip", once(work)))
        if is_asked:
            await person.press("q")
            await person.until(lambda: person.dialog, "the dialog")
        goes_on.set()
        assert queue.wait(20)  # the app can't hear of the end meanwhile
        if person.dialog is not None:
            person.dialog.action_answer("finish")
        else:
            await person.app.action_quit()
        await person.until(lambda: not person.app.is_running, "the exit")

    app = use(store, script)

    assert [(row.title, row.state) for row in activity_log.read(Store(str(store)))] == [("the only one", "failed")]
    assert app.return_code == 1
    assert "failed: the only one\nInput/output error: /a/file" in capfd.readouterr().err


@contextlib.contextmanager
def started(player: Workbench, program: str, store: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run a program on a terminal of its own. Yield its process, and the file descriptor of the other end."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(store)],
        env=player.machine.variables({"TERM": "xterm-256color"}),
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509  no other thread is at work
    )
    os.close(follower)
    try:
        yield process, leader
    finally:
        process.kill()
        process.wait()


def read_until(leader: int, words: bytes) -> None:
    """Read the output of a terminal until it has had these words."""
    screen = b""
    while words not in screen:
        screen += os.read(leader, 65536)


def test_an_operation_that_a_closed_terminal_cancels_is_in_the_history(app_bench: Workbench, store: Path) -> None:
    """The system sends SIGHUP. The process cancels the operation, and ends after it."""
    app_bench.at("one").install("drum")
    with started(app_bench, ENDLESS, store) as (process, leader):
        read_until(leader, b"an endless one")
        os.close(leader)
        assert process.wait(60) == 128 + signal.SIGHUP

    rows = [(row.title, row.state) for row in activity_log.read(Store(str(store)))]
    assert rows == [("an endless one", "cancelled")]


def test_the_app_exits_while_a_disk_hangs(app_bench: Workbench, store: Path) -> None:
    """A thread waits for the disk. The process waits for this thread only a moment, and restores the terminal."""
    app_bench.at("one").install("drum")
    with started(app_bench, HANGING, store) as (process, leader):
        read_until(leader, b"the disk hangs")
        os.write(leader, b"q")
        read_until(leader, b"\x1b[?1049l")  # the end of the alternate screen

        assert process.wait(30) == 0
        os.close(leader)
