"""Running operations of the engine, one after the other, in a thread of their own.

An operation is a generator of the engine. It is cancelled between two of its steps, by closing it, and within one by
ending what it has started, as ctrl+c does on the command line. Knows nothing of widgets.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import traceback
from typing import Generic, TypeVar

from pepip import paths
from pepip.errors import PepipError, UvError
from pepip.fast_namedtuple import NamedTuple
from pepip.model import Progress
from pepip.tui import formatting
from pepip.uv import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

T = TypeVar("T")
Result = TypeVar("Result", covariant=True)

WAITING = "waiting"
RUNNING = "running"
DONE = "done"
FAILED = "failed"
CANCELLED = "cancelled"

_SECONDS_BETWEEN_MESSAGES = 0.15
_MOST_LOG_LINES = 2000

try:
    STARTED_IN = os.getcwd()  # before any operation enters a folder of its own
except OSError:  # it was removed
    STARTED_IN = paths.user_home(os.environ) or "/"


class Failure(NamedTuple):
    """Why an operation failed: what pepip says, uv's own output in full, and a hint."""

    message: str
    output: str = ""
    hint: str = ""


class Job(Generic[Result]):
    """One operation, asked for, running or past.

    `result` is what the operation returned, None before it did. `folder` is entered while it runs. `touches` are ids
    of entries and roots of environments that it is at work on. A job that is not `is_listed` only asks, and is not
    shown among the activities.
    """

    def __init__(
        self,
        title: str,
        command: str,
        make: Callable[[], Generator[Progress, None, Result]],
        *,
        folder: str = "",
        touches: frozenset[str] = frozenset(),
        is_listed: bool = True,
    ) -> None:
        self.title = title
        self.command = command
        self.make = make
        self.folder = folder
        self.touches = touches
        self.is_listed = is_listed
        self.number = 0
        self.state = WAITING
        self.step = Progress("")
        self.received_bytes = 0
        self.log: list[str] = []
        self.result: Result | None = None
        self.outcome = ""
        self.failure: Failure | None = None
        self.started = 0.0
        self.seconds = 0.0
        self.is_cancelled = threading.Event()

    @property
    def is_over(self) -> bool:
        """Whether it ended, one way or the other."""
        return self.state in {DONE, FAILED, CANCELLED}

    @property
    def share(self) -> float:
        """How far the current phase is, 0 to 1; below zero where nobody knows."""
        if not self.step.total:
            return -1.0
        done = self.received_bytes if self.step.phase == "download" else self.step.done
        return min(1.0, done / self.step.total)

    @property
    def amount(self) -> str:
        """How far the current phase is, in words."""
        if not self.step.total:
            return ""
        if self.step.phase == "download":
            return f"{formatting.size(self.received_bytes)} of {formatting.size(self.step.total)}"
        return f"{self.step.done} of {self.step.total}"

    def note(self, step: Progress) -> None:
        """Take a step in."""
        if step.phase == "warning":
            self.say(f"warning: {step.detail}")
            return
        if step.phase != self.step.phase:
            self.received_bytes = 0
        if step.phase == "download":
            self.received_bytes += step.done
        self.step = step
        if step.phase == "scan":  # a folder of thousands: in sight, and not in the log
            return
        size = ""
        if step.phase == "download" and (step.done or (step.total and not self.received_bytes)):
            size = f"  {formatting.size(step.done or step.total)}"
        self.say(f"{step.title} {step.detail}{size}".rstrip())

    def say(self, line: str) -> None:
        """Add lines to the log."""
        self.log += [formatting.printable(part) for part in line.splitlines()]
        if len(self.log) > _MOST_LOG_LINES:
            del self.log[: _MOST_LOG_LINES // 4]


class JobQueue:
    """Runs jobs one by one. `tell` is called in its thread, a few times a second and whenever a state changes."""

    def __init__(self, tell: Callable[[Job[object]], None]) -> None:
        self.jobs: list[Job[object]] = []
        self._tell = tell
        self._queue: list[Job[object]] = []
        self._current: Job[object] | None = None
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._number = 0

    @property
    def current(self) -> Job[object] | None:
        """The job that is running."""
        return self._current

    @property
    def busy(self) -> list[Job[object]]:
        """The jobs that change something and are not over, in the order in which they will be done."""
        return [job for job in self.jobs if not job.is_over]

    def submit(self, job: Job[T]) -> Job[T]:
        """Have a job done when those before it are."""
        with self._changed:
            self._number += 1
            job.number = self._number
            if job.is_listed:
                self.jobs.append(job)
            self._queue.append(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="pepip-operations", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        self._tell(job)
        return job

    def cancel(self, job: Job[object]) -> None:
        """Let a job end at its next safe point, or never begin. It is over when its state says so."""
        with self._changed:
            job.is_cancelled.set()
            if job is self._current and self._thread is not None and self._thread.ident is not None:
                process.interrupt(self._thread.ident)
            elif job in self._queue:
                self._queue.remove(job)
                job.state = CANCELLED
                job.outcome = "cancelled before it began"
        self._tell(job)

    def cancel_all(self) -> None:
        """Cancel what runs and what waits."""
        with self._changed:
            pending = [*self._queue, *([self._current] if self._current else [])]
        for job in pending:
            self.cancel(job)

    def wait(self, timeout_seconds: float) -> bool:
        """Wait until nothing runs and nothing waits. Returns whether that came in time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._queue and self._current is None, timeout_seconds)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._queue))
                job = self._current = self._queue.pop(0)
                process.allow(threading.get_ident())
                job.state, job.started = RUNNING, time.monotonic()
            self._tell(job)
            state = self._run(job)
            with self._changed:
                job.seconds = time.monotonic() - job.started
                job.state = state
                self._current = None
                self._changed.notify_all()
            self._tell(job)

    def _run(self, job: Job[object]) -> str:
        try:
            with _entered(job.folder):
                self._follow(job)
        except KeyboardInterrupt:
            job.outcome = "cancelled"
            job.say("cancelled")
            return CANCELLED
        except PepipError as error:
            output = error.output if isinstance(error, UvError) else ""
            job.failure = Failure(error.message, output, error.hint or "")
        except OSError as error:
            place = error.filename2 or error.filename
            job.failure = Failure(f"{error.strerror or error}{f': {place}' if place else ''}")
        except Exception:  # noqa: BLE001 - the edge: a fault of pepip must not take the app down, and must be seen
            job.failure = Failure("pepip failed where it should not", traceback.format_exc())
        if job.failure is None:
            return DONE
        job.outcome = job.failure.message
        job.say(f"error: {job.failure.message}")
        job.say(job.failure.output)
        if job.failure.hint:
            job.say(f"hint: {job.failure.hint}")
        return FAILED

    def _follow(self, job: Job[object]) -> None:
        """Run a job's operation to its end, note its progress, and keep its result.

        Raises KeyboardInterrupt, between two steps and with the operation closed, once the job is cancelled.
        """
        told_at = 0.0
        with contextlib.closing(job.make()) as operation:
            while True:
                try:
                    step = next(operation)
                except StopIteration as end:
                    job.result = end.value
                    return
                job.note(step)
                if job.is_cancelled.is_set():
                    raise KeyboardInterrupt
                if time.monotonic() - told_at > _SECONDS_BETWEEN_MESSAGES:
                    told_at = time.monotonic()
                    self._tell(job)


def once(function: Callable[[], T]) -> Callable[[], Generator[Progress, None, T]]:
    """Return the maker of a job for a function of the engine that yields no progress."""

    def operation() -> Generator[Progress, None, T]:
        yield from ()
        return function()

    return operation


@contextlib.contextmanager
def _entered(folder: str) -> Iterator[None]:
    """Work in `folder`, as a command does that was started there: uv reads settings and relative paths from it."""
    if not folder or not os.path.isdir(folder):
        yield
        return
    os.chdir(folder)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.chdir(STARTED_IN)
