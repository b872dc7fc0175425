"""Kills pepip with SIGKILL: before a chosen change to the disk, or together with uv after a time.

The first way is exact and repeatable. See `killing/sitecustomize.py`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.support.machines import Machine, Output

_DRIVER = Path(__file__).with_name("killing")


def killed_before(
    machine: Machine, change: int, arguments: Sequence[str | Path], *, folder: Path, within: Path
) -> Output:
    """Run pepip, and kill it just before change number `change` below `within`.

    With `change` 0 it runs to its end. In both cases `<within>/changes.log` lists the changes.
    """
    return _run_until(machine, change, arguments, folder=folder, within=within, error=0)


def refused_at(
    machine: Machine, change: int, arguments: Sequence[str | Path], *, folder: Path, within: Path, error: int
) -> Output:
    """Run pepip, and make change number `change` below `within` fail with errno `error`.

    The run then continues.
    """
    return _run_until(machine, change, arguments, folder=folder, within=within, error=error)


def _run_until(
    machine: Machine, change: int, arguments: Sequence[str | Path], *, folder: Path, within: Path, error: int
) -> Output:
    log = within / "changes.log"
    log.unlink(missing_ok=True)
    variables = {
        "KILLING_ERROR": str(error),
        "KILLING_FOLDER": str(within),
        "KILLING_LOG": str(log),
        "KILLING_LAST_CHANGE": str(change),
        "PYTHONPATH": str(_DRIVER),
    }
    return machine.pepip(*arguments, folder=folder, check=False, variables=variables)


def changes_seen(within: Path) -> list[str]:
    """Return a line for each change of the last run below `within`. The last change may not be done."""
    return (within / "changes.log").read_text().splitlines()


def kill_all_after(seconds: float, machine: Machine, arguments: Sequence[str | Path], *, folder: Path) -> float:
    """Run pepip, and kill it and its subprocesses after `seconds`. Returns the seconds that it ran."""
    started = time.monotonic()
    process = subprocess.Popen(
        [*machine.prefix, sys.executable, "-m", "pepip", *(os.fspath(word) for word in arguments)],
        cwd=folder,
        env=machine.variables(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    ran_seconds = time.monotonic() - started
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return ran_seconds
