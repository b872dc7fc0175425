"""Lists as CSV, Markdown and JSON: nothing in them is a formula or markup."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from pepip.errors import UsageError
from pepip.operations import sheets
from pepip.operations.sheets import Sheet

pytestmark = pytest.mark.unit

texts = some.text() | some.sampled_from(
    ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "a|b", "[x](y)", "<b>", "\uff1d1"]
)
cells = texts | some.integers() | some.booleans() | some.none() | some.lists(texts, max_size=2)
rows = some.lists(some.fixed_dictionaries({"name": texts, "value": cells}), max_size=5)


@given(rows)
def test_no_text_in_csv_is_a_formula(documents: list[dict[str, object]]) -> None:
    """A spreadsheet calculates a text that begins with one of some characters. Numbers stay numbers."""
    text = Sheet(("name", "value"), documents).text(sheets.CSV)

    found = list(csv.reader(io.StringIO(text, newline="")))
    assert found[0] == ["name", "value"]
    assert len(found) == len(documents) + 1
    for cells_of_row, document in zip(found[1:], documents, strict=True):
        for cell, value in zip(cells_of_row, (document["name"], document["value"]), strict=True):
            if isinstance(value, int) and not isinstance(value, bool):
                assert cell == str(value)
            else:
                assert not cell.lstrip(" \0\ufeff").startswith(tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"))


@given(rows)
def test_markdown_is_one_line_for_each_row_with_all_cells(documents: list[dict[str, object]]) -> None:
    """No cell ends a cell or a line, and none is markup."""
    text = Sheet(("name", "value"), documents).text(sheets.MARKDOWN)

    assert len(text.splitlines()) == len(documents) + 2
    for line in text.splitlines():
        assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) == 3
        assert not re.search(r"(?<!\\)(?:\\\\)*[`*\[<]", line)


@given(rows)
def test_json_has_the_documents(documents: list[dict[str, object]]) -> None:
    """Nothing is changed in JSON."""
    assert json.loads(Sheet(("name",), documents).text(sheets.JSON)) == documents


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """The file that is there stays as it is."""
    path = tmp_path / "list.md"
    sheet = Sheet(("name",), [{"name": "drum"}])
    sheets.save(sheet, str(path))

    with pytest.raises(UsageError, match="is there already"):
        sheets.save(Sheet(("name",), []), str(path))

    assert path.read_text() == "| name |\n| --- |\n| drum |\n"


def test_a_name_without_a_known_end_is_refused(tmp_path: Path) -> None:
    """No file is written."""
    with pytest.raises(UsageError, match="not known"):
        sheets.save(Sheet(("name",), []), str(tmp_path / "list.xlsx"))

    assert not list(tmp_path.iterdir())
