"""The document of an entry: a JSON file beside the wheel's own files, written once when the entry is stored.

Fields that older pepips did not write have defaults. A document of an unknown format is refused. An entry whose
format is newer than `FORMAT` is no damage: this pepip neither checks nor replaces it, and stores the wheel beside it.
"""

from __future__ import annotations

import json

from pepip import paths
from pepip.fast_namedtuple import NamedTuple
from pepip.host import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from typing import Any

FORMAT = 2
_READABLE = (1, 2)
_MOST_BYTES = 1 << 27  # enough for a wheel with a million files


class Document(NamedTuple):
    """The document of an entry. Paths are relative to the entry. `model.Entry` describes the fields for linking.

    `origin` tells people which file or URL the entry was made from. `package` is the lock's table with which uv
    stages the same wheel again. It is empty in format 1, where the line `requirement` serves that purpose. `tag` is
    the tag of the wheel. `record` is the SHA-256 of RECORD in hexadecimal digits. `digests` has a RECORD hash for
    each file that RECORD does not prove. If files were not read when the entry was stored, `unread_until_ns` is their
    newest modification time, otherwise 0. `absent` are rows of RECORD without a file, `unlisted` files without a row,
    `empty` folders without a file. With `modes_are_uvs`, files may share their inode, and so their mode, with uv's
    cache. With `record_is_shared`, environments may share one RECORD. `stored_at` is in seconds since 1970,
    `size_bytes` in bytes on disk.
    """

    name: str
    version: str
    identity: str
    origin: str
    package: dict[str, Any]
    tag: str
    dist_info: str
    directories: tuple[str, ...]
    files: tuple[str, ...]
    opened: tuple[str, ...]
    namespaces: tuple[str, ...]
    bytecode: tuple[str, ...]
    compiled: tuple[str, ...]
    executables: tuple[str, ...]
    data: tuple[tuple[str, str], ...]
    launchers: dict[str, str]
    metadata: dict[str, str]
    record: str
    digests: dict[str, str]
    absent: tuple[str, ...]
    unlisted: tuple[str, ...]
    empty: tuple[str, ...]
    record_is_shared: bool
    modes_are_uvs: bool
    size_bytes: int
    file_count: int
    stored_at: int
    requirement: str = ""
    unread_until_ns: int = 0
    format: int = FORMAT


class NewerFormatError(ValueError):
    """A newer pepip wrote the document of an entry."""


def dump(document: Document) -> str:
    """Return the text of a document."""
    return json.dumps(document._asdict(), separators=(",", ":"))


def read(entry: str) -> Document:
    """Return the document of the entry at this path, which another user may have made.

    Raises OSError if it can't be read, ValueError with a message for people if it is not valid.
    """
    return read_with_status(entry)[0]


def is_of_newer_format(entry: str) -> bool:
    """Tell whether a newer pepip stored the entry at this path."""
    try:
        read(entry)
    except NewerFormatError:
        return True
    except (OSError, ValueError):
        pass
    return False


def read_with_status(entry: str) -> tuple[Document, os.stat_result]:
    """Return the document as `read` does, and the status of its file from before it was read."""
    content, status = files.read_with_status(place_of(entry), most_bytes=_MOST_BYTES)
    return load(content), status


