"""The finished operations of the app, for its next start.

Each store has a file of them in the user's state folder, with the last 200 operations. If the file is lost, only the
list is lost.
"""

from __future__ import annotations

import contextlib
import json
import os

from pepip import digests
from pepip.fast_namedtuple import NamedTuple
from pepip.host import files, user_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.store.root import Store

_MOST_BYTES = 1 << 24
_MOST_OPERATIONS = 200
_MOST_LINES = 100
_LARGEST = 1 << 62


class Finished(NamedTuple):
    """A finished operation. `ended_at` is in seconds since 1970.

    `received_bytes` were downloaded, `freed_bytes` were freed on disk. `problem` is a word for a problem that the
    operation found or left, empty if there is none. The paths in `command` are relative to `folder`, which is empty
    in rows of earlier versions.
    """

    title: str
    command: str
    state: str
    outcome: str
    log: list[str]
    ended_at: int
    seconds: float
    received_bytes: int = 0
    freed_bytes: int = 0
    problem: str = ""
    folder: str = ""


def _place(store: Store) -> tuple[str, str]:
    """Return the folder and the name of the file of a store."""
    import platformdirs

    folder = platformdirs.user_state_dir("pepip", appauthor=False)
    return folder, f"activity-{digests.hexadecimal(store.root.encode('utf-8', 'surrogateescape'))[:16]}.json"


def read(store: Store) -> list[Finished]:
    """Return the finished operations, oldest first. Empty if the file is missing or invalid."""
    try:
        folder, name = _place(store)
        rows = files.load_json(user_cache.read(folder, name, most_bytes=_MOST_BYTES))
        return [item for row in rows if _is_sound(item := Finished(*row))]
    except (OSError, ValueError, TypeError):
        return []


def add(store: Store, done: Finished) -> None:
    """Note a finished operation, with the last lines of its log. Does nothing if this user can't write the file."""
    with contextlib.suppress(OSError):
        folder, name = _place(store)
        os.makedirs(os.path.dirname(folder), mode=0o700, exist_ok=True)
        with user_cache.updating(folder):  # another app of this user may write, too
            rows = [*read(store), done._replace(log=done.log[-_MOST_LINES:])][-_MOST_OPERATIONS:]
            user_cache.write(folder, name, json.dumps(rows).encode(), is_lasting=True)


def _is_sound(item: Finished) -> bool:
    texts = (item.title, item.command, item.state, item.outcome, item.problem, item.folder, *item.log)
    numbers = (item.ended_at, item.seconds, item.received_bytes, item.freed_bytes)
    return all(isinstance(text, str) for text in texts) and all(0 <= number <= _LARGEST for number in numbers)
