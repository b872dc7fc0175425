"""The history of a store's size: one sample a day, prunes, and the days of a period."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from pepip.operations import growth
from pepip.store import growth_log
from pepip.store.growth_log import SECONDS_A_DAY, Growth, Prune, Sample
from pepip.store.root import Store

pytestmark = pytest.mark.unit

NOON = 1_772_323_200 + SECONDS_A_DAY // 2


def sample(day: int, size_bytes: int = 0) -> Sample:
    """Return the sample of a day."""
    return Sample(NOON + day * SECONDS_A_DAY, size_bytes, 0, 0, 0, 0)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a store with nothing in it."""
    (tmp_path / "cache").mkdir()
    return Store(str(tmp_path))


def test_a_day_has_one_sample(store: Store) -> None:
    """Later looks of the same day write nothing."""
    growth_log.add_sample(store, sample(0, 100))
    growth_log.add_sample(store, sample(0, 200))
    growth_log.add_sample(store, sample(1, 300))

    assert [row.on_disk_bytes for row in growth_log.read(store).samples] == [100, 300]


def test_the_file_does_not_grow_without_end(store: Store) -> None:
    """The oldest days go first."""
    samples = tuple(sample(day) for day in range(399))
    growth_log._write(store, Growth(samples, tuple(Prune(row.taken_at, 1, 1) for row in samples)))

    for day in range(399, 403):
        growth_log.add_sample(store, sample(day))
        growth_log.add_prune(store, 1, day)

    known = growth_log.read(store)
    assert [len(known.samples), len(known.prunes)] == [400, 400]
    assert known.samples[0] == sample(3)
    assert known.samples[-1] == sample(402)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"format": 1, "samples": [[1]], "prunes": []}', '{"format": 9}']
)
def test_another_file_is_an_empty_history(store: Store, content: str) -> None:
    """It is replaced at the next sample."""
    growth_log.add_sample(store, sample(0))
    (path,) = Path(store.root).glob("cache/*/growth.json")
    path.write_text(content)

    assert growth_log.read(store) == Growth()
    assert growth_log.add_sample(store, sample(1)).samples == (sample(1),)
    assert growth_log.read(store).samples == (sample(1),)


@given(some.sets(some.integers(-500, 0)), some.lists(some.integers(-500, 0), max_size=5), some.sampled_from([30, 90]))
def test_a_period_has_all_its_days(sampled: set[int], pruned: list[int], count: int) -> None:
    """A day without a sample has the one before. The last day is today."""
    samples = tuple(sample(day, day + 1000) for day in sorted(sampled))
    prunes = tuple(Prune(NOON + day * SECONDS_A_DAY, 1, 10) for day in sorted(pruned))

    days = growth.days(Growth(samples, prunes), count, sample(0, 1000))

    assert len(days) == count
    for place, day in enumerate(days):
        age = place - count + 1
        last = max((known for known in {*sampled, 0} if known <= age), default=None)
        assert day.sample == (None if last is None else sample(last, last + 1000))
        assert len(day.prunes) == pruned.count(age)


def test_days_change_at_local_midnight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half an hour lies between these two days."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    midnight = 1_772_323_200 - int(5.5 * 3600)

    assert growth_log.day_of(midnight + 900) == growth_log.day_of(midnight - 900) + 1
    monkeypatch.undo()
    time.tzset()
