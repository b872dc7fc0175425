"""Messages to the app itself. Threads post them, and so do panes that know nothing of each other."""

from __future__ import annotations

from textual.message import Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rich.text import Text

    from pepip.tui.job_queue import Job


class JobChanged(Message):
    """A job was queued, began, progressed or ended. Posted by any thread that works with the queue."""

    def __init__(self, job: Job[object]) -> None:
        super().__init__()
        self.job = job


class HistoryRead(Message):
    """The finished jobs of earlier runs are known."""

    def __init__(self, jobs: list[Job[object]]) -> None:
        super().__init__()
        self.jobs = jobs


class RunAgain(Message):
    """The user asks to run a finished job again."""

    def __init__(self, job: Job[object]) -> None:
        super().__init__()
        self.job = job


class Explained(Message):
    """A thread has a text that is to be shown in a dialog, with the command that shows the same."""

    def __init__(self, title: str, text: Text, command: str) -> None:
        super().__init__()
        self.title, self.text, self.command = title, text, command


class EntryWanted(Message):
    """The user asks to see all versions of a package in the store, with the cursor on one entry."""

    def __init__(self, name: str, entry_id: str) -> None:
        super().__init__()
        self.name, self.entry_id = name, entry_id
