"""The history of the store: its sizes, once a day, and its prunes. Each user has a file with the last 400 of each.

If the file is lost, only this history is lost.
"""

from __future__ import annotations

import contextlib
import json
import os
import time

from pepip import paths
from pepip.fast_namedtuple import NamedTuple
from pepip.host import files, user_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pepip.store.root import Store

_NAME = "growth.json"
_FORMAT = 1
_MOST_BYTES = 1 << 20
_MOST_ROWS = 400
_LATEST = 1 << 36  # in seconds since 1970: in the year 4147
_LARGEST = 1 << 62
SECONDS_A_DAY = 86_400


class Sample(NamedTuple):
    """The sums of one day (`savings.Savings`). `taken_at` is in seconds since 1970."""

    taken_at: int
    on_disk_bytes: int
    without_sharing_bytes: int
    prunable_bytes: int
    entries: int
    projects: int


class Prune(NamedTuple):
    """A prune: when it ended (seconds since 1970), the entries that it removed, and the bytes that it freed."""

    ended_at: int
    entries: int
    freed_bytes: int


class Growth(NamedTuple):
    """All samples and prunes that are known, oldest first."""

    samples: tuple[Sample, ...] = ()
    prunes: tuple[Prune, ...] = ()


def read(store: Store) -> Growth:
    """Return the history. It is empty if the file is missing or invalid."""
    try:
        folder = user_cache.folder_in(paths.cache(store.root))
        document = files.load_json(user_cache.read(folder, _NAME, most_bytes=_MOST_BYTES))
        if document["format"] != _FORMAT:
            return Growth()
        samples = [Sample(*_numbers(row)) for row in document["samples"]]
        prunes = [Prune(*_numbers(row)) for row in document["prunes"]]
        return Growth(tuple(sorted(samples)), tuple(sorted(prunes)))
    except (OSError, ValueError, TypeError, LookupError):
        return Growth()


def _numbers(row: list[int]) -> list[int]:
    """Return a row of the file, whose first number is a time. Raises ValueError or TypeError if it is unsound."""
    numbers = list(map(int, row))
    if not 0 <= numbers[0] <= _LATEST or max(map(abs, numbers)) > _LARGEST:
        raise ValueError("a number is too large")
    return numbers


def add_sample(store: Store, sample: Sample) -> Growth:
    """Note a sample, unless its day has one, and return the history. Raises no error if the file can't be written."""
    known = read(store)
    if _with_sample(known, sample) == known:
        return known
    _update(store, lambda known: _with_sample(known, sample))
    return _with_sample(read(store), sample)


def _with_sample(known: Growth, sample: Sample) -> Growth:
    if day_of(sample.taken_at) in {day_of(other.taken_at) for other in known.samples}:
        return known
    return known._replace(samples=(*known.samples, sample)[-_MOST_ROWS:])


def add_prune(store: Store, entries: int, freed_bytes: int) -> None:
    """Note a prune that ended now. Raises no error if the file can't be written.

    Before the first sample nothing is noted: a new file would take space that the prune has just freed.
    """
    if read(store).samples:
        done = Prune(int(time.time()), entries, freed_bytes)
        _update(store, lambda known: known._replace(prunes=(*known.prunes, done)[-_MOST_ROWS:]))


def day_of(seconds: int) -> int:
    """Return the number of the local day of a time in seconds since 1970. The next day has the next number."""
    return (seconds + time.localtime(seconds).tm_gmtoff) // SECONDS_A_DAY


def _update(store: Store, change: Callable[[Growth], Growth]) -> None:
    """Change the history, while other processes that want to change it wait."""
    cache = paths.cache(store.root)
    if os.path.isdir(cache):
        with contextlib.suppress(OSError), user_cache.updating(user_cache.folder_in(cache)):
            _write(store, change(read(store)))


def _write(store: Store, growth: Growth) -> None:
    cache = paths.cache(store.root)
    if not os.path.isdir(cache):
        return
    document = {
        "format": _FORMAT,
        "samples": [list(sample) for sample in growth.samples],
        "prunes": [list(prune) for prune in growth.prunes],
    }
    with contextlib.suppress(OSError):
        user_cache.write(user_cache.folder_in(cache), _NAME, json.dumps(document).encode(), is_lasting=True)
