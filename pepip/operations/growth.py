"""The store's growth: the prunes, and one sample for each day on which somebody looked at the savings."""

from __future__ import annotations

import time

from pepip.fast_namedtuple import NamedTuple
from pepip.store import growth_log
from pepip.store.growth_log import Prune, Sample

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.operations.savings import Savings
    from pepip.store.growth_log import Growth
    from pepip.store.root import Store

PERIODS = (30, 90, 365)
"""The periods that are shown, in days."""


class Day(NamedTuple):
    """One day of a period. `sample` is the sample of that day or else the last one before, None if there is none."""

    number: int
    sample: Sample | None
    prunes: tuple[Prune, ...]


def note(store: Store, sums: Savings) -> Growth:
    """Note the sums as the sample of today, unless today has one. Return all samples and prunes."""
    return growth_log.add_sample(store, sample_of(sums))


def sample_of(sums: Savings) -> Sample:
    """Return the sums as a sample that was taken now."""
    return Sample(
        int(time.time()),
        sums.on_disk_bytes,
        sums.without_sharing_bytes,
        sums.prunable_bytes,
        sums.entries,
        sums.projects,
    )


def days(known: Growth, count: int, now: Sample) -> list[Day]:
    """Return the last `count` days, oldest first. The last one is today, with the sample `now`."""
    samples = {growth_log.day_of(sample.taken_at): sample for sample in (*known.samples, now)}
    today = growth_log.day_of(now.taken_at)
    first = today - count + 1
    last = max((day for day in samples if day < first), default=None)
    sample = None if last is None else samples[last]
    found = []
    for number in range(first, today + 1):
        sample = samples.get(number, sample)
        prunes = tuple(prune for prune in known.prunes if growth_log.day_of(prune.ended_at) == number)
        found.append(Day(number, sample, prunes))
    return found
