"""A job: an operation of the app with its title, its progress, its log and its end. Knows nothing of widgets."""

from __future__ import annotations

import threading
import time
from typing import Generic, TypeVar

from pepip.fast_namedtuple import NamedTuple
from pepip.operations.reporting import Progress
from pepip.tui import formatting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from pepip.store.check import Flaw

T = TypeVar("T")
Result = TypeVar("Result", covariant=True)

WAITING = "waiting"
RUNNING = "running"
DONE = "done"
FAILED = "failed"
CANCELLED = "cancelled"

_MOST_LOG_LINES = 2000
_PHASES_IN_BYTES = frozenset({"download", "adopt"})


class Failure(NamedTuple):
    """The reason why an operation failed: the message, the full output of uv, and a hint."""

    message: str
    output: str = ""
    hint: str = ""


class Report(NamedTuple):
    """The result of a job in words: a sentence, and lines for its log.

    `verified` maps the id of each entry that the job has checked to the flaws that remain. `freed_bytes` are the
    bytes that the job has removed from the store. `problem` is a word for the problem that remains, such as
    `damage`; empty if there is none.
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

        The speed is in bytes a second if the phase counts bytes, else in distributions a second.
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


def once(function: Callable[[], T]) -> Callable[[], Generator[Progress, None, T]]:
    """Return a `make` argument for a job that calls `function` and yields no progress."""

    def operation() -> Generator[Progress, None, T]:
        yield from ()
        return function()

    return operation
