"""Runs operations one after the other, in a thread of its own. Knows nothing of widgets.

An operation is a generator of `pepip.operations`. Cancelling a job closes its operation between two steps. If the
current step runs a program, cancelling ends the program, as Ctrl-C does on the command line.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import traceback
from typing import Any, Generic, TypeVar

from pepip import paths
from pepip.errors import PepipError, UvError
from pepip.fast_namedtuple import NamedTuple
from pepip.operations import reporting
from pepip.operations.reporting import Progress
from pepip.tui import formatting
from pepip.uv import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from pepip.store.check import Flaw

T = TypeVar("T")
Result = TypeVar("Result", covariant=True)

WAITING = "waiting"
RUNNING = "running"
DONE = "done"
FAILED = "failed"
CANCELLED = "cancelled"

_SECONDS_BETWEEN_MESSAGES = 0.15
_MOST_LOG_LINES = 2000
_PHASES_IN_BYTES = frozenset({"download", "adopt"})

try:
    STARTED_IN = os.getcwd()  # read before any job enters its folder
except OSError:  # the folder was removed
    STARTED_IN = paths.user_home(os.environ) or "/"


class Failure(NamedTuple):
    """The reason why an operation failed: the message, the full output of uv, and a hint."""

    message: str
    output: str = ""
    hint: str = ""


class Report(NamedTuple):
    """The result of a job in words: a sentence, and lines for its log.

    `verified` maps the id of each entry that the job has checked to the flaws that remain. `freed_bytes` are the
    bytes that the job has freed on disk. `problem` is a word for the problem that remains, such as `damaged`; empty
    if there is none.
    """

    sentence: str
    lines: Sequence[str] = ()
    verified: Mapping[str, Sequence[Flaw]] = {}
    freed_bytes: int = 0
    problem: str = ""


def _done(result: object) -> Report:
    del result
    return Report("done")


class Job(Generic[Result]):
    """One operation: waiting, running or over.

    `result` is the return value of the operation, None until it returns. `describe` turns the result into the
    `report`. The queue enters `folder` while the job runs. `touches` are the ids of entries and the roots of
    environments that the job works on. If `is_listed` is false, the job is a preview, and the activity pane does not
    show it. `ended_at`, in seconds since 1970, is set only for a job of an earlier run. `fetched_bytes` are the bytes
    of all downloads. `group` is the group of the job, if it is one of several for one request.
    """

    def __init__(
        self,
        title: str,
        command: str,
        make: Callable[[], Generator[Progress, None, Result]],
        *,
        describe: Callable[[Result], Report] = _done,
        folder: str = "",
        touches: frozenset[str] = frozenset(),
        is_listed: bool = True,
    ) -> None:
        self.title = title
        self.command = command
        self.make = make
        self.describe = describe
        self.folder = folder
        self.touches = touches
        self.is_listed = is_listed
        self.number = 0
        self.state = WAITING
        self.step = Progress("")
        self.received_bytes = 0
        self.fetched_bytes = 0
        self.phase_began = 0.0
        self.log: list[str] = []
        self.result: Result | None = None
        self.report = Report("")
        self.outcome = ""
        self.failure: Failure | None = None
        self.started = 0.0
        self.ended_at = 0
        self.seconds = 0.0
        self.is_cancelled = threading.Event()
        self.group: JobGroup | None = None

    @property
    def is_over(self) -> bool:
        """Whether the job is done, failed or cancelled."""
        return self.state in {DONE, FAILED, CANCELLED}

    @property
    def share(self) -> float:
        """The finished share of the current phase, 0 to 1; negative if it is unknown."""
        if not self.step.total:
            return -1.0
        done = self.received_bytes if self.step.phase == "download" else self.step.done
        return min(1.0, done / self.step.total)

    @property
    def pace(self) -> str:
        """The speed of the current phase and its remaining time; empty in its first second, and if unknown.

        The speed is in bytes or, if the phase counts no bytes, in items a second.
        """
        seconds = time.monotonic() - self.phase_began
        done = self.received_bytes if self.step.phase == "download" else self.step.done
        if self.state != RUNNING or not done or not self.step.total or seconds < 1:
            return ""
        speed = done / seconds
        shown = f"{formatting.size(int(speed))}/s" if self.step.phase in _PHASES_IN_BYTES else f"{speed:.1f}/s"
        left = max(0.0, (self.step.total - done) / speed)
        return f"{shown}, {left:.0f} s left"

    @property
    def amount(self) -> str:
        """The finished and total amounts of the current phase in words; empty if they are unknown."""
        if not self.step.total:
            return ""
        done = self.received_bytes if self.step.phase == "download" else self.step.done
        if self.step.phase in _PHASES_IN_BYTES:
            return f"{formatting.size(done)} of {formatting.size(self.step.total)}"
        return f"{done} of {self.step.total}"

    def note(self, step: Progress) -> None:
        """Record a step as the current one, and log it. A warning is only logged. A scan is not logged."""
        if step.phase == "warning":
            self.say(f"warning: {step.detail}")
            return
        if step.phase != self.step.phase:
            self.received_bytes = 0
            self.phase_began = time.monotonic()
        if step.phase == "download":
            self.received_bytes += step.done
            self.fetched_bytes += step.done
        self.step = step
        if step.phase == "scan":  # thousands of folders: show each, but keep them out of the log
            return
        size = ""
        if step.phase == "download" and (step.done or (step.total and not self.received_bytes)):
            size = f"  {formatting.size(step.done or step.total)}"
        self.say(f"{step.title} {step.detail}{size}".rstrip())

    def say(self, line: str) -> None:
        """Add lines to the log. A full log loses its oldest quarter."""
        self.log += [formatting.printable(part) for part in line.splitlines()]
        if len(self.log) > _MOST_LOG_LINES:
            del self.log[: _MOST_LOG_LINES // 4]


class JobGroup(NamedTuple):
    """Jobs of one request that a user confirmed once. The app reports the end of the last one for all."""

    title: str
    jobs: tuple[Job[object], ...]


class JobQueue:
    """Runs jobs one by one.

    The queue calls `tell` a few times a second, and whenever a job changes its state. `submit` and `cancel` call it
    in the thread of their caller; all other calls come from the thread of the queue.
    """

    def __init__(self, tell: Callable[[Job[object]], object]) -> None:
        self.jobs: list[Job[object]] = []
        self._tell = tell
        self._queue: list[Job[object]] = []
        self._current: Job[object] | None = None
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._number = 0

    @property
    def current(self) -> Job[object] | None:
        """The running job, None if none runs."""
        return self._current

    @property
    def busy(self) -> list[Job[object]]:
        """The listed jobs that are not over, in the order in which they run."""
        return [job for job in self.jobs if not job.is_over]

    def submit(self, job: Job[T]) -> Job[T]:
        """Queue a job, and return it. It runs after all earlier jobs."""
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

    def submit_all(self, title: str, jobs: Sequence[Job[Any]]) -> None:
        """Queue several jobs of one request as a group."""
        group = JobGroup(title, tuple(jobs))
        for job in jobs:
            job.group = group
        for job in jobs:
            self.submit(job)

    def cancel(self, job: Job[object]) -> None:
        """End a running job at its next safe point, or remove a waiting one. Does not wait for the end."""
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
        """Cancel the running job and all waiting ones."""
        with self._changed:
            pending = [*self._queue, *([self._current] if self._current else [])]
        for job in pending:
            self.cancel(job)

    def wait(self, timeout_seconds: float) -> bool:
        """Wait until no job runs or waits. Return False if the time runs out first."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._queue and self._current is None, timeout_seconds)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._queue))
                job = self._current = self._queue.pop(0)
                process.allow_starts(threading.get_ident())
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
            with entered(job.folder):
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
        except Exception:  # noqa: BLE001 - a fault of pepip must not end the app, and the user must see it
            job.failure = Failure("internal error in pepip", traceback.format_exc())
        if job.failure is None:
            return DONE
        job.outcome = job.failure.message
        job.say(f"error: {job.failure.message}")
        job.say(job.failure.output)
        if job.failure.hint:
            job.say(f"hint: {job.failure.hint}")
        return FAILED

    def _follow(self, job: Job[object]) -> None:
        """Run the operation of a job to its end, record its progress, and keep its result.

        If the job is cancelled, close the operation and raise KeyboardInterrupt, between two steps or while a step
        waits for a program.
        """
        last_told = 0.0

        def show(step: Progress) -> None:
            nonlocal last_told
            job.note(step)
            if job.is_cancelled.is_set():
                raise KeyboardInterrupt
            if time.monotonic() - last_told > _SECONDS_BETWEEN_MESSAGES:
                last_told = time.monotonic()
                self._tell(job)

        job.result = reporting.follow(job.make(), show)
        job.report = job.describe(job.result)
        job.outcome = job.report.sentence
        for line in (*job.report.lines, job.outcome):
            job.say(line)


def once(function: Callable[[], T]) -> Callable[[], Generator[Progress, None, T]]:
    """Return a `make` argument for a job that calls `function` and yields no progress."""

    def operation() -> Generator[Progress, None, T]:
        yield from ()
        return function()

    return operation


@contextlib.contextmanager
def entered(folder: str) -> Iterator[None]:
    """Work in `folder`, so that uv finds the settings there and relative paths start there.

    Do nothing if the folder is missing.
    """
    if not folder or not os.path.isdir(folder):
        yield
        return
    os.chdir(folder)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.chdir(STARTED_IN)
