"""Searches uv's settings files for settings that may matter to pepip. Only uv interprets them.

A script with inline metadata may have settings of its own. They count after a call of `include_script`.
Source: uv's documentation of configuration files and of scripts; PEP 723.
"""

from __future__ import annotations

import itertools
import os

from pepip.host import files
from pepip.paths import absolute, upward, uv_settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


_read: dict[str, tuple[tuple[int, int, int], bytes]] = {}
_scripts: list[str] = []


def include_script(path: str) -> None:
    """Let the settings in the inline metadata of the script at this absolute path count from now on."""
    if path not in _scripts:
        _scripts.append(path)
        _read.pop(path, None)


def may_mention(*settings: str) -> bool:
    """Tell whether a settings file that uv may read from here names one of `settings`."""
    return any(setting.encode() in text for text in map(content, places()) if text for setting in settings)


def values(*settings: str) -> Iterator[Any]:
    """Yield the values of `settings` in settings files, for uv or its pip interface; None if a file is invalid."""
    for path in places():
        text = content(path)
        if not (any(_has_word(text, setting.encode()) for setting in settings) and _may_have_table(path, text)):
            continue  # most files end here, and need no parser
        from pepip import toml

        try:
            document = toml.loads(text.decode())
            is_inside = path.endswith("pyproject.toml") or path in _scripts
            table = document.get("tool", {}).get("uv", {}) if is_inside else document
            tables = [table, table.get("pip", {})]
        except (ValueError, AttributeError, RecursionError):
            yield None
            continue
        for table in tables:
            if not isinstance(table, dict):
                yield None
            else:
                yield from (table[setting] for setting in settings if setting in table)


def is_on(variable: str) -> bool:
    """Tell whether an environment variable is set to one of the words that uv reads as true."""
    return os.environ.get(variable, "").lower() in {"1", "true", "t", "yes", "y", "on"}


def texts(*, with_projects: bool = True) -> list[str]:
    """Return the text of each settings file that uv may read from here, in the order in which uv looks for them.

    Without `with_projects`, each `pyproject.toml` that can't have a table for uv is left out.
    """
    found = [(path, text) for path, text in ((path, content(path)) for path in places()) if text]
    return [
        text.decode("utf-8", "surrogateescape")
        for path, text in found
        if with_projects or _may_have_table(path, text)
    ]


def _may_have_table(path: str, text: bytes) -> bool:
    """Tell whether a settings file may have settings of uv: a `pyproject.toml` needs a table for them.

    A backslash may be part of an escaped name of that table.
    """
    return not path.endswith("pyproject.toml") or _has_word(text, b"uv") or b"\\" in text


def _has_word(text: bytes, word: bytes) -> bool:
    """Tell whether a word stands alone in a TOML text, so that it is no part of a longer bare key."""
    if word not in text:
        return False
    parts = text.split(word)
    return any(not _ends_in_key(left) and not _ends_in_key(right[:1]) for left, right in itertools.pairwise(parts))


def _ends_in_key(text: bytes) -> bool:
    """Tell whether the last character may belong to a bare key. Source: TOML 1.0."""
    return text[-1:].isalnum() or text.endswith((b"_", b"-"))


def content(path: str) -> bytes:
    """Return the content of a file, or the metadata of an included script. Empty if it can't be read.

    An unchanged file is read only once.
    """
    try:
        status = os.stat(path)
        state = (status.st_mtime_ns, status.st_size, status.st_ino)
        if path in _read and _read[path][0] == state:
            return _read[path][1]
        text = files.read_regular(path, follows=True)
    except OSError:
        return b""
    if path in _scripts:
        text = _inline_metadata(text)
    _read[path] = (state, text)
    return text


def _inline_metadata(script: bytes) -> bytes:
    """Return the TOML in a script's block `# /// script`, empty if it has none."""
    lines = iter(script.splitlines())
    if not any(line == b"# /// script" for line in lines):
        return b""
    block = []
    for line in lines:
        if line == b"# ///" or line[:1] != b"#":
            break
        block.append(line[2:])
    return b"\n".join(block)


def start_folder() -> str:
    """Return the folder from which uv looks upward for a project and its settings."""
    return absolute(os.environ.get("UV_PROJECT") or os.curdir)


def project_folder() -> str:
    """Return the folder of the nearest `pyproject.toml`, from the start folder upward; empty if there is none."""
    return next((folder for folder in upward(start_folder()) if os.path.isfile(f"{folder}/pyproject.toml")), "")


def places() -> Iterator[str]:
    """Yield the places where uv looks for settings.

    In order: scripts, the start folder and the folders above it, the user's and the system's configuration, and the
    file that `UV_CONFIG_FILE` names.
    """
    yield from _scripts
    for folder in upward(start_folder()):
        yield f"{folder}/uv.toml"
        yield f"{folder}/pyproject.toml"
    for folder in uv_settings(os.environ):
        yield f"{folder}/uv.toml"
    if os.environ.get("UV_CONFIG_FILE"):
        yield os.environ["UV_CONFIG_FILE"]
