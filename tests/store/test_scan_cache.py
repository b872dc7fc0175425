"""The cache of facts about entries and environments: what is noted is recalled, and equal rows are one object."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pepip.operations import census
from pepip.store.scan_cache import ScanCache

pytestmark = pytest.mark.unit

ROW = ["drum", "1.0", "drum-1.0.dist-info", "any/drum-1.0", "", ""]


def noted(cache: Path) -> None:
    """Note the packages and links of two environments that have the same distribution."""
    memory = ScanCache(str(cache))
    memory.note("entries", "any/drum-1.0", 1, ["drum", "1.0"])
    for root in ("/one/.venv", "/two/.venv"):
        memory.note("packages", root, [["/lib", 7]], [ROW])
        memory.note("links", root, [["", 7]], ["any/drum-1.0"])
    memory.save()


def test_equal_rows_are_once_in_the_file_and_in_memory(tmp_path: Path) -> None:
    """Each environment gets its own answer, made of the same objects."""
    noted(tmp_path)

    memory = ScanCache(str(tmp_path))
    one = memory.recall("packages", "/one/.venv", [["/lib", 7]])
    two = memory.recall("packages", "/two/.venv", [["/lib", 7]])
    assert [list(row) for row in one] == [ROW]
    assert one[0] is two[0]
    assert census.recalled(memory, one)[0] is census.recalled(memory, two)[0]
    assert census.recalled(memory, one)[0].entry_id == "any/drum-1.0"
    assert memory.recall("links", "/two/.venv", [["", 7]]) == ["any/drum-1.0"]
    (file,) = tmp_path.glob("*/seen.json")
    assert file.read_bytes().count(b"dist-info") == 1


def test_another_scan_with_the_same_cache_forgets_deleted_paths(tmp_path: Path) -> None:
    """It recalls what was noted before, without the file. What it does not meet again leaves the file."""
    noted(tmp_path)
    memory = ScanCache(str(tmp_path))
    memory.recall("entries", "any/drum-1.0", 1)
    memory.note("packages", "/one/.venv", [["/lib", 8]], [ROW, ROW])
    memory.save()
    memory.begin_anew()

    assert memory.recall("packages", "/one/.venv", [["/lib", 7]]) is None
    assert len(memory.recall("packages", "/one/.venv", [["/lib", 8]])) == 2
    assert memory.recall("packages", "/two/.venv", [["/lib", 7]]) is None
    memory.note("entries", "any/horn-1.0", 1, ["horn", "1.0"])
    memory.save()
    assert list(ScanCache(str(tmp_path)).remembered("entries")) == ["any/horn-1.0"]


def test_a_file_of_another_format_answers_nothing(tmp_path: Path) -> None:
    """It is replaced by the next scan."""
    noted(tmp_path)
    (file,) = tmp_path.glob("*/seen.json")
    seal, _, text = file.read_bytes().partition(b"\n")
    file.write_bytes(seal.replace(b"4 ", b"3 ", 1) + b"\n" + text)
    assert ScanCache(str(tmp_path)).remembered("packages") == {}

    noted(tmp_path)
    assert json.loads(file.read_bytes().partition(b"\n")[2])["topics"]["packages"]
