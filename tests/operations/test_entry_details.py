"""The requirements of an entry, read from METADATA as in real wheels."""

from __future__ import annotations

from email.message import Message
from pathlib import Path

import pytest

from pepip.model import Installed
from pepip.operations import entry_details
from pepip.operations.census import KnownVenv
from pepip.store.listing import Stored
from pepip.store.registry_file import Registration

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


def test_distributions_of_the_environment_itself_are_dependants(tmp_path: Path) -> None:
    """A project in its own environment needs what its METADATA names. Linked distributions are left out."""
    site_packages = tmp_path / "lib" / "python3.12" / "site-packages"
    for name in ("band-1.0.dist-info", "duo-1.0.dist-info"):
        (site_packages / name).mkdir(parents=True)
        (site_packages / name / "METADATA").write_text("Name: x\nRequires-Dist: Drum>=1\n")
    own = Installed("band", "1.0", "band-1.0.dist-info", "")
    linked = Installed("duo", "1.0", "duo-1.0.dist-info", "py3-none-any/duo-1.0")
    registration = Registration("", str(tmp_path), "", 0, "", None)
    known = KnownVenv(str(tmp_path), "", "", "ok", "", (own, linked), frozenset(), registration)

    assert entry_details.private_dependants(known, "drum") == ["band"]
    assert entry_details.private_dependants(known, "horn") == []


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"License-Expression": "MIT"}, "MIT"),
        ({"License": "BSD 3-Clause", "Classifier": "License :: OSI Approved :: MIT License"}, "BSD 3-Clause"),
        (
            {"License": "(c) Ada\n\nRedistribution …", "Classifier": "License :: OSI Approved :: MIT License"},
            "MIT License",
        ),
        ({"License": "(c) Ada\n\nRedistribution …"}, "(c) Ada"),
        ({"License": "word " * 40}, ""),
        ({"License": "UNKNOWN"}, ""),
    ],
)
def test_a_licence_is_named_in_few_words(fields: dict[str, str], words: str) -> None:
    """The first line of a whole text says less than the classifiers do."""
    metadata = Message()
    for name, value in fields.items():
        metadata[name] = value

    assert entry_details._licence(metadata) == words
