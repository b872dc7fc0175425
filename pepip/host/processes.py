"""Doing one thing with two processes, where the system makes a second one for next to nothing."""

from __future__ import annotations

import contextlib
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def beside(there: Callable[[], None], here: Callable[[], None]) -> bool:
    """Call `there` in a process of its own, and `here` in this one at the same time.

    Returns whether `there` was done: not where the system can't, or there is one processor, or threads are at work,
    whose locks a second process would inherit; and not if it failed. It is to be called again then, and its error is
    raised here. Nothing of what it changes in memory is seen.
    """
    threading = sys.modules.get("threading")
    is_alone = threading is None or threading.active_count() == 1
    if sys.platform != "linux" or not is_alone or len(os.sched_getaffinity(0)) < 2:
        here()
        return False
    try:
        child = os.fork()
    except OSError:  # no more processes, or no memory
        here()
        return False
    if not child:
        code = 1
        try:
            there()
            code = 0
        finally:
            os._exit(code)
    try:
        here()
        return _has_ended_well(child)
    except BaseException:
        import signal

        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)  # or it would go on where its files are about to be removed
        _has_ended_well(child)
        raise


def _has_ended_well(child: int) -> bool:
    """Wait for the end of a process. False also if nobody can tell: who started this one ignores SIGCHLD."""
    try:
        return os.waitpid(child, 0)[1] == 0
    except ChildProcessError:
        return False
