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
    from collections.abc import Callable, Iterable, Iterator

OWN_METADATA = ("INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json")
"""What an installer writes into a `.dist-info` folder, beside RECORD."""

OF_EACH = {"INSTALLER": b"uv", "REQUESTED": b""}
"""What a `.dist-info` folder has alike in each environment: the one that uv would have made."""

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


def read(path: str) -> list[Row]:
    """Return the rows of the RECORD at `path`, their paths as plain as can be. Raises OSError if it can't be read.

    A row that leaves the wheel keeps the path that it has: there is no such file in the wheel.
    """
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        rows = parse(file.read())
    return [row if _is_plain(row.path) else row._replace(path=_plain(row.path)) for row in rows]


def _is_plain(path: str) -> bool:
    return not ("./" in path or "//" in path or path.endswith(("/", "/.", "/..")) or os.sep != "/")


def _plain(path: str) -> str:
    return path if path.startswith("/") else os.path.normpath(path).replace(os.sep, "/")


def render(rows: Iterable[Row]) -> str:
    """Return the text of a RECORD file. Paths with commas or quotes are quoted as CSV wants it."""
    return "".join(f"{_quote(row.path)},{_quote(row.hash_value)},{_quote(row.size)}\n" for row in rows)


def moved(content: bytes, prefix: str, place: Callable[[str], str]) -> bytes:
    """Return a rendered RECORD in which each path below `prefix` is what `place` makes of it.

    Where that is nothing, the row goes.
    """
    if b'"' not in content:
        return _moved_unquoted(content, prefix.encode("utf-8", "surrogateescape"), place)
    made = []
    for line in _lines(content.decode("utf-8", "surrogateescape")):
        if line.startswith(prefix):
            path, _, rest = line.partition(",")
            path = place(path)
        elif line.startswith(f'"{prefix}'):
            row = parse(line)[0]
            path, rest = place(row.path), f"{_quote(row.hash_value)},{_quote(row.size)}\n"
        else:
            made.append(line)
            continue
        if path:
            made.append(f"{_quote(path)},{rest}")
    return "".join(made).encode("utf-8", "surrogateescape")


def _moved_unquoted(content: bytes, prefix: bytes, place: Callable[[str], str]) -> bytes:
    """Return the same of a RECORD without quotes: what lies between the rows that move is not looked at."""
    first, *others = b"\n".join((b"", content)).split(b"\n" + prefix)
    made = [first]
    for text in others:
        inside, _, rest = text.partition(b",")
        path = place((prefix + inside).decode("utf-8", "surrogateescape"))
        if path:
            made += [f"\n{_quote(path)},".encode("utf-8", "surrogateescape"), rest]
        else:
            made += rest.partition(b"\n")[1:]
    return b"".join(made)[1:]


def _lines(text: str) -> Iterator[str]:
    """Yield the lines of a rendered RECORD, with their ends: a quoted field may hold such an end."""
    begun = ""
    for line in text.split("\n"):
        whole = f"{begun}{line}\n"
        if '"' in whole and whole.count('"') % 2:
            begun = whole
        else:
            begun = ""
            if whole != "\n":
                yield whole


def of_entry(entry: str, dist_info: str, unlisted: Iterable[str]) -> bytes:
    """Return the RECORD of the wheel that lies unpacked at `entry`, with a row for each `unlisted` file, as uv adds.

    Its last row has its end of line, so that rows can follow.
    """
    with open(f"{entry}/{dist_info}/RECORD", "rb") as file:
        content = file.read()
    if content and not content.endswith(b"\n"):
        content += b"\n"
    rows = [Row(path, "", str(os.stat(f"{entry}/{path}").st_size)) for path in unlisted]
    return content + render(rows).encode("utf-8", "surrogateescape")


def of_environment(folders: Iterable[str], wheel_rows: bytes, own_rows: Iterable[Row]) -> tuple[bytes, bytes, bytes]:
    """Return a RECORD of an environment that links `folders` (relative to site-packages) whole, in three parts.

    Their rows come first, then the wheel's, then those of what the installer wrote.
    """
    head = "".join(f"{_quote(folder)},,\n" for folder in sorted(folders))
    own = render(own_rows)
    return head.encode("utf-8", "surrogateescape"), wheel_rows, own.encode("utf-8", "surrogateescape")


def row_of(path: str, content: bytes) -> Row:
    """Return the row that records `content` at `path`."""
    return Row(path, hash_value(digests.binary(content)), str(len(content)))


def hash_value(digest_of_file: bytes) -> str:
    """Return a SHA-256 digest as a row has it."""
    return f"sha256={_encoded(digest_of_file)}"


def hexadecimal(content: bytes) -> str:
    """Return the SHA-256 digest of a RECORD in hexadecimal digits."""
    return digests.hexadecimal(content)


def proves(row: Row) -> bool:
    """Tell whether the hash of a row proves the content of its file: SHA-256 and longer, as the format demands."""
    return row.hash_value.partition("=")[0] in {"sha256", "sha384", "sha512"}


def matches(row: Row, path: str, known: bytes | None = None) -> bool:
    """Tell whether the file at `path` has the hash that `row` names. It is read unless its SHA-256 digest is `known`.

    A row without a hash, or with an algorithm that this Python lacks, says nothing and matches any file. A
    missing file never matches.
    """
    import hashlib

    algorithm, _, expected = row.hash_value.partition("=")
    if not expected or algorithm not in hashlib.algorithms_available:
        return os.path.exists(path)
    try:
        found = known if algorithm == "sha256" else None
        found = found or digest(path, algorithm, likely_bytes=_small(row.size))
    except OSError:
        return False
    return _encoded(found) == expected.rstrip("=")


def _small(size: str) -> int:
    """Return the size that a row names, 0 if it is none or a large one."""
    return int(size) if len(size) < 8 and size.isdecimal() else 0


def digest(path: str, algorithm: str, *, likely_bytes: int = 0) -> bytes:
    """Return the digest of the file at `path`. Raises OSError if it can't be read.

    A small file that has as many bytes as is `likely` is read at once.
    """
    import hashlib

    found = hashlib.sha256() if algorithm == "sha256" else hashlib.new(algorithm)
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))
    at_once = likely_bytes + 1 if 0 < likely_bytes < _BLOCK_BYTES else _BLOCK_BYTES
    try:
        while block := os.read(descriptor, at_once):
            found.update(block)
            if len(block) == likely_bytes < at_once:
                break  # there would be room for what follows
            at_once = _BLOCK_BYTES
    finally:
        os.close(descriptor)
    return found.digest()


def made_by_installer(dist_info: str) -> set[str]:
    """Return the paths in a `.dist-info` folder that each environment has from its installer, whatever a wheel ships."""
    return {f"{dist_info}/{name}" for name in ("RECORD", *OF_EACH)}


def own_metadata(dist_info: str) -> set[str]:
    """Return the paths in a `.dist-info` folder that an installer writes, and no wheel has."""
    return {f"{dist_info}/{name}" for name in (*OWN_METADATA, "RECORD")}


def _encoded(found: bytes) -> str:
    """Return a digest as RECORD writes it: URL-safe Base64 without padding (PEP 376)."""
    return b2a_base64(found, newline=False).rstrip(b"=").translate(_URL_SAFE).decode("ascii")


def _quote(field: str) -> str:
    if "," in field or '"' in field or "\n" in field or "\r" in field:
        return '"' + field.replace('"', '""') + '"'
    return field
