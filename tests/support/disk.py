"""Measures the disk usage of trees: allocated bytes and inodes. An inode with several names is counted once.

Nothing is written. Symbolic links are counted as themselves and never followed. Only the standard library is used,
so that `eval/` can measure by the same rules.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

BLOCK_BYTES = 512
"""The unit of `st_blocks`, whatever the block size of the file system."""


@dataclass(frozen=True)
class Usage:
    """Space that is allocated on disk."""

    allocated_bytes: int
    inodes: int

    def __add__(self, other: Usage) -> Usage:
        """Return the sum of two usages that have no inode in common."""
        return Usage(self.allocated_bytes + other.allocated_bytes, self.inodes + other.inodes)


@dataclass(frozen=True)
class TreeUsage:
    """The usage that one tree adds to the trees before it."""

    tree: Path
    added: Usage


def usage(trees: Sequence[Path]) -> Usage:
    """Return the usage of all `trees` together."""
    total = Usage(0, 0)
    for part in split_usage(trees):
        total += part.added
    return total


def split_usage(trees: Sequence[Path]) -> list[TreeUsage]:
    """Return, in order, the usage that each tree adds. An inode belongs to the first tree that has it.

    Missing trees add nothing.
    """
    counted: set[tuple[int, int]] = set()
    parts: list[TreeUsage] = []
    for tree in trees:
        allocated_bytes = inodes = 0
        for status in _statuses(tree):
            identity = (status.st_dev, status.st_ino)
            if identity not in counted:
                counted.add(identity)
                allocated_bytes += status.st_blocks * BLOCK_BYTES
                inodes += 1
        parts.append(TreeUsage(tree, Usage(allocated_bytes, inodes)))
    return parts


def comparison(columns: dict[str, list[TreeUsage]]) -> str:
    """Return a table that compares ways to hold the same projects. Each way has a row per tree, and a total."""
    lines = []
    for title, parts in columns.items():
        total = Usage(0, 0)
        lines.append(f"{title}:")
        for part in parts:
            total += part.added
            lines.append(f"  {part.tree.name:<24}{_row(part.added)}")
        lines.append(f"  {'together':<24}{_row(total)}")
    return "\n".join(lines)


def _row(measured: Usage) -> str:
    return f"{measured.allocated_bytes / 1e6:>12.2f} MB {measured.inodes:>9} inodes"


def _statuses(tree: Path) -> Iterator[os.stat_result]:
    try:
        yield os.lstat(tree)
    except FileNotFoundError:
        return
    folders = [os.fspath(tree)] if tree.is_dir() and not tree.is_symlink() else []
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                yield entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
