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

from pepip import paths
from pepip.errors import PepipError, UvError, VenvError
from pepip.operations import reporting
from pepip.tui.job import CANCELLED, DONE, FAILED, RUNNING, Failure, Job, JobGroup
from pepip.uv import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, TypeVar

    from pepip.operations.reporting import Progress

    T = TypeVar("T")

_SECONDS_BETWEEN_MESSAGES = 0.15

try:
    STARTED_IN = os.getcwd()  # read before any job enters its folder
except OSError:  # the folder was removed
    STARTED_IN = paths.user_home(os.environ) or "/"


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
    def unfinished(self) -> list[Job[object]]:
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


@contextlib.contextmanager
def entered(folder: str) -> Iterator[None]:
    """Work in `folder`, so that uv finds the settings there and relative paths start there.

    Without a name, do nothing. Raises VenvError if the folder is gone: uv would work on the current folder instead.
    """
    if not folder:
        yield
        return
    try:
        os.chdir(folder)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise VenvError(f"the folder {folder} is gone", hint="r reads the projects again") from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.chdir(STARTED_IN)
