"""Sharing the processors: one thing done by two processes, and a thread that lets others go first."""

from __future__ import annotations

import contextlib
import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    Item = TypeVar("Item")

_ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def in_two(do: Callable[[Sequence[Item]], None], here: Sequence[Item], there: Sequence[Item]) -> None:
    """Do something to all of `here`, and to all of `there`, in a process of its own at the same time.

    One process does both where the system can't, where there is one processor, and where threads are at work, whose
    locks a second process would inherit. What the second process fails at is done again here, so that its error is
    raised here: `do` must bear to find part of it done. Nothing that it changes in memory is seen.
    """
    if sys.platform == "win32" or not there or not _may_fork():
        do(here)
        do(there)
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)  # one that came now would lose sight of the process
    try:
        child = os.fork()
    except OSError:  # no more processes, or no memory
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        do(here)
        do(there)
        return
    if child == 0:
        code = 1
        try:
            for number in _ENDING:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    signal.signal(number, signal.SIG_DFL)  # what is to be unwound, the first process unwinds
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            do(there)
            code = 0
        finally:
            os._exit(code)
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        do(here)
    finally:  # or it would go on where somebody clears up
        is_done = _has_ended_well(child)
    if not is_done:
        do(there)


def _may_fork() -> bool:
    """Tell whether a second process is of use, and safe: threads hold locks that it would inherit."""
    threading = sys.modules.get("threading")
    has_threads = threading is not None and threading.active_count() > 1
    return sys.platform == "linux" and not has_threads and len(os.sched_getaffinity(0)) > 1


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


def give_way() -> None:
    """Let this thread have little of the processors while others want them, where threads have priorities (Linux)."""
    if sys.platform == "linux":
        import threading

        thread = threading.get_native_id()
        with contextlib.suppress(OSError):
            os.setpriority(
                os.PRIO_PROCESS, thread, max(os.getpriority(os.PRIO_PROCESS, thread), _OF_LITTLE_IMPORTANCE)
            )


_OF_LITTLE_IMPORTANCE = 10
