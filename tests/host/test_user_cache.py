"""Lasting files of a user's cache, which several processes update at the same time."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pepip.host import user_cache
from pepip.store import audit_answers, growth_log, layers
from pepip.store.audit_answers import KINDS, Answer
from pepip.store.growth_log import SECONDS_A_DAY, Sample
from pepip.store.root import Store

pytestmark = pytest.mark.unit

_NOON = 1_772_366_400


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a store with nothing in it."""
    (tmp_path / "cache").mkdir()
    return Store(os.fspath(tmp_path))


def test_a_lasting_file_is_there_while_it_is_written(tmp_path: Path) -> None:
    """A reader gets the old content or the new one."""
    folder = os.fspath(tmp_path / "answers")
    user_cache.write(folder, "note", b"0")

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(
            lambda: [user_cache.write(folder, "note", b"%d" % number, is_lasting=True) for number in range(300)]
        )
        while not writing.done():
            assert user_cache.read(folder, "note", most_bytes=9).isdigit()
    assert writing.result()


def test_samples_and_prunes_that_come_at_once_are_all_kept(store: Store) -> None:
    """Prunes may end while the app takes the day's sample. The history of earlier days is kept, too."""
    days = [Sample(_NOON + day * SECONDS_A_DAY, day, 0, 0, 0, 0) for day in range(40)]
    growth_log.add_sample(store, days[0])

    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(growth_log.add_sample, store, day) for day in days]
        jobs += [pool.submit(growth_log.add_prune, store, number, 1) for number in range(40)]
        for job in jobs:
            job.result()

    known = growth_log.read(store)
    assert known.samples == tuple(days)
    assert sorted(prune.entries for prune in known.prunes) == list(range(40))


def test_layers_that_are_linked_at_once_are_all_known(store: Store) -> None:
    """Later, links into each layer are recognized, even if the user no longer names it."""
    roots = [f"/layers/{number}" for number in range(40)]

    with ThreadPoolExecutor(4) as pool:
        for root in roots:
            pool.submit(layers.note_linked, store.root, [f"{root}/packages/py3-none-any/drum-1.0"])

    assert sorted(layers.linked_before(store.root)) == sorted(roots)


def test_an_answer_of_another_command_is_kept(store: Store) -> None:
    """Audits of different kinds run at the same time. Each notes its own answer."""
    with ThreadPoolExecutor(3) as pool:
        for kind in KINDS:
            for number in range(20):
                pool.submit(audit_answers.note, store, Answer(kind, number + 1, "uv", frozenset(), ()))

    assert sorted(audit_answers.read(store)) == sorted(KINDS)