def load(content: bytes) -> Document:
    """Parse the content of a document. Raises ValueError with a message for people if it is not valid."""
    fields = files.load_json(content)
    if not isinstance(fields, dict) or fields.get("format") not in _READABLE:
        found = fields.get("format") if isinstance(fields, dict) else None
        kind = NewerFormatError if isinstance(found, int) and found > FORMAT else ValueError
        raise kind(f"its format is {found}, this pepip reads {' and '.join(map(str, _READABLE))}")
    texts = [_text(fields, key) for key in ("name", "version", "identity", "dist_info")]
    lists = {key: _paths(fields, key) for key in _PATHS}
    executables = _paths(fields, "executables", default=())
    return Document(
        name=texts[0],
        version=texts[1],
        identity=texts[2],
        origin=_text(fields, "origin", default=""),
        package=_table(fields, "package"),
        tag=_text(fields, "tag", default=""),
        dist_info=_inside(texts[3]),
        directories=lists["directories"],
        files=lists["files"],
        opened=lists["opened"],
        namespaces=lists["namespaces"],
        bytecode=lists["bytecode"],
        compiled=_paths(fields, "compiled", default=()),
        executables=executables,
        data=_data(fields),
        launchers=_plain_files(fields, "launchers"),
        metadata=_plain_files(fields, "metadata"),
        record=_text(fields, "record", default=""),
        digests={_inside(path): str(digest) for path, digest in _table(fields, "digests").items()},
        unread_until_ns=_number(fields, "unread_until_ns", default=0),
        absent=_texts(fields, "absent"),
        unlisted=_paths(fields, "unlisted", default=()),
        empty=_paths(fields, "empty", default=()),
        record_is_shared=bool(fields.get("record_is_shared")),
        modes_are_uvs=bool(fields.get("modes_are_uvs", True)),
        size_bytes=_number(fields, "size_bytes"),
        file_count=_number(fields, "file_count"),
        stored_at=_number(fields, "stored_at"),
        requirement=_text(fields, "requirement", default=""),
        format=fields["format"],
    )


_PATHS = ("directories", "files", "opened", "namespaces", "bytecode")
SCHEMES = frozenset(("scripts", "data", "headers", "purelib", "platlib"))
_LATEST = 1 << 62


def _text(fields: dict[str, Any], key: str, *, default: str | None = None) -> str:
    value = fields.get(key, default)
    if not isinstance(value, str):
        raise ValueError(f"its {key} is not a string")
    return value


def _number(fields: dict[str, Any], key: str, *, default: int | None = None) -> int:
    value = fields.get(key, default)
    if not isinstance(value, int) or not 0 <= value <= _LATEST:
        raise ValueError(f"its {key} is no valid number")
    return value


def _table(fields: dict[str, Any], key: str) -> dict[str, Any]:
    value = fields.get(key, {})
    if not isinstance(value, dict):
        raise ValueError(f"its {key} is not an object")
    return value


def _texts(fields: dict[str, Any], key: str) -> tuple[str, ...]:
    value = fields.get(key, [])
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise ValueError(f"its {key} is not a list of strings")
    return tuple(value)


def _paths(fields: dict[str, Any], key: str, *, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
    value = fields.get(key, default)
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"its {key} is no list")
    try:
        text = "\n/".join(["", *value])
    except TypeError as error:
        raise ValueError(f"its {key} is not a list of strings") from error
    # Most lists hold plain paths only. This fast check matters: an install runs it a hundred times.
    if ".." in text or "\0" in text or "//" in text or "/\n" in text or text.endswith("/"):
        return tuple(map(_inside, value))
    return tuple(value)


def _inside(path: object) -> str:
    """Return a path if it stays inside the entry. Raises ValueError for any other."""
    if not isinstance(path, str) or not path or path[0] == "/" or "\0" in path:
        raise ValueError(f"{path!r} is no path in an entry")
    if ".." in path and ".." in path.split("/"):
        raise ValueError(f"{path!r} leads out of the entry")
    return path


def _data(fields: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    rows = fields.get("data", ())
    if not isinstance(rows, list) or not all(isinstance(row, list) and len(row) == 2 for row in rows):
        raise ValueError("its data is no list of pairs")
    if not all(isinstance(scheme, str) and scheme in SCHEMES for scheme, _ in rows):
        raise ValueError("its data names an unknown scheme")
    return tuple((scheme, _inside(path)) for scheme, path in rows)


def _plain_files(fields: dict[str, Any], key: str) -> dict[str, str]:
    """Return texts by file name. Raises ValueError if a name is not one plain file name, or a text is no string."""
    found = _table(fields, key)
    for name, text in found.items():
        if not name or name in {".", ".."} or set(name) & {"/", "\\", "\0"} or not isinstance(text, str):
            raise ValueError(f"in its {key}, {name!r} is no plain file name, or has no text")
    return found


def place_of(entry: str) -> str:
    """Return the path of the document of the entry at this path."""
    return f"{entry}/{paths.ENTRY_METADATA}"
