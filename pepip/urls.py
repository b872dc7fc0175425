"""Removes passwords from URLs before other people may read them: in messages, in the store, in copied text."""

from __future__ import annotations


def without_password(url: str) -> str:
    """Return a URL, or a requirement that names one, without user and password. A plain user `git@` is kept."""
    import re

    return re.sub(r"://(?!git@[^/?#\s@]*(?:[/?#\s]|$))[^/?#\s]*@", "://", url)
