"""The reports of operations: `Progress` at each step, and a `Summary` of what a change did. Nothing here prints."""

from __future__ import annotations

import contextlib

from pepip.fast_namedtuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import TypeVar

    T = TypeVar("T")


class Progress(NamedTuple):
    """One step of an operation, for the command line or the app to show.

    `phase` is a key of `_PHASES`, or empty at first. `done` and `total` count bytes while downloading or
    adopting, and distributions or the like otherwise; `total` is 0 if it isn't known. `detail` is a name or a
    sentence. With `is_of_uv` it is a warning of uv, which uv repeats if it is asked again. At a step that
    `is_before_fork`, a display ends its threads: pepip then forks, if no other thread runs that could hold a lock.
    """

    phase: str
    detail: str = ""
    done: int = 0
    total: int = 0
    is_of_uv: bool = False
    is_before_fork: bool = False

    @property
    def title(self) -> str:
        """The phase's name for people."""
        return _PHASES.get(self.phase, self.phase)


_PHASES = {
    "make": "Made",
    "remake": "Made anew",
    "would make": "Would make",
    "would remake": "Would make anew",
    "resolve": "Resolving",
    "download": "Downloading",
    "store": "Storing",
    "link": "Linking",
    "build": "Installing with uv",
    "compile": "Compiling bytecode",
    "verify": "Verifying",
    "repair": "Repairing",
    "prune": "Pruning",
    "undo": "Bringing back",
    "wait": "Waiting",
    "scan": "Looking into",
    "ask": "Asking the network",
    "adopt": "Hashing and linking",
    "eject": "Copying",
    "image": "Packing",
    "warning": "warning:",
}


class Summary(NamedTuple):
    """The result of a change to an environment. Sizes are bytes on disk, inodes counted once.

    `linked`, `removed` and `private` (installed by uv, as real files) are names and versions. The linked
    distributions are `reused` from the store, `downloaded`, or `local`: stored from files of this machine. In a dry
    run, `download_bytes` is the size of the downloads that would be needed, as far as the index gives it, and
    `downloads` has the identity and the size of each.
    """

    environment: str
    dry_run: bool
    linked: tuple[tuple[str, str], ...] = ()
    removed: tuple[tuple[str, str], ...] = ()
    private: tuple[tuple[str, str], ...] = ()
    reused: tuple[str, ...] = ()
    downloaded: tuple[str, ...] = ()
    local: tuple[str, ...] = ()
    avoided_bytes: int = 0
    stored_bytes: int = 0
    seconds: float = 0.0
    download_bytes: int = 0
    downloads: tuple[tuple[str, int], ...] = ()


def follow(operation: Generator[Progress, None, T], show: Callable[[Progress], None]) -> T:
    """Run an operation to its end, pass each step to `show`, and return the result.

    If either raises an error, the operation is closed, so that it can clean up.
    """
    with contextlib.closing(operation):
        while True:
            try:
                step = next(operation)
            except StopIteration as end:
                result: T = end.value
                return result
            show(step)
