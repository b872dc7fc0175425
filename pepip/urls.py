"""URLs of local paths, and URLs without passwords, which other people may read."""

from __future__ import annotations

import os

_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/-._~!$&'()*+,;=:@[]^|")
"""The bytes of a path that uv leaves as they are."""


def of_path(path: str) -> str:
    """Return the URL that uv writes for an absolute path. Source: the path percent-encode set of the URL Standard."""
    content = os.fsencode(path)
    text = "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in content)
    return f"file://{'' if text.startswith('/') else '/'}{text}"


def without_password(url: str) -> str:
    """Return a URL, or a requirement that names one, without user and password. A plain user `git@` is kept."""
    import re

    return re.sub(r"://(?!git@[^/?#\s@]*(?:[/?#\s]|$))[^/?#\s]*@", "://", url)
