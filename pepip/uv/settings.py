"""What uv's settings files mention. pepip asks only whether a setting might matter; uv alone says what it means.

Source: uv's documentation of configuration files.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def mention(setting: str) -> bool:
    """Tell whether a settings file that uv may read from here names `setting`."""
    return any(setting.encode() in content(path) for path in _files())


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


def _files() -> Iterator[str]:
    """Yield the places where uv looks: from the project's folder upward, the user's, the system's, the named one."""
    current = os.path.abspath(os.environ.get("UV_PROJECT") or os.curdir)
    while True:
        yield f"{current}/uv.toml"
        yield f"{current}/pyproject.toml"
        parent = os.path.dirname(current)
        if parent == current:
            break
        current = parent
    yield f"{os.environ.get('XDG_CONFIG_HOME') or os.path.expanduser('~/.config')}/uv/uv.toml"
    yield "/etc/uv/uv.toml"
    if os.environ.get("UV_CONFIG_FILE"):
        yield os.environ["UV_CONFIG_FILE"]
