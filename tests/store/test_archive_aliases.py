"""What is known of archives that have the content of adopted entries."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pepip.store import archive_aliases
from pepip.store.root import Store

pytestmark = pytest.mark.unit


def test_notes_of_several_threads_are_all_kept(tmp_path: Path) -> None:
    """Several wheels are stored at once on a network file system."""
    (tmp_path / "cache").mkdir()
    store = Store(str(tmp_path))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: archive_aliases.note(store, f"{number}", f"entry-{number}", "x"), range(100)))

    found = [archive_aliases.entry_of(store, f"{number}") for number in range(100)]
    assert found == [(f"entry-{number}", "x") for number in range(100)]
