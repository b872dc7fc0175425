"""Threads that share work: all of it is done, and a failure is the caller's failure."""

from __future__ import annotations

import functools
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pepip.host import parallel

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 100])
@pytest.mark.parametrize("in_turn", [True, False])
def test_each_item_is_worked_on_once(count: int, in_turn: bool) -> None:
    """In order if it is done in turn."""
    done: list[int] = []

    parallel.each(done.append, range(count), in_turn=in_turn)

    assert (done if in_turn else sorted(done)) == list(range(count))


def test_several_threads_work_at_the_same_time() -> None:
    """Each waits until all others have begun."""
    barrier = threading.Barrier(8, timeout=20)

    parallel.in_threads(lambda _: barrier.wait(), range(8))


def test_the_first_error_is_raised_when_no_thread_works_any_more() -> None:
    """Most of the other items are not tried."""
    done: list[int] = []

    def work(number: int) -> None:
        if number == 3:
            raise OSError(28, "No space left on device")
        done.append(number)

    with pytest.raises(OSError, match="No space left"):
        parallel.in_threads(work, range(10_000))
    count = len(done)
    assert count < 9_999
    assert not _threads()


def test_calls_within_calls_share_the_threads() -> None:
    """All is done, and there are never more threads than for one call."""
    done: list[tuple[int, int]] = []
    most = [0]

    def inner(outside: int, inside: int) -> None:
        most[0] = max(most[0], len(_threads()))
        time.sleep(0.001)
        done.append((outside, inside))

    def outer(number: int) -> None:
        parallel.in_threads(lambda inside: inner(number, inside), range(20))

    with parallel.Tasks(in_turn=False) as tasks:
        for number in range(10):
            tasks.add(functools.partial(outer, number))
        parallel.in_threads(outer, range(10, 20))

    assert sorted(done) == [(outside, inside) for outside in range(20) for inside in range(20)]
    assert most[0] <= 8
    assert not _threads()


def test_callers_in_several_threads_share_the_threads() -> None:
    """A caller whose work ends first leaves the threads to the others."""

    def call(_: int) -> None:
        for _ in range(100):
            parallel.in_threads(lambda _: None, range(20))

    with ThreadPoolExecutor(3) as callers:
        list(callers.map(call, range(3)))

    assert _threads() == []


def _threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("ThreadPool")]


@pytest.mark.parametrize("in_turn", [True, False])
def test_tasks_are_done_at_the_end_and_their_error_is_raised(in_turn: bool) -> None:
    """The caller goes on meanwhile."""
    done: list[int] = []
    with parallel.Tasks(in_turn) as tasks:
        for number in range(20):
            tasks.add(lambda number=number: done.append(number))  # type: ignore[misc]
    assert sorted(done) == list(range(20))

    with pytest.raises(ZeroDivisionError), parallel.Tasks(in_turn) as tasks:
        tasks.add(lambda: 1 // 0 and None)


def test_no_further_call_is_taken_after_one_has_failed() -> None:
    """A full disk, for example: the caller learns it at once."""
    done: list[int] = []
    has_failed = threading.Event()

    def fail() -> None:
        has_failed.set()
        raise OSError(28, "No space left on device")

    def add_all() -> None:
        with parallel.Tasks(in_turn=False) as tasks:
            tasks.add(fail)
            has_failed.wait(20)
            for number in range(1000):
                time.sleep(0.01)
                tasks.add(functools.partial(done.append, number))

    with pytest.raises(OSError, match="No space left"):
        add_all()
    assert len(done) < 1000
    assert not _threads()
