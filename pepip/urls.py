"""URLs of local paths, and URLs without passwords, which other people may read."""

from __future__ import annotations

import os
import sys

from pepip.paths import slashed

_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/-._~!$&'()*+,;=:@[]^|")
"""The bytes of a path that uv leaves as they are."""


def of_path(path: str) -> str:
    """Return the URL that uv writes for an absolute path. Source: the path percent-encode set of the URL Standard."""
    content = os.fsencode(slashed(path))
    text = "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in content)
    if sys.platform == "win32" and text.startswith("//"):  # a network share: its machine is the host of the URL
        return f"file:{text}"
    return f"file://{'' if text.startswith('/') else '/'}{text}"


def without_credentials(url: str) -> str:
    """Return a URL, or a requirement that names one, without user and password. A plain user `git@` is kept."""
    import re

    return re.sub(r"://(?!git@[^/?#\s@]*(?:[/?#\s]|$))[^/?#\s]*@", "://", url)
