"""Messages to the app itself, from its threads and panes."""

from __future__ import annotations

from textual.message import Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rich.text import Text

    from pepip.tui.job import Job


class JobChanged(Message):
    """A job was queued, began, progressed or ended. Any thread that works with the queue may post it."""

    def __init__(self, job: Job[object]) -> None:
        super().__init__()
        self.job = job


class HistoryRead(Message):
    """A thread has read the finished jobs of earlier runs."""

    def __init__(self, jobs: list[Job[object]]) -> None:
        super().__init__()
        self.jobs = jobs


class RunAgain(Message):
    """The user asks to run a finished job again."""

    def __init__(self, job: Job[object]) -> None:
        super().__init__()
        self.job = job


class Explained(Message):
    """A thread has made a text for a dialog. `command` shows the same text."""

    def __init__(self, title: str, text: Text, command: str) -> None:
        super().__init__()
        self.title, self.text, self.command = title, text, command


class WorkFailed(Message):
    """The work of a thread has failed. `details` is the traceback if that is a fault of pepip, else empty."""

    def __init__(self, reason: str, details: str) -> None:
        super().__init__()
        self.reason, self.details = reason, details


class Leave(Message):
    """The app exits as soon as all jobs are over and reported."""


class EntryWanted(Message):
    """The user asks to see all versions of a package in the store, with the cursor on one entry."""

    def __init__(self, name: str, entry_id: str) -> None:
        super().__init__()
        self.name, self.entry_id = name, entry_id
