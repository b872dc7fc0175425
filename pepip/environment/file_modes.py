"""The permissions of files in an environment: the modes that an installer gives, and a note of modes that differ.

A link shows the mode of the entry's file. When own files replace the links of an environment, each file gets the mode
in the note, or else the mode that an installer gives.
"""

from __future__ import annotations

import json
import os
import stat

from pepip.host import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

NOTE = "pepip-modes.json"
"""The name of the note, in a `.dist-info` folder."""

_MOST_BYTES = 1 << 26


def usual(folder: str) -> tuple[int, int, int]:
    """Return the modes that an installer gives to a file, a program and a folder inside `folder`.

    These modes follow from the mode of `folder`, which shows the umask under which the environment was made.
    """
    allowed = stat.S_IMODE(os.stat(folder).st_mode) & 0o777
    return 0o666 & allowed | 0o600, 0o777 & allowed | 0o700, allowed | 0o700


def unusual(modes: Mapping[str, int], folder: str) -> dict[str, int]:
    """Return the items of `modes`, by path, that differ from the modes that an installer gives in `folder`."""
    plain, program, _ = usual(folder)
    return {path: mode for path, mode in modes.items() if mode != (program if mode & stat.S_IXUSR else plain)}


def dump(modes: Mapping[str, int]) -> bytes:
    """Return the text of a note."""
    return json.dumps(modes, separators=(",", ":")).encode()


def noted(dist_info: str) -> dict[str, int]:
    """Return the modes in the note of a `.dist-info` folder, by path. Without a readable note the result is empty."""
    try:
        rows = files.load_json(files.read_regular(f"{dist_info}/{NOTE}", most_bytes=_MOST_BYTES))
    except (OSError, ValueError):
        return {}
    pairs = rows.items() if isinstance(rows, dict) else ()
    return {path: mode & 0o777 | 0o600 for path, mode in pairs if isinstance(mode, int)}
