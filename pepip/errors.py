"""The error tree. Owns the kinds of errors and their messages; `pepip.cli` alone prints them.

PepipError
├── UsageError                the command line asks for something that makes no sense
├── UvError                   uv, or an environment's interpreter, was not found or failed: its output is kept
├── UnreadableAnswerError     uv answered in a way that this pepip can't read
├── StoreError                the store can't be read or written
│   ├── NoStoreError          a command needs a store, and there is none
│   ├── InvalidWheelError     a wheel can't become an entry, such as one with a path that leads out of it
│   └── CorruptEntryError     an entry can't be read, or lacks a file that its metadata names
├── ImageError                an image can't be made, mounted or run
└── VenvError                 a virtual environment can't be used in its present state
    ├── ObstructedError       something that is not pepip's is in the place of a link, script or folder
    └── ClashError            one distribution has a file where another has a folder
"""

from __future__ import annotations


class PepipError(Exception):
    """An error that pepip reports. `hint` is one sentence that helps, `exit_code` the exit code of the process."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(PepipError):
    """The command line asks for something that makes no sense."""

    exit_code = 2


class UvError(PepipError):
    """uv, or an environment's interpreter, did not start or ended with an error. `output` is its output."""

    def __init__(self, message: str, *, output: str = "", exit_code: int = 1, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.output = output
        self.exit_code = exit_code


class UnreadableAnswerError(PepipError):
    """An answer of uv can't be read.

    It is no UvError: code that falls back when uv refuses a request must not fall back here.
    """


class StoreError(PepipError):
    """The store can't be read or written."""


class NoStoreError(StoreError):
    """A command needs a store, and there is none at `path`."""

    def __init__(self, path: str) -> None:
        hint = "an install makes it, and so does `pepip store init`; PEPIP_HOME names another store"
        super().__init__(f"there is no store at {path}", hint=hint)
        self.path = path


class InvalidWheelError(StoreError):
    """A wheel can't become an entry: for example, a path leads out of it, or it has no version. Nothing is kept."""


class CorruptEntryError(StoreError):
    """An entry can't be read, or lacks a file that its metadata names. `path` is the entry's folder."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"the store entry {path} is damaged: {reason}")
        self.path = path


class ImageError(PepipError):
    """An image of an environment can't be made, mounted or run."""


class VenvError(PepipError):
    """A virtual environment can't be used in its present state."""


class ObstructedError(VenvError):
    """Something that is not pepip's is in the place of a link, script or folder. It is left alone."""

    def __init__(self, distribution: str, path: str) -> None:
        super().__init__(
            f"cannot link {distribution}: {path} is in the way",
            hint="no installed distribution owns it: move it away and run the command again",
        )
        self.path = path


class ClashError(VenvError):
    """One distribution has a file where another has a folder, so no environment holds both.

    `path` is relative to the environment.
    """

    def __init__(self, path: str, file_owner: str, folder_owner: str) -> None:
        super().__init__(f"{path} is a file of {file_owner} and a folder of {folder_owner}: one can't be installed")
        self.path = path
