"""The permissions of files in an environment: those that an installer gives, and a note of those that differ.

A link shows the mode and the attributes of the entry's file. When own files replace the links of an environment, each
file gets the mode in the note, or else the mode that an installer gives, and the attributes in the note.
"""

from __future__ import annotations

import base64
import json
import os
import stat

from pepip.fast_namedtuple import NamedTuple
from pepip.host import attributes, files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

NOTE = "pepip-modes.json"
"""The name of the note, in a `.dist-info` folder."""

_MOST_BYTES = 1 << 26


class Note(NamedTuple):
    """Modes and attributes (see `host.attributes`) of files and folders, by path relative to the environment."""

    modes: dict[str, int]
    attributes: dict[str, dict[str, bytes]]


def usual(folder: str) -> tuple[int, int, int]:
    """Return the modes that an installer gives to a file, a program and a folder inside `folder`.

    These modes follow from the mode of `folder`, which shows the umask under which the environment was made. A folder
    with the set-group-ID bit passes this bit on.
    """
    mode = stat.S_IMODE(os.stat(folder).st_mode)
    allowed = mode & 0o777
    return 0o666 & allowed | 0o600, 0o777 & allowed | 0o700, allowed | 0o700 | mode & stat.S_ISGID


def unusual(modes: Mapping[str, int], folder: str) -> dict[str, int]:
    """Return the items of `modes`, by path, that differ from the modes that an installer gives in `folder`."""
    plain, program, with_group = usual(folder)

    def expected(mode: int) -> int:
        return with_group if mode & stat.S_ISGID else program if mode & stat.S_IXUSR else plain

    return {path: mode for path, mode in modes.items() if mode != expected(mode)}


def dump(note: Note) -> bytes:
    """Return the text of a note: for each path its mode, or an object of `mode` (null if usual) and `attributes`."""
    rows: dict[str, object] = dict(note.modes)
    for path, found in note.attributes.items():
        texts = {name: base64.b64encode(value).decode() for name, value in found.items()}
        rows[path] = {"mode": note.modes.get(path), "attributes": texts}
    return json.dumps(rows, separators=(",", ":")).encode()


def noted(dist_info: str) -> Note:
    """Return the note of a `.dist-info` folder. Without a readable note the result is empty.

    The note may come with another person's checkout. So access lists that let other users write are left out, and
    the caller must not set a file's set-user-ID bit from it.
    """
    found = Note({}, {})
    try:
        rows = files.load_json(files.read_regular(f"{dist_info}/{NOTE}", most_bytes=_MOST_BYTES))
    except (OSError, ValueError):
        return found
    for path, row in rows.items() if isinstance(rows, dict) else ():
        mode = row.get("mode") if isinstance(row, dict) else row
        if type(mode) is int and mode >= 0:  # `true` is an int, too
            found.modes[path] = mode
        if isinstance(row, dict) and isinstance(row.get("attributes"), dict):
            found.attributes[path] = _attributes(row["attributes"])
    return found


def _attributes(texts: Mapping[object, object]) -> dict[str, bytes]:
    found = {}
    for name, text in texts.items():
        if isinstance(name, str) and isinstance(text, str) and attributes.is_of_user(name):
            try:
                value = base64.b64decode(text, validate=True)
            except ValueError:
                continue
            if not attributes.lets_others_write(name, value):
                found[name] = value
    return found
