"""A look at all environments and entries while commands change them."""

from __future__ import annotations

import os
import shutil

import pytest

from pepip.environment import journal
from pepip.host import rights
from pepip.operations import census, prune
from pepip.store import listing
from pepip.store.root import Store
from tests.support.meanwhile import after_listing
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

WHEELS = [Wheel("drum", "1.0", files={"drum.py": ""}), Wheel("horn", "1.0", files={"horn.py": ""})]


def test_an_entry_that_is_stored_during_the_look_is_not_lost(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another command stores an entry and links it, after the entries were listed."""
    workbench.install("drum")
    stored = listing.stored

    def stored_before_an_install(store: Store, *rest: object) -> list[listing.Stored]:
        found = stored(store, *rest)  # type: ignore[arg-type]
        workbench.install("horn")
        return found

    monkeypatch.setattr(listing, "stored", stored_before_an_install)
    (known,) = census.take(Store(os.fspath(workbench.store))).projects

    assert (known.state, known.reason) == (census.OK, "")
    assert {item.name for item in known.packages} == {"drum", "horn"}


def test_a_change_that_ends_during_the_look_was_not_interrupted(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The change is complete when the census asks whether anybody is at work."""
    root = os.fspath(workbench.install("drum"))
    journal.begin(root, journal.Journal())
    is_under_way = journal.is_under_way

    def ends(root: str) -> bool:
        journal.finish(root)
        return is_under_way(root)

    monkeypatch.setattr(journal, "is_under_way", ends)
    (known,) = census.take(Store(os.fspath(workbench.store))).projects

    assert (known.state, known.reason) == (census.OK, "")


def test_an_environment_that_loses_a_folder_during_the_look_can_be_reached(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An uninstall removes a folder after the folder above it was listed."""
    folder = workbench.install("drum") / "share" / "drum"
    folder.mkdir(parents=True)

    after_listing(monkeypatch, folder.parent, lambda: shutil.rmtree(folder, ignore_errors=True))
    (known,) = census.take(Store(os.fspath(workbench.store))).projects

    assert not folder.exists()
    assert (known.state, known.reason) == (census.OK, "")


def test_an_orphan_that_another_prune_removes_during_a_preview_is_not_refused(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It belongs to no other user: it is gone."""
    workbench.install("drum", "horn")
    shutil.rmtree(workbench.project)
    may_remove = rights.may_remove

    horn = workbench.entry("horn-1.0")

    def may_remove_after_a_prune(path: str) -> bool:
        shutil.rmtree(horn, ignore_errors=True)
        return may_remove(path)

    for path in (horn, *(path for path in horn.rglob("*") if path.is_dir())):
        path.chmod(0o755)
    monkeypatch.setattr(rights, "may_remove", may_remove_after_a_prune)
    seen = prune.preview(Store(os.fspath(workbench.store)), prune.PruneOptions())

    assert [orphan.stored.name for orphan in seen.orphans] == ["drum"]
    assert seen.refused == []
