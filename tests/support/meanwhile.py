"""Lets another process change a folder after the folder was listed, and before its files are read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


class _Listing:
    """The result of `os.scandir`, read to its end."""

    def __init__(self, children: Iterator[os.DirEntry[str]]) -> None:
        self._children = children

    def __iter__(self) -> Iterator[os.DirEntry[str]]:
        return self._children

    def __next__(self) -> os.DirEntry[str]:
        return next(self._children)

    def __enter__(self) -> _Listing:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def close(self) -> None:
        """Do nothing: the folder is closed already."""


def after_listing(patch: pytest.MonkeyPatch, folder: Path, act: Callable[[], object]) -> None:
    """Let `act` run each time when `os.scandir`, `os.walk` or `os.listdir` has listed a folder."""
    scandir, listdir = os.scandir, os.listdir

    def scan(path: str | int = ".") -> object:
        if path != os.fspath(folder):
            return scandir(path)
        with scandir(path) as children:
            found = list(children)
        act()
        return _Listing(iter(found))

    def names(path: str | int = ".") -> list[str]:
        found = listdir(path)
        if path == os.fspath(folder):
            act()
        return found

    patch.setattr(os, "scandir", scan)
    patch.setattr(os, "listdir", names)
