"""URLs that other people may read: in messages, in the store, in what is copied."""

from __future__ import annotations


def without_password(url: str) -> str:
    """Return a URL, or a requirement that names one, without its user and password: others may read where it goes."""
    import re

    return re.sub(r"://(?!git@[^/?#\s@]*(?:[/?#\s]|$))[^/?#\s]*@", "://", url)
