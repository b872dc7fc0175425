"""The note of modes and attributes may come with another person's checkout."""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path

import pytest

from pepip.environment import file_modes

pytestmark = pytest.mark.unit

USER, WRITES, READS = 0x02, 6, 4


def access_list(rights: int) -> bytes:
    """Return an access list that gives the user 4711 some rights."""
    rows = ((0x01, 6, 0xFFFFFFFF), (USER, rights, 4711), (0x04, 4, 0xFFFFFFFF), (0x10, 6, 0xFFFFFFFF))
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *row) for row in rows)


def noted(folder: Path, texts: dict[str, str]) -> dict[str, bytes]:
    """Return the attributes that are read for a file from a note with these texts."""
    (folder / file_modes.NOTE).write_text(json.dumps({"drum.py": {"mode": 420, "attributes": texts}}))
    return file_modes.noted(str(folder)).attributes["drum.py"]


def test_attributes_are_read(tmp_path: Path) -> None:
    """Notes of programs, and access lists by which others read."""
    found = {"user.origin": b"here", "system.posix_acl_access": access_list(READS)}

    assert noted(tmp_path, {name: base64.b64encode(value).decode() for name, value in found.items()}) == found


FOR_ALL = access_list(READS) + struct.pack("<HHI", 0x20, 2, 0xFFFFFFFF)


@pytest.mark.parametrize("mode", ["true", "-1", "0.5", "[]"])
def test_a_malformed_mode_is_left_out(tmp_path: Path, mode: str) -> None:
    """No mode is made of it."""
    (tmp_path / file_modes.NOTE).write_text(f'{{"drum.py": {mode}, "horn.py": 420}}')

    assert file_modes.noted(str(tmp_path)).modes == {"horn.py": 420}


@pytest.mark.parametrize("value", [access_list(WRITES), FOR_ALL, access_list(READS)[:-1], b"", b"\x02\x00\x00"])
def test_an_access_list_that_lets_others_write_is_left_out(tmp_path: Path, value: bytes) -> None:
    """So is a list of a wrong length."""
    assert noted(tmp_path, {"system.posix_acl_access": base64.b64encode(value).decode()}) == {}


@pytest.mark.parametrize("text", ["é", "A", "="])
def test_a_malformed_attribute_is_left_out(tmp_path: Path, text: str) -> None:
    """No error is raised."""
    assert noted(tmp_path, {"user.origin": text}) == {}
