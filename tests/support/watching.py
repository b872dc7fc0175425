"""Watches trees for writes by inotify: the kernel tells of each file that is made, changed, renamed or removed."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_MODIFY, _ATTRIBUTES, _CLOSE_WRITE = 0x2, 0x4, 0x8
_MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x40, 0x80, 0x100, 0x200
_WRITES = _MODIFY | _ATTRIBUTES | _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE
_NON_BLOCKING = 0x800
_HEAD = struct.Struct("iIII")


class Watch:
    """The writes below a tree since the watch began."""

    def __init__(self, tree: Path) -> None:
        if sys.platform != "linux":
            pytest.skip("inotify is Linux's")
        library = ctypes.CDLL(None, use_errno=True)
        self.descriptor = library.inotify_init1(_NON_BLOCKING)
        self._folders: dict[int, str] = {}
        for folder, _, _ in os.walk(tree):
            number = library.inotify_add_watch(self.descriptor, os.fsencode(folder), _WRITES)
            if number < 0:
                pytest.skip(f"inotify can't watch: {os.strerror(ctypes.get_errno())}")
            self._folders[number] = folder

    def writes(self) -> list[str]:
        """Return the paths that were written, made, changed in mode or removed, each as often as that was told."""
        found = []
        while True:
            try:
                content = os.read(self.descriptor, 1 << 20)
            except BlockingIOError:
                return found
            while content:
                number, _, _, length = _HEAD.unpack_from(content)
                name = content[_HEAD.size : _HEAD.size + length].rstrip(b"\0")
                found.append(f"{self._folders.get(number, '?')}/{os.fsdecode(name)}")
                content = content[_HEAD.size + length :]


@contextmanager
def watched(tree: Path) -> Iterator[Watch]:
    """Watch all folders that are in a tree now."""
    watch = Watch(tree)
    try:
        yield watch
    finally:
        os.close(watch.descriptor)
