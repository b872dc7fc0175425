"""Entries that are copied into a layer while programs use them."""

from __future__ import annotations

import os

import pytest

from pepip.operations import store_publish
from pepip.store.root import Store
from tests.support.meanwhile import after_listing
from tests.support.shelf import camera
from tests.support.stores import problems_of
from tests.support.workbench import Workbench


def test_bytecode_that_python_is_writing_is_not_copied(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python writes bytecode under another name first, which is gone when the entry is copied."""
    workbench.supply([camera()])
    workbench.install("camera")
    bytecode = workbench.entry("camera-1.0") / "camera" / "__pycache__"
    unfinished, kept = (bytecode / f"lens.cpython-399.pyc.{number}" for number in (1, 2))
    for path in (unfinished, kept, bytecode / "lens.cpython-399.pyc"):
        path.write_bytes(b"bytecode")
    layer = workbench.folder / "layer"

    after_listing(monkeypatch, bytecode, lambda: unfinished.unlink(missing_ok=True))
    for _ in store_publish.publish_to(Store(os.fspath(workbench.store)), ["camera"], os.fspath(layer)):
        pass

    copied = layer / bytecode.relative_to(workbench.store)
    assert [path.name for path in copied.glob("*-399*")] == ["lens.cpython-399.pyc"]
    assert problems_of(layer) == []
