"""RECORD files: rows of path, hash and size.

Source: "Recording installed projects", https://packaging.python.org/en/latest/specifications/
"""

from __future__ import annotations

import codecs
import functools
import os

from pepip import digests, paths
from pepip.fast_namedtuple import NamedTuple
from pepip.host import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

OWN_METADATA = ("INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json")
"""The names of the files, besides RECORD, that an installer may write into a `.dist-info` folder."""

OF_EACH = {"INSTALLER": b"uv", "REQUESTED": b""}
"""The files of a `.dist-info` folder that are the same in each environment, with the content that uv writes."""

MADE_BY_INSTALLER = frozenset(("RECORD", *OF_EACH))
"""The names of the files in a `.dist-info` folder that an installer writes anew in each environment."""

_BLOCK_BYTES = 1 << 20
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_SIGNS_OF_ODD_PATHS = ("./", "//", "\\", '"', "\r", *(f"/{dots}{end}" for dots in ("", ".", "..") for end in ",\n"))
_LENGTHS = {"sha256": 43, "sha384": 64, "sha512": 86}  # of the digests that prove a content, in URL-safe Base64


class Row(NamedTuple):
    """One row of a RECORD. `hash_value` is `algorithm=urlsafe-base64` or empty, `size` decimal bytes or empty."""

    path: str
    hash_value: str
    size: str


def parse(text: str) -> list[Row]:
    """Return the rows of a RECORD file. Blank lines are skipped, absent fields are empty.

    Never fails: wrong quoting is read as Python's `csv` module reads it.
    """
    if '"' in text or "\r" in text.replace("\r\n", "\n"):
        lines = _quoted_lines(text)
    else:  # no quotes, as in nearly every wheel
        lines = (line.split(",") for line in text.replace("\r\n", "\n").split("\n") if line)
    if "\\" in text:
        lines = ([fields[0].replace("\\", "/"), *fields[1:]] for fields in lines)
    # A plain call of `Row` takes twice as long, and a RECORD may have ten thousand rows.
    return [tuple.__new__(Row, fields if len(fields) == 3 else [*fields, "", ""][:3]) for fields in lines]


def read(path: str) -> list[Row]:
    """Return the rows of the RECORD at `path`, with normalized paths. Raises OSError if the file can't be read.

    An absolute path is kept as written. A path that leads out of the wheel matches none of its files.
    """
    return rows_of(files.read_regular(path, most_bytes=files.RECORD_BYTES, follows=True))


def rows_of(content: bytes) -> list[Row]:
    """Return the rows of a RECORD with this content. See `read`."""
    text = content.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")
    rows = parse(text)
    if os.sep == "/" and not any(sign in f"{text}\n" for sign in _SIGNS_OF_ODD_PATHS):
        return rows
    return [row if _is_plain(row.path) else row._replace(path=_plain(row.path)) for row in rows]


def in_environment(path: str, site_packages: str) -> str:
    """Return a path of RECORD relative to the environment, empty if it is absolute or leads out of the environment.

    RECORD has it relative to the folder `site_packages`, which is itself relative to the environment.
    """
    if path[:1] not in {"", ".", "/"} and _is_plain(path) and "\\" not in path and "\0" not in path:
        return f"{site_packages}/{path}"  # so for nearly every path: a RECORD may have ten thousand
    place = os.path.normpath(f"{site_packages}/{path}").replace(os.sep, "/")
    return place if paths.is_inside(place) and not path.startswith("/") else ""


def _is_plain(path: str) -> bool:
    return not ("./" in path or "//" in path or path.endswith(("/", "/.", "/..")) or os.sep != "/")


def _plain(path: str) -> str:
    return path if path.startswith("/") else os.path.normpath(path).replace(os.sep, "/")


def _quoted_lines(text: str) -> Iterator[list[str]]:
    """Yield the fields of each line that isn't blank.

    The `csv` module raises errors for long fields, and in Python 3.10 for a null character; this parser does not.
    """
    import re

    fields: list[str] = []
    field = re.compile(r'(?:(")([^"]*(?:""[^"]*)*)(?:"|\Z))?([^,\r\n]*)(,|\r\n?|\n|\Z)')
    for quote, quoted, rest, end in field.findall(text):
        fields.append(quoted.replace('""', '"') + rest)
        if end != ",":
            if len(fields) > 1 or quote or rest:
                yield fields
            fields = []


