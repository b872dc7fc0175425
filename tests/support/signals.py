"""Signals to programs that run a command for somebody."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

PASSED_ON = tuple(
    number
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGQUIT, signal.SIGHUP)
    if signal.getsignal(number) is not signal.SIG_IGN  # below `nohup`, programs do not get SIGHUP
)
"""Signals that `uv run` passes on to its command."""

TELLING = f"""
import signal, sys, time
def tell(number, frame):
    print(signal.Signals(number).name, flush=True)
    if number == signal.SIGTERM:
        sys.exit(7)
def main():
    for number in {[int(number) for number in PASSED_ON]}:
        signal.signal(number, tell)
    signal.signal(signal.SIGTERM, tell)
    print("ready", flush=True)
    while True:
        time.sleep(0.05)
if __name__ == "__main__":
    main()
"""
"""A module that tells the signals that it gets, and ends with 7 at SIGTERM."""


def told_by(process: subprocess.Popen[str]) -> tuple[list[str], int]:
    """Send each signal to a process that runs `TELLING`, then SIGTERM. Return the told names and the exit code."""
    assert process.stdout is not None
    said = [process.stdout.readline().strip()]
    try:
        for number in (*PASSED_ON, signal.SIGTERM):
            wait_until_caught(process.pid, number)
            process.send_signal(number)
            said.append(process.stdout.readline().strip())
        return said, process.wait(60)
    finally:
        process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):  # its program may live on and hold the pipes
            process.communicate(timeout=5)


def wait_until_caught(process: int, number: signal.Signals) -> None:
    """Wait until a process has a handler for a signal. Return at once where the kernel does not say so.

    uv installs its handlers after it has started the command of `uv run` (seen with strace). Before that, a signal
    ends uv itself, and the exit status differs.
    """
    deadline = time.monotonic() + 30
    while sys.platform == "linux" and number != signal.SIGKILL:
        caught = re.search(r"^SigCgt:\s*(\w+)", Path(f"/proc/{process}/status").read_text(), re.MULTILINE)
        assert caught is not None
        if int(caught[1], 16) & 1 << (number - 1):
            return
        assert time.monotonic() < deadline
        time.sleep(0.01)
