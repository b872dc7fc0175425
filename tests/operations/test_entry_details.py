"""The requirements of an entry, read from METADATA as in real wheels."""

from __future__ import annotations

from pathlib import Path

import pytest

from pepip.model import Stored
from pepip.operations import entry_details

pytestmark = pytest.mark.unit


def requirements_of(folder: Path, metadata: str) -> list[str]:
    """Return the requirements of an entry that has this METADATA."""
    (folder / "drum-1.0.dist-info").mkdir()
    (folder / "drum-1.0.dist-info" / "METADATA").write_text(metadata)
    stored = Stored("py3-none-any/drum-1.0", str(folder), "drum", "1.0", "", "", 1, 0, 0, "ok")
    return list(entry_details.requirements(stored))


def test_a_header_of_several_lines_hides_no_later_one(tmp_path: Path) -> None:
    """The text of a licence may have lines with only spaces. They do not end the headers."""
    licence = "License: first line\n        \n        third line\n"
    metadata = f"Name: drum\n{licence}Requires-Dist: stick>=2\n\nRequires-Dist: none\n"

    assert requirements_of(tmp_path, metadata) == ["stick>=2"]


@pytest.mark.parametrize(
    ("marker", "is_needed"),
    [
        ("extra == 'loud'", False),
        ("extra=='loud'", False),
        ('"loud" == extra', False),
        ("python_version < '3.9' and extra == 'loud'", False),
        ("sys_platform == 'win32'", True),
        ("platform_version == 'extra'", True),
    ],
)
def test_a_requirement_of_an_extra_is_left_out(tmp_path: Path, marker: str, is_needed: bool) -> None:
    """This holds for every spelling of the marker."""
    line = f"stick ; {marker}"

    found = requirements_of(tmp_path, f"Name: drum\nRequires-Dist: {line}\n\n")

    assert found == ([line] if is_needed else [])


def test_a_line_that_is_no_requirement_is_shown_as_it_is(tmp_path: Path) -> None:
    """Old wheels have such lines."""
    assert requirements_of(tmp_path, "Name: drum\nRequires-Dist: stick (>=2.*,???\n\n") == ["stick (>=2.*,???"]
