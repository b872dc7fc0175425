"""A look at all environments while commands change them."""

from __future__ import annotations

import os

import pytest

from pepip.environment import journal
from pepip.operations import census
from pepip.store import listing
from pepip.store.root import Store
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
