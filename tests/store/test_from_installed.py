"""Entries that adopting makes from the files of an environment."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from pepip.operations import foreign_writes
from pepip.store import check, entries, from_installed
from pepip.store.root import Store
from tests.support.shelf import camera
from tests.support.stores import problems_of
from tests.support.workbench import Workbench


def test_an_entry_is_whole_while_its_files_are_separated(workbench: Workbench) -> None:
    """Two runs separate an entry from an environment's files. A third never finds it changed or incomplete.

    Only the mode of the entry's own folder changes for a moment: nobody may rename a folder that is read-only.
    """
    workbench.supply([camera()])
    workbench.install("camera")
    store = Store(os.fspath(workbench.store))
    folder = next(workbench.store.glob("packages/*/camera-1.0"))
    entry = entries.read(store, f"{folder.parent.name}/{folder.name}")

    def inodes() -> set[int]:
        return {path.lstat().st_ino for path in folder.rglob("*") if path.is_file() and path.suffix == ".py"}

    def separate() -> None:
        from_installed.separate(store, entry, inodes())

    before = inodes()
    found = []
    with ThreadPoolExecutor(2) as separating:
        runs = [separating.submit(separate) for _ in range(40)]
        while not all(run.done() for run in runs):
            found += [flaw for flaw in check.inspect(entry.path) if flaw != ("mode", ".")]
            assert not foreign_writes.is_written(entry.path)
    for run in runs:
        run.result()

    assert found == []
    assert not inodes() & before
    assert problems_of(workbench.store) == []
    assert workbench.python("-c", "import camera; print(camera.__name__)") == "camera"
