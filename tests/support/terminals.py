"""Running programs on a terminal of their own, and answering what they ask there."""

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
"""Between a question and the answer, as nobody types faster.

A program asks a moment before it reads. CPython does not look at a signal that comes in between until the read ends.
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
    """Run a command whose three streams are one terminal, of which it is the controlling process.

    `answers` are pairs: once the first is on the screen, the second is typed. All that was on the screen is in
    `stdout`, with the terminal's line ends made plain.
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


def _read(leader: int) -> str:
    """Return what comes next on the screen, nothing once the last program has left the terminal."""
    readable, _, _ = select.select([leader], [], [], _PATIENCE_SECONDS)
    if readable:
        with contextlib.suppress(OSError):  # Linux's answer when nobody has the other end any more
            return os.read(leader, 65536).decode(errors="replace")
    return ""
