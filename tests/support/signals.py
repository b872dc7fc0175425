"""Signals to programs that run a command for somebody."""

from __future__ import annotations

import re
import signal
import sys
import time
from pathlib import Path


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
