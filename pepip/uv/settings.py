"""What uv's settings files mention. pepip asks only whether a setting might matter; uv alone says what it means.

Source: uv's documentation of configuration files.
"""

from __future__ import annotations

import os
import sys

from pepip.paths import upward

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


def mention(setting: str) -> bool:
    """Tell whether a settings file that uv may read from here names `setting`."""
    return any(setting.encode() in content(path) for path in _files())


def values(setting: str) -> Iterator[Any]:
    """Yield the values that settings files give `setting`, for uv or its pip interface. None if one can't be read."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    for path in _files():
        text = content(path)
        if setting.encode() not in text:
            continue
        try:
            document = tomllib.loads(text.decode())
            table = document.get("tool", {}).get("uv", {}) if path.endswith("pyproject.toml") else document
            tables = [table, table.get("pip", {})]
        except (ValueError, AttributeError):
            yield None
            continue
        yield from (table[setting] for table in tables if setting in table)


def is_on(variable: str) -> bool:
    """Tell whether an environment variable says yes, in the words that uv takes for it."""
    return os.environ.get(variable, "").lower() in {"1", "true", "t", "yes", "y", "on"}


def content(path: str) -> bytes:
    """Return what a file holds, nothing if it can't be read."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def start_folder() -> str:
    """Return the folder from which on uv looks upward for a project and its settings."""
    return os.path.abspath(os.environ.get("UV_PROJECT") or os.curdir)


def project_folder() -> str:
    """Return the folder of the nearest `pyproject.toml` from there upward, empty if there is none."""
    return next((folder for folder in upward(start_folder()) if os.path.isfile(f"{folder}/pyproject.toml")), "")


def _files() -> Iterator[str]:
    """Yield the places where uv looks: from the project's folder upward, the user's, the system's, the named one."""
    for folder in upward(start_folder()):
        yield f"{folder}/uv.toml"
        yield f"{folder}/pyproject.toml"
    yield f"{os.environ.get('XDG_CONFIG_HOME') or os.path.expanduser('~/.config')}/uv/uv.toml"
    yield "/etc/uv/uv.toml"
    if os.environ.get("UV_CONFIG_FILE"):
        yield os.environ["UV_CONFIG_FILE"]