def render(rows: Iterable[Row]) -> str:
    """Return the text of a RECORD file. Paths with commas or quotes are quoted as in CSV."""
    return "".join(f"{_quote(row.path)},{_quote(row.hash_value)},{_quote(row.size)}\n" for row in rows)


def moved(content: bytes, prefix: str, place: Callable[[str], str]) -> bytes:
    """Return a RECORD with each path that begins with `prefix` replaced by the result of `place` for it.

    If `place` returns an empty text, the row is removed.
    """
    if not any(character in content for character in (b'"', b"\r", b"\\")):
        return _moved_plain(content, prefix.encode("utf-8", "surrogateescape"), place)
    rows = []
    for row in parse(content.decode("utf-8", "surrogateescape")):
        path = place(row.path) if row.path.startswith(prefix) else row.path
        if path or not row.path.startswith(prefix):
            rows.append(row._replace(path=path))
    return render(rows).encode("utf-8", "surrogateescape")


def _moved_plain(content: bytes, prefix: bytes, place: Callable[[str], str]) -> bytes:
    """Do the work of `moved` for a RECORD without quotes. Only rows whose path begins with `prefix` are parsed."""
    first, *others = b"\n".join((b"", content)).split(b"\n" + prefix)
    made = [first]
    for text in others:
        line, *after = text.partition(b"\n")
        inside, _, rest = line.partition(b",")
        path = place((prefix + inside).decode("utf-8", "surrogateescape"))
        if path:
            made += [f"\n{_quote(path)},".encode("utf-8", "surrogateescape"), rest]
        made += after
    return b"".join(made)[1:]


def of_entry(entry: str, dist_info: str, unlisted: Iterable[str]) -> bytes:
    """Return the RECORD of the wheel unpacked at `entry`, and after it the rows that uv writes for `unlisted` files.

    Rows of INSTALLER and REQUESTED are left out. The last row ends with a newline, so that other rows can follow.
    """
    content = files.read_regular(f"{entry}/{dist_info}/RECORD", most_bytes=files.RECORD_BYTES)
    content = content.removeprefix(codecs.BOM_UTF8)
    if content and not content.endswith(b"\n"):
        content += b"\n"
    for name in OF_EACH:  # a wheel may ship these files; the installer overwrites them and adds a row of its own
        path = f"{dist_info}/{name}"
        if path.encode() in content:
            content = moved(content, path, functools.partial(_drop, path))
    rows = [Row(path, "", str(os.stat(f"{entry}/{path}").st_size)) for path in unlisted]
    return content + render(rows).encode("utf-8", "surrogateescape")


def _drop(dropped: str, path: str) -> str:
    """Return `path`, or an empty text if it is the `dropped` one."""
    return "" if path == dropped else path


def of_environment(folders: Iterable[str], wheel_rows: bytes, own_rows: Iterable[Row]) -> tuple[bytes, bytes, bytes]:
    """Return, in three parts, the RECORD of a distribution with its `folders` (below site-packages) linked whole.

    The parts are the rows of the folders, the wheel's rows, and the rows of the files that the installer wrote.
    """
    if wheel_rows and not wheel_rows.endswith(b"\n"):
        wheel_rows += b"\n"
    head = "".join(f"{_quote(folder)},,\n" for folder in sorted(folders))
    own = render(own_rows)
    return head.encode("utf-8", "surrogateescape"), wheel_rows, own.encode("utf-8", "surrogateescape")


def without_folders(content: bytes, folders: Iterable[str], note: str) -> bytes:
    """Return a RECORD without the rows for linked folders, and without the row that names the file `note`.

    That row comes next; older versions of pepip wrote it last. If the head of RECORD is as pepip wrote it, all other
    rows keep their exact bytes.
    """
    head = of_environment(folders, b"", ())[0]
    if content.startswith(head):
        rest = content[len(head) :]
    else:
        gone = set(folders)
        rows = parse(content.decode("utf-8", "surrogateescape"))
        kept = [row for row in rows if row.hash_value or row.path not in gone]
        rest = render(kept).encode("utf-8", "surrogateescape")
    start = note.encode("utf-8", "surrogateescape") + b","
    if rest.startswith(start):
        return rest.partition(b"\n")[2]
    lines = rest.splitlines(keepends=True)
    return b"".join(lines[:-1]) if lines and lines[-1].startswith(start) else rest


def of_installer(wheel_rows: bytes, own_rows: Iterable[Row]) -> bytes:
    """Return the RECORD of a distribution without links, as uv writes it: sorted, with no rows for folders."""
    rows = [*parse(wheel_rows.decode("utf-8", "surrogateescape")), *own_rows]
    rows.sort(key=lambda row: row.path.encode("utf-8", "surrogateescape"))
    return render(rows).encode("utf-8", "surrogateescape")


