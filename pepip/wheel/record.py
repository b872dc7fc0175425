"""RECORD files: rows of path, hash and size.

Source: "Recording installed projects", https://packaging.python.org/en/latest/specifications/
"""

from __future__ import annotations

import os
from binascii import b2a_base64

from pepip import digests
from pepip.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

OWN_METADATA = ("INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json")
"""What an installer writes into a `.dist-info` folder, beside RECORD."""

_BLOCK_BYTES = 1 << 20
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


class Row(NamedTuple):
    """One row. `hash_value` is `algorithm=urlsafe-base64` or empty, `size` decimal bytes or empty."""

    path: str
    hash_value: str
    size: str


def parse(text: str) -> list[Row]:
    """Return the rows of a RECORD file. Blank lines are skipped, absent fields are empty."""
    if '"' in text or "\r" in text.replace("\r\n", "\n"):
        import csv
        import io

        lines: Iterable[list[str]] = csv.reader(io.StringIO(text, newline=""))
    else:  # nothing is quoted, as in nearly every wheel
        lines = (line.split(",") for line in text.replace("\r\n", "\n").split("\n") if line)
    rows = []
    for fields in lines:
        if fields:
            path, hash_value, size, *_ = [*fields, "", ""]
            rows.append(Row(path.replace("\\", "/"), hash_value, size))
    return rows


def render(rows: Iterable[Row]) -> str:
    """Return the text of a RECORD file. Paths with commas or quotes are quoted as CSV wants it."""
    return "".join(f"{_quote(row.path)},{row.hash_value},{row.size}\n" for row in rows)


def row_of(path: str, content: bytes) -> Row:
    """Return the row that records `content` at `path`."""
    return Row(path, f"sha256={_encoded(digests.binary(content))}", str(len(content)))


def matches(row: Row, path: str) -> bool:
    """Tell whether the file at `path` has the hash that `row` names.

    A row without a hash, or with an algorithm that this Python lacks, says nothing and matches any file. A
    missing file never matches.
    """
    import hashlib

    algorithm, _, expected = row.hash_value.partition("=")
    if not expected or algorithm not in hashlib.algorithms_available:
        return os.path.exists(path)
    try:
        found = digest(path, algorithm)
    except OSError:
        return False
    return _encoded(found) == expected.rstrip("=")


def digest(path: str, algorithm: str) -> bytes:
    """Return the digest of the file at `path`. Raises OSError if it can't be read."""
    import hashlib

    found = hashlib.sha256() if algorithm == "sha256" else hashlib.new(algorithm)
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))
    try:
        while block := os.read(descriptor, _BLOCK_BYTES):
            found.update(block)
    finally:
        os.close(descriptor)
    return found.digest()


def own_metadata(dist_info: str) -> set[str]:
    """Return the paths in a `.dist-info` folder that an installer writes, and no wheel has."""
    return {f"{dist_info}/{name}" for name in (*OWN_METADATA, "RECORD")}


def _encoded(found: bytes) -> str:
    """Return a digest as RECORD writes it: URL-safe Base64 without padding (PEP 376)."""
    return b2a_base64(found, newline=False).rstrip(b"=").translate(_URL_SAFE).decode("ascii")


def _quote(path: str) -> str:
    if any(character in path for character in ',"\r\n'):
        return '"' + path.replace('"', '""') + '"'
    return path
