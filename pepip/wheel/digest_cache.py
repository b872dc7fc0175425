"""Digests and run paths of files that were read before they are laid out in the store.

A file is recognized by device, inode, size and modification time, so all its hard links have the same digest.
"""

from __future__ import annotations

import os
import stat

from pepip.wheel import libraries, record


class DigestCache:
    """SHA-256 digests of files, and run paths of files with the name of a library."""

    def __init__(self) -> None:
        self._digests: dict[tuple[int, ...], bytes] = {}
        self._run_paths: dict[tuple[int, ...], list[str]] = {}

    def read(self, path: str) -> None:
        """Read the file at `path`, and keep its digest. Its content must not change any more. Raises OSError."""
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode):
            return
        identity = _identity(status)
        if libraries.is_library_name(path):
            self._run_paths[identity] = libraries.run_paths(path)
        self._digests[identity] = record.digest(path, "sha256", likely_bytes=status.st_size)

    def digest(self, status: os.stat_result | None) -> bytes | None:
        """Return the digest of the file with this status, None if the file was not read."""
        return self._digests.get(_identity(status)) if status else None

    def forget(self, status: os.stat_result) -> None:
        """Forget the file with this status, for example because a later file got the same inode, size and time."""
        self._digests.pop(_identity(status), None)
        self._run_paths.pop(_identity(status), None)

    def run_paths(self, path: str, status: os.stat_result) -> list[str]:
        """Return the run paths of the library at `path` with this status. Read the file if they are not known."""
        known = self._run_paths.get(_identity(status))
        return libraries.run_paths(path) if known is None else known


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
