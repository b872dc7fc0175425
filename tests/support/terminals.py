"""Runs programs on their own terminals, and answers their questions."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.support.machines import Machine, Output

_PATIENCE_SECONDS = 60
_REACTION_SECONDS = 0.2
"""The time between a question and its answer. No person types faster.

A program prints its question shortly before it reads the answer. If a signal arrives in between, CPython handles it
only after the read.
"""

_TAKE_TERMINAL = """
import fcntl, os, signal, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])
"""


def run_on_terminal(
    machine: Machine,
    command: Sequence[str | Path],
    *,
    folder: Path,
    answers: Sequence[tuple[str, str]] = (),
    variables: Mapping[str, str] | None = None,
) -> Output:
    """Run a command as the controlling process of a new terminal, which is stdin, stdout and stderr.

    `answers` are pairs: as soon as the first text is on the screen, the second is typed. The whole output is in
    `stdout`, with line feeds as line ends.
    """
    leader, follower = pty.openpty()
    words = [*machine.prefix, *(os.fspath(word) for word in command)]
    process = subprocess.Popen(
        [sys.executable, "-c", _TAKE_TERMINAL, *words],
        cwd=folder,
        env=machine.variables({"TERM": "xterm-256color", **(variables or {})}),
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
    )
    os.close(follower)
    screen = ""
    try:
        seen = 0
        for awaited, typed in answers:
            while awaited not in screen[seen:]:
                read = _read(leader)
                if not read:
                    pytest.fail(f"{awaited!r} never came on the screen:\n{screen}", pytrace=False)
                screen += read
            seen = screen.index(awaited, seen) + len(awaited)
            time.sleep(_REACTION_SECONDS)
            _wait_until_idle(process.pid)
            os.write(leader, typed.encode())
        while read := _read(leader):
            screen += read
        exit_code = process.wait(_PATIENCE_SECONDS)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(leader)
    return subprocess.CompletedProcess(words, exit_code, screen.replace("\r\n", "\n"), "")


def _wait_until_idle(process: int) -> None:
    """Wait until a process sleeps. On a busy machine, it may still be on the way to its read."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while sys.platform == "linux" and time.monotonic() < deadline:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
            if state == "R":
                time.sleep(0.01)
                continue
        return


def _read(leader: int) -> str:
    """Return the next output, or an empty string after the last program has left the terminal or a time limit."""
    readable, _, _ = select.select([leader], [], [], _PATIENCE_SECONDS)
    if readable:
        with contextlib.suppress(OSError):  # Linux raises EIO when no process has the other end open
            return os.read(leader, 65536).decode(errors="replace")
    return ""
