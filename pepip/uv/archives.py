"""Tells which unpacked wheels uv has put into its cache since a certain moment.

uv unpacks each wheel into a folder of its own, with a name that it never uses again, and moves that folder into its
cache whole. So a folder whose name was not there before is new, whatever its times say.
"""

from __future__ import annotations

import os

_BUCKET = "archive-v"


class Archives:
    """The unpacked wheels that lie in uv's `cache` when this object is made."""

    def __init__(self, cache: str) -> None:
        self._cache = cache
        self._before: set[str] | None = set()
        try:
            buckets = [name for name in os.listdir(cache) if name.startswith(_BUCKET)] if cache else []
            for bucket in buckets:
                self._before.update(os.listdir(f"{cache}/{bucket}"))
        except FileNotFoundError:
            pass  # uv makes its cache when it first needs it
        except OSError:
            self._before = None  # the content of the cache can't be known

    def are_without(self, wheel: str) -> bool:
        """Tell whether the unpacked wheel at this path came into the cache later. False if that can't be known."""
        bucket, _, name = wheel.rpartition("/")
        cache, _, kind = bucket.rpartition("/")
        if not self._cache or self._before is None or not kind.startswith(_BUCKET) or name in self._before:
            return False
        try:
            return os.path.samefile(cache, self._cache)
        except OSError:
            return False
