"""A network between the index and the tools: all connections together carry so many bytes a second, and no more."""

from __future__ import annotations

import threading
import time


class Network:
    """A line that all connections share."""

    def __init__(self, bytes_per_second: float) -> None:
        self._bytes_per_second = bytes_per_second
        self._lock = threading.Lock()
        self._free_at = 0.0

    def carry(self, size: int) -> None:
        """Wait until the line has carried `size` more bytes, after those of other connections."""
        with self._lock:
            now = time.monotonic()
            self._free_at = max(now, self._free_at) + size / self._bytes_per_second
            wait = self._free_at - now
        time.sleep(wait)
