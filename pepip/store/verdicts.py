"""The last verification of each entry, for the next start of the app. Each user has a file in the store's cache.

A verdict holds for the very folder that was verified: an entry that was replaced since has none.
"""

from __future__ import annotations

import contextlib
import json
import os
import time

from pepip import paths
from pepip.fast_namedtuple import NamedTuple
from pepip.host import files, user_cache
from pepip.store.check import Flaw

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pepip.store.listing import Stored
    from pepip.store.root import Store

_NAME = "verdicts.json"
_MOST_BYTES = 1 << 24
_MOST_FLAWS = 50


class Verdict(NamedTuple):
    """The flaws of an entry, at most fifty of them, and when it was verified, in seconds since 1970."""

    checked_at: int
    flaws: tuple[Flaw, ...]


def read(store: Store, stored: Iterable[Stored]) -> dict[str, Verdict]:
    """Return the verdicts of these entries by their ids."""
    rows = _rows(store)
    found = {}
    for item in stored:
        row = rows.get(item.id)
        if row is not None and row[0] == _folder_of(item):
            found[item.id] = Verdict(row[1], tuple(Flaw(kind, path) for kind, path in row[2]))
    return found


def modified_ns(store: Store) -> int:
    """Return when a verdict was noted last, in nanoseconds since 1970; 0 if there is none."""
    return user_cache.modified_ns(user_cache.folder_in(paths.cache(store.root)), _NAME)


def note(store: Store, flaws_of: Mapping[Stored, Sequence[Flaw]]) -> None:
    """Note the flaws of verified entries. If this user can't write the file, nothing is noted."""
    folder = user_cache.folder_in(paths.cache(store.root))
    with contextlib.suppress(OSError), user_cache.updating(folder):
        rows = {entry_id: row for entry_id, row in _rows(store).items() if os.path.isdir(store.path_of(entry_id))}
        now = int(time.time())
        for item, flaws in flaws_of.items():
            rows[item.id] = (_folder_of(item), now, [list(flaw) for flaw in flaws[:_MOST_FLAWS]])
        user_cache.write(folder, _NAME, json.dumps(rows).encode(), is_lasting=True)


def _folder_of(item: Stored) -> list[int]:
    """Return numbers that differ if another folder takes the place of an entry's folder. Empty if there is none."""
    try:
        status = os.stat(item.path)
    except OSError:
        return []
    return [status.st_dev, status.st_ino, item.stored_at]


def _rows(store: Store) -> dict[str, tuple[list[int], int, list[list[str]]]]:
    try:
        folder = user_cache.folder_in(paths.cache(store.root))
        found = files.load_json(user_cache.read(folder, _NAME, most_bytes=_MOST_BYTES))
    except (OSError, ValueError):
        return {}
    return (
        {name: (row[0], row[1], row[2]) for name, row in found.items() if _is_sound(row)}
        if isinstance(found, dict)
        else {}
    )


def _is_sound(row: object) -> bool:
    if not isinstance(row, list) or len(row) != 3 or not isinstance(row[2], list):
        return False
    are_flaws = all(isinstance(flaw, list) and [type(text) for text in flaw] == [str, str] for flaw in row[2])
    return isinstance(row[1], int) and isinstance(row[0], list) and are_flaws
