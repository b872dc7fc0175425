"""The root folder of a store."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pepip import paths
from pepip.errors import StoreError
from pepip.store.root import Store

pytestmark = pytest.mark.unit


def test_processes_that_make_a_store_at_once_all_succeed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process may make the root between the look for it and the call that makes it."""
    make = os.makedirs

    def make_after_another(path: str, mode: int = 0o777) -> None:
        make(path)
        make(path, mode)

    monkeypatch.setattr(os, "makedirs", make_after_another)
    Store(str(tmp_path / "store")).create()

    assert (tmp_path / "store" / "packages").is_dir()


def test_a_file_in_the_place_of_a_store_is_named(tmp_path: Path) -> None:
    """It stays as it is."""
    (tmp_path / "store").write_text("mine")

    with pytest.raises(StoreError, match=f"cannot make the store {tmp_path}/store: File exists"):
        Store(str(tmp_path / "store")).create()

    assert (tmp_path / "store").read_text() == "mine"


def test_no_store_is_made_among_the_entries_of_another(tmp_path: Path) -> None:
    """`store repair` of the other would move it to the trash. Beside the entries it is fine."""
    outer = Store(str(tmp_path / "outer"))
    outer.create()
    (tmp_path / "link").symlink_to(tmp_path / "outer" / "packages")

    for place in ("outer/packages/mine", "link/deep/mine"):
        with pytest.raises(StoreError, match=f"{tmp_path}/{place} lies among the entries of the store {outer.root}"):
            Store(str(tmp_path / place)).create()
    Store(str(tmp_path / "outer" / "inner")).create()
    Store(str(tmp_path / "packages" / "mine")).create()

    assert list((tmp_path / "outer" / "packages").iterdir()) == []


def test_a_store_that_another_process_makes_meanwhile_has_lost_no_registry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other process makes the registry, and stores an entry, before this one looks for entries."""
    store, packages = Store(str(tmp_path / "store")), tmp_path / "store" / "packages"
    listdir = os.listdir

    def list_late(path: str) -> list[str]:
        if path == str(packages):
            (tmp_path / "store" / "projects").mkdir(exist_ok=True)
            (packages / "py3-none-any").mkdir(exist_ok=True)
        return listdir(path)

    monkeypatch.setattr(os, "listdir", list_late)
    store.create()

    assert not os.path.lexists(paths.registry_lost(store.root))