def row_of(path: str, content: bytes) -> Row:
    """Return the row that records `content` at `path`."""
    return Row(path, hash_value(digests.binary(content)), str(len(content)))


def hash_value(digest_of_file: bytes) -> str:
    """Return a SHA-256 digest in the form of a RECORD field."""
    return f"sha256={_encoded(digest_of_file)}"


def hexadecimal(content: bytes) -> str:
    """Return the SHA-256 digest of a RECORD in hexadecimal digits."""
    return digests.hexadecimal(content)


def proves(row: Row) -> bool:
    """Tell whether the hash of a row proves the content of its file: SHA-256 or longer, as the format demands."""
    return row.hash_value.partition("=")[0] in _LENGTHS


def may_match(row: Row, size_bytes: int) -> bool:
    """Tell whether a file of this size may have the hash of `row`, as far as one can tell without reading it.

    False if the row proves nothing, or if its size or the form of its hash is wrong.
    """
    _, hash_value, size = row
    algorithm, _, digest = hash_value.partition("=")
    digest = digest.rstrip("=")
    if len(digest) != _LENGTHS.get(algorithm) or size != str(size_bytes):
        return False
    return digest.isascii() and digest.replace("-", "").replace("_", "").isalnum()


def matches(row: Row, path: str, known: bytes | None = None) -> bool:
    """Tell whether the file at `path` has the hash of `row`. Read the file unless its SHA-256 digest is `known`.

    A row without a hash, or with an algorithm that this Python lacks, matches any file. A missing file never
    matches.
    """
    algorithm, _, expected = row.hash_value.partition("=")
    if not expected or not _is_known(algorithm):
        return os.path.exists(path)
    try:
        found = known if algorithm == "sha256" else None
        found = found or digest(path, algorithm, likely_bytes=_small(row.size))
    except (OSError, ValueError):  # ValueError: a path that no file can have, so the file is missing
        return False
    return _encoded(found) == expected.rstrip("=")


def _is_known(algorithm: str) -> bool:
    """Tell whether this Python has `algorithm`, and its digests have a fixed length; those of SHAKE do not."""
    if algorithm == "sha256":
        return True
    import hashlib

    try:
        return algorithm in hashlib.algorithms_available and hashlib.new(algorithm).digest_size > 0
    except ValueError:  # OpenSSL lists algorithms that it may refuse to compute
        return False


def _small(size: str) -> int:
    """Return the size in a row, 0 if there is none, or if it is large."""
    return int(size) if len(size) < 8 and size.isdecimal() else 0


def digest(path: str, algorithm: str, *, likely_bytes: int = 0) -> bytes:
    """Return the digest of the regular file at `path`. A link is followed. Raises OSError if it can't be read.

    A small file of exactly `likely_bytes` bytes is read by one system call.
    """
    import hashlib

    found = hashlib.sha256() if algorithm == "sha256" else hashlib.new(algorithm)
    descriptor = files.open_regular(path, follows=True)
    at_once = likely_bytes + 1 if 0 < likely_bytes < _BLOCK_BYTES else _BLOCK_BYTES
    try:
        while block := os.read(descriptor, at_once):
            found.update(block)
            if len(block) == likely_bytes < at_once:
                break  # a longer file would have filled the buffer
            at_once = _BLOCK_BYTES
    finally:
        os.close(descriptor)
    return found.digest()


def made_by_installer(dist_info: str) -> set[str]:
    """Return the paths in a `.dist-info` folder that an installer writes anew in each environment."""
    return {f"{dist_info}/{name}" for name in MADE_BY_INSTALLER}


def own_metadata(dist_info: str) -> set[str]:
    """Return the paths of RECORD, and of all files that an installer may write, in a `.dist-info` folder."""
    return {f"{dist_info}/{name}" for name in (*OWN_METADATA, "RECORD")}


def _encoded(found: bytes) -> str:
    """Return a digest as RECORD writes it: URL-safe Base64 without padding (PEP 376)."""
    from binascii import b2a_base64  # few commands compare hashes, and this loads a library

    return b2a_base64(found, newline=False).rstrip(b"=").translate(_URL_SAFE).decode("ascii")


def _quote(field: str) -> str:
    if "," in field or '"' in field or "\n" in field or "\r" in field:
        return '"' + field.replace('"', '""') + '"'
    return field
