"""Entries that adopting makes from the files of an environment."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pepip.host.transfer import Transfer
from pepip.operations import foreign_writes
from pepip.store import check, entries, from_installed, publish
from pepip.store.root import Store
from tests.support.meanwhile import after_listing
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


def test_bytecode_that_python_is_writing_is_left_out_of_a_separated_entry(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python writes bytecode under another name first, which is gone when the entry is copied."""
    workbench.supply([camera()])
    workbench.install("camera")
    store = Store(os.fspath(workbench.store))
    folder = workbench.entry("camera-1.0")
    bytecode = folder / "camera" / "__pycache__"
    unfinished, kept = (bytecode / f"lens.cpython-399.pyc.{number}" for number in (1, 2))
    for path in (unfinished, kept, bytecode / "lens.cpython-399.pyc"):
        path.write_bytes(b"bytecode")
    inode = (folder / "camera" / "__init__.py").stat().st_ino

    after_listing(monkeypatch, bytecode, lambda: unfinished.unlink(missing_ok=True))
    entry = entries.read(store, f"{folder.parent.name}/{folder.name}")
    from_installed.separate(store, entry, {inode})

    assert (folder / "camera" / "__init__.py").stat().st_ino != inode
    assert [path.name for path in bytecode.glob("*-399*")] == ["lens.cpython-399.pyc"]
    assert problems_of(workbench.store) == []


def test_bytecode_of_an_environment_is_taken_although_python_is_writing_some(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The finished bytecode becomes part of the entry, wherever the unfinished file is in the list."""
    source, workshop = tmp_path / "environment" / "pen", tmp_path / "entry"
    cache = source / "__pycache__"
    for folder in (cache, workshop / "pen" / "__pycache__"):
        folder.mkdir(parents=True)
    (source / "ink.py").touch()
    for number in range(9):
        (cache / f"ink.cpython-399.opt-{number}.pyc").write_bytes(b"bytecode")
        (cache / f"ink.cpython-399.opt-{number}.pyc.{number}").touch()

    def finish() -> None:
        for path in cache.glob("*.pyc.*"):
            path.unlink()

    after_listing(monkeypatch, cache, finish)
    prepared = publish.Prepared(os.fspath(workshop), None)  # type: ignore[arg-type]
    from_installed.take_bytecode(prepared, {"pen/ink.py": f"{source}/ink.py"}, Transfer())

    assert len(list((workshop / "pen" / "__pycache__").iterdir())) == 9
