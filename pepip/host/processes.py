"""Doing one thing with two processes, where the system makes a second one for next to nothing."""

from __future__ import annotations

import contextlib
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    Item = TypeVar("Item")


def in_two(do: Callable[[Sequence[Item]], None], here: Sequence[Item], there: Sequence[Item]) -> None:
    """Do something to all of `here`, and to all of `there`, in a process of its own at the same time.

    One process does both where the system can't, where there is one processor, and where threads are at work, whose
    locks a second process would inherit. What the second process fails at is done again here, so that its error is
    raised here: `do` must bear to find part of it done. Nothing that it changes in memory is seen.
    """
    child = _fork() if there else None
    if child is None:
        do(here)
        do(there)
        return
    if child == 0:
        code = 1
        try:
            do(there)
            code = 0
        finally:
            os._exit(code)
    try:
        do(here)
    finally:  # or it would go on where somebody clears up
        is_done = _has_ended_well(child)
    if not is_done:
        do(there)


def _fork() -> int | None:
    """Return the second process to the first, 0 to the second, and None where there shall be none."""
    threading = sys.modules.get("threading")
    if sys.platform != "linux" or (threading and threading.active_count() > 1) or len(os.sched_getaffinity(0)) < 2:
        return None
    try:
        return os.fork()
    except OSError:  # no more processes, or no memory
        return None


def _has_ended_well(child: int) -> bool:
    """Wait for the end of a process. False also if nobody can tell: who started this one ignores SIGCHLD."""
    try:
        return os.waitpid(child, 0)[1] == 0
    except ChildProcessError:
        return False
    except BaseException:  # a signal that asks to end: the other process has little left to do
        with contextlib.suppress(ChildProcessError):
            os.waitpid(child, 0)
        raise
