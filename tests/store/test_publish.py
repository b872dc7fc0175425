"""Entries that take the place of others while programs use them."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from pepip.host import permissions
from pepip.operations import foreign_writes
from pepip.store import check, entries, prelinks, promotion, publish, staging
from pepip.store.document import Document
from pepip.store.publish import Prepared
from pepip.store.root import Store
from tests.support.shelf import camera
from tests.support.stores import problems_of
from tests.support.workbench import Workbench


def test_an_entry_is_there_while_others_take_its_place(workbench: Workbench) -> None:
    """Two runs store an entry anew, again and again. A third finds it whole each time, and it stays linked."""
    workbench.supply([camera()])
    workbench.install("camera")
    store, path = Store(os.fspath(workbench.store)), os.fspath(workbench.entry("camera-1.0"))

    def store_anew(number: int) -> None:
        publish.publish(store, promotion.copy(store, path, f"{area}/{number}"), replacing=path)

    found = []
    with staging.area(store) as area, ThreadPoolExecutor(2) as storing:
        runs = [storing.submit(store_anew, number) for number in range(20)]
        while not all(run.done() for run in runs):
            found += [flaw for flaw in check.inspect(path) if flaw != ("mode", ".")]
            assert not foreign_writes.is_written(path)
            assert os.path.exists(f"{path}/camera/__init__.py")
    for run in runs:
        run.result()

    assert found == []
    assert problems_of(workbench.store) == []
    assert list((workbench.store / "staging").iterdir()) == []
    assert workbench.python("-c", "import camera; print(camera.VERSION)") == "1.0"


def test_one_of_two_runs_replaces_a_damaged_entry(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both runs find the entry damaged, and store it anew. The slower one takes the new entry of the other."""
    workbench.supply([camera()])
    workbench.install("camera")
    store, entry = Store(os.fspath(workbench.store)), workbench.entry("camera-1.0")
    path = os.fspath(entry)
    real = prelinks.make
    others: list[Prepared] = []

    def make_after_another(workshop: str, place: str, document: Document, *, root_stat: os.stat_result) -> None:
        if others:
            publish.publish(store, others.pop())
        real(workshop, place, document, root_stat=root_stat)

    with staging.area(store) as area:
        mine, other = (promotion.copy(store, path, f"{area}/{number}") for number in range(2))
        (entry / "camera" / "__init__.py").unlink()
        others.append(other)
        monkeypatch.setattr(prelinks, "make", make_after_another)
        inode_before = entry.stat().st_ino
        publish.publish(store, mine)

        assert inode_before != entry.stat().st_ino
        assert os.path.isdir(mine.workshop)
    assert problems_of(workbench.store) == []
    assert list((workbench.store / "staging").iterdir()) == []


def test_an_entry_that_another_run_moves_is_not_sealed_under_its_hands(workbench: Workbench) -> None:
    """A user who is not root can't move a folder that is read-only. So the seal waits for the move."""
    workbench.supply([camera()])
    workbench.install("camera")
    store, folder = Store(os.fspath(workbench.store)), workbench.entry("camera-1.0")
    entry = entries.read(store, f"{folder.parent.name}/{folder.name}")

    with ThreadPoolExecutor(1) as sealing:
        with staging.changing(store, entry.path), permissions.writable(store.root, entry.path):
            job = sealing.submit(publish.complete, store, entry)
            early = wait([job], timeout=0.2).done
            mode_meanwhile = folder.stat().st_mode
        job.result()

    assert not early
    assert mode_meanwhile & 0o200
    assert not folder.stat().st_mode & 0o200
