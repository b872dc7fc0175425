"""URLs in places that other people may read: in messages, in the store, in copied text."""

from __future__ import annotations


def without_password(url: str) -> str:
    """Return a URL, or a requirement that names one, without user and password, since others may read the result."""
    import re

    return re.sub(r"://(?!git@[^/?#\s@]*(?:[/?#\s]|$))[^/?#\s]*@", "://", url)
