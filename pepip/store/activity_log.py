"""The finished operations of the app, kept for its next start in a file of this user in the store's cache.

If the file is lost, only the list is lost.
"""

from __future__ import annotations

import contextlib
import json
import os

from pepip import paths
from pepip.fast_namedtuple import NamedTuple
from pepip.host import files, user_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.store.root import Store

_NAME = "activity.json"
_MOST_BYTES = 1 << 24
_MOST_OPERATIONS = 200
_MOST_LINES = 100


class Finished(NamedTuple):
    """A finished operation. `ended_at` is in seconds since 1970."""

    title: str
    command: str
    state: str
    outcome: str
    log: list[str]
    ended_at: int
    seconds: float


def read(store: Store) -> list[Finished]:
    """Return the finished operations, oldest first. Empty if the file is missing or invalid."""
    try:
        folder = user_cache.folder_in(paths.cache(store.root))
        rows = files.load_json(user_cache.read(folder, _NAME, most_bytes=_MOST_BYTES))
        return [item for row in rows if _is_sound(item := Finished(*row))]
    except (OSError, ValueError, TypeError):
        return []


def add(store: Store, done: Finished) -> None:
    """Note a finished operation, with the last lines of its log. Does nothing if the store has no cache."""
    cache = paths.cache(store.root)
    if not os.path.isdir(cache):
        return
    rows = [*read(store), done._replace(log=done.log[-_MOST_LINES:])][-_MOST_OPERATIONS:]
    with contextlib.suppress(OSError):
        user_cache.write(user_cache.folder_in(cache), _NAME, json.dumps(rows).encode())


def _is_sound(item: Finished) -> bool:
    texts = (item.title, item.command, item.state, item.outcome, *item.log)
    return all(isinstance(text, str) for text in texts) and item.ended_at >= 0 and item.seconds >= 0
