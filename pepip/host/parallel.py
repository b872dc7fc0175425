"""Work at the same time: in two processes, in several threads, and in a thread with low priority."""

from __future__ import annotations

import _thread
import contextlib
import functools
import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future, ThreadPoolExecutor
    from threading import Thread
    from typing import TypeVar

    Item = TypeVar("Item")

_ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def in_two(do: Callable[[Sequence[Item]], None], here: Sequence[Item], there: Sequence[Item]) -> None:
    """Run `do` on all of `here`, and at the same time in a second process on all of `there`.

    One process does all the work if there is a single processor, if the system is not Linux, or if other threads are
    running, because a second process would inherit their locks. Threads of `start_lockless_thread` don't count. If
    the second process fails, this process does that part of the work again, so that the error is raised here. So `do`
    must accept that part of it is done already. Changes that the second process makes in memory are lost.
    """
    with second_process(functools.partial(do, there) if there else None) as second:
        do(here)
    if not second.has_done_all:
        do(there)


class SecondProcess:
    """A second process. Once the process has ended, `has_done_all` tells whether all its work is done."""

    has_done_all = False


@contextlib.contextmanager
def second_process(work: Callable[[], object] | None) -> Iterator[SecondProcess]:
    """Do `work` in a second process while the body runs, and wait for its end. See `in_two`.

    If a second process would be no help or can't be started, `work` is not done at all.
    """
    second = SecondProcess()
    if sys.platform == "win32" or work is None or not may_help() or _has_threads():
        yield second
        return
    # A signal before the child is noted would end this process alone.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        child = _fork()
    except OSError:  # too many processes, or no memory
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        yield second
        return
    if child == 0:
        code = 1
        try:
            for number in _ENDING:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    signal.signal(number, signal.SIG_DFL)  # only the first process cleans up
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            work()
            code = 0
        finally:
            os._exit(code)
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        yield second
    finally:  # otherwise the second process could still write while the caller cleans up
        second.has_done_all = _has_ended_well(child)


def in_threads(do: Callable[[Item], object], items: Iterable[Item]) -> None:
    """Run `do` on each of `items` in several threads, which mostly wait: for a disk, or for another machine.

    The caller's thread is one of them. `do` may call this function itself: all callers share one set of threads. If
    calls fail, the error of one is raised. Then some items may not have been tried, and none is being worked on.
    """
    rest = list(items)
    if not rest:
        return
    import collections
    from concurrent.futures import wait

    count = min(_ITEMS_AT_ONCE, -(-len(rest) // _THREADS))  # the number of items that a thread takes at a time
    starts = collections.deque(range(0, len(rest), count))
    errors: list[BaseException] = []

    def work() -> None:
        try:
            for at in _taken(starts):
                for item in rest[at : at + count]:
                    do(item)
        except BaseException as error:
            starts.clear()
            errors.append(error)
            raise

    with _shared_pool() as pool:
        helpers = [pool.submit(work) for _ in range(min(len(starts), _THREADS) - 1)]
        try:
            work()
        finally:
            starts.clear()
            wait([helper for helper in helpers if not helper.cancel()])
    if errors:
        raise errors[0]


def _taken(starts: deque[int]) -> Iterator[int]:
    """Take one number after the other, while other threads take numbers, too."""
    with contextlib.suppress(IndexError):
        while True:
            yield starts.popleft()


_THREADS = 8
_ITEMS_AT_ONCE = 8
_pools: list[ThreadPoolExecutor] = []
_pools_lock = _thread.allocate_lock()


@contextlib.contextmanager
def _shared_pool() -> Iterator[ThreadPoolExecutor]:
    """Yield the threads that all callers share. They end when the block of the last caller ends."""
    from concurrent.futures import ThreadPoolExecutor

    with _pools_lock:
        pool = _pools[0] if _pools else ThreadPoolExecutor(_THREADS)
        _pools.append(pool)  # once for each caller
    try:
        yield pool
    finally:
        with _pools_lock:
            _pools.remove(pool)
            is_last = not _pools
        if is_last:
            pool.shutdown()


def each(do: Callable[[Item], object], items: Iterable[Item], *, in_turn: bool) -> None:
    """Run `do` on each of `items`, one after the other or in several threads."""
    if in_turn:
        for item in items:
            do(item)
    else:
        in_threads(do, items)


class Tasks:
    """Calls that several threads make while the caller prepares further ones. With `in_turn`, `add` makes each call.

    A context manager. Its end waits for all calls, and raises the first error. If a call or the caller fails, calls
    that have not begun are dropped.
    """

    def __init__(self, in_turn: bool) -> None:
        self._threads = None if in_turn else _shared_pool()
        self._pool: ThreadPoolExecutor | None = None
        self._pending: list[Future[None]] = []

    def add(self, do: Callable[[], None]) -> None:
        """Make this call. Raises the error of an earlier call that has failed meanwhile: `do` is then not called."""
        if self._pool is None:
            do()
            return
        ended = [call for call in self._pending if call.done()]
        self._pending = [call for call in self._pending if call not in ended]
        for call in ended:
            call.result()
        self._pending.append(self._pool.submit(do))

    def __enter__(self) -> Tasks:
        if self._threads is not None:
            self._pool = self._threads.__enter__()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self._threads is None:
            return
        from concurrent.futures import wait

        try:
            for call in self._pending if kind is None else ():
                call.result()
        finally:
            wait([call for call in self._pending if not call.cancel()])
            self._threads.__exit__(None, None, None)


def start_lockless_thread(work: Callable[[], None]) -> Thread:
    """Start a thread beside which a second process may start. Its `work` may wait, but not while it holds a lock."""
    from threading import Thread

    thread = Thread(target=work, daemon=True)
    _lockless[:] = [*filter(Thread.is_alive, _lockless), thread]
    thread.start()
    return thread


_lockless: list[Thread] = []


def may_help() -> bool:
    """Tell whether a second process can be started here, and can run at the same time as this one."""
    return sys.platform == "linux" and len(os.sched_getaffinity(0)) > 1


def _has_threads() -> bool:
    """Tell whether another thread may hold a lock, which a second process would inherit."""
    threading = sys.modules.get("threading")
    if threading is None:
        return False
    harmless = {threading.current_thread(), *_lockless}
    return any(thread not in harmless for thread in threading.enumerate())


def _fork() -> int:
    """Start a second process. Python 3.12 and newer would warn of the lockless threads."""
    if sys.platform == "win32":
        raise OSError("Windows has no fork")
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _has_ended_well(child: int) -> bool:
    """Wait for the end of a process. Return False also if its status is unknown, because SIGCHLD is ignored."""
    try:
        return os.waitpid(child, 0)[1] == 0
    except ChildProcessError:
        return False
    except BaseException:  # a signal asks this process to end: the other one has little left to do
        with contextlib.suppress(ChildProcessError):
            os.waitpid(child, 0)
        raise


def give_way() -> None:
    """Lower the priority of this thread, so that other work goes first. Does nothing except on Linux."""
    if sys.platform == "linux":
        import threading

        thread = threading.get_native_id()
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, max(os.getpriority(os.PRIO_PROCESS, thread), _LOW_PRIORITY))


_LOW_PRIORITY = 10
