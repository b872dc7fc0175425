"""Snapshots of trees, to assert that nothing in them changed, and that two have the same shape.

A snapshot knows kinds, permission bits, sizes, bytes and link targets. It knows no times and no link counts,
which an unchanged tree may change. What lies in `__pycache__` folders is left out; the folders themselves are
not.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Node:
    """One path of a tree."""

    kind: str
    """`file`, `directory`, `link` or `other`."""
    mode: int
    size_bytes: int
    """0 for all but files."""
    sha256: str
    """Empty for all but files."""
    target: str
    """The text of a symbolic link, empty for all else."""

    def __str__(self) -> str:
        """Return the node in a few words."""
        if self.kind == "link":
            return f"link to {self.target}"
        if self.kind == "file":
            return f"file of {self.size_bytes} bytes, mode {self.mode:o}, sha256 {self.sha256[:12]}"
        return f"{self.kind}, mode {self.mode:o}"


Snapshot = Mapping[str, Node]
"""Nodes by path from the root of the tree; the root itself is `.`."""


def snapshot(tree: Path) -> dict[str, Node]:
    """Return all of `tree`, following no link. A missing tree has no node."""
    if not os.path.lexists(tree):
        return {}
    nodes = {".": _node(tree)}
    for folder, folders, names in os.walk(tree):
        for name in [*folders, *names]:
            path = Path(folder, name)
            nodes[path.relative_to(tree).as_posix()] = _node(path)
        if Path(folder).name == "__pycache__":
            for name in [*folders, *names]:
                del nodes[Path(folder, name).relative_to(tree).as_posix()]
            folders.clear()
    return nodes


def changes(before: Snapshot, after: Snapshot) -> list[str]:
    """Return a line for each path that was added, removed or changed; nothing where the snapshots are
    equal.
    """
    lines = []
    for path in sorted(before.keys() | after.keys()):
        if path not in after:
            lines.append(f"removed: {path} ({before[path]})")
        elif path not in before:
            lines.append(f"added: {path} ({after[path]})")
        elif before[path] != after[path]:
            lines.append(f"changed: {path} (from {before[path]} to {after[path]})")
    return lines


def stamps(tree: Path) -> dict[str, tuple[int, int]]:
    """Return which inode each path of `tree` is and when it was last written, in nanoseconds.

    Contents of `__pycache__` are left out as in a snapshot.
    """
    statuses = {}
    for folder, folders, names in os.walk(tree):
        if Path(folder).name == "__pycache__":
            folders.clear()
        else:
            statuses.update({path: os.lstat(path) for path in (f"{folder}/{name}" for name in [*folders, *names])})
    return {path: (status.st_ino, status.st_mtime_ns) for path, status in statuses.items()}


def link_shape(environment: Path) -> dict[str, str]:
    """Return how each path of an environment is held: a folder, a link and its target, or a file.

    Hard links to another tree count as files. `__pycache__` and what uv's lock leaves are left out.
    """
    return {
        path: f"link to {node.target}" if node.kind == "link" else node.kind
        for path, node in snapshot(environment).items()
        if "__pycache__" not in path.split("/") and path not in {".lock", ".pepip-id", ".pepip-linked.json"}
    }


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, links followed, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _node(path: Path) -> Node:
    status = os.lstat(path)
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        return Node("link", 0, 0, "", os.readlink(path))
    if stat.S_ISDIR(status.st_mode):
        return Node("directory", mode, 0, "", "")
    if stat.S_ISREG(status.st_mode):
        return Node("file", mode, status.st_size, sha256_of(path), "")
    return Node("other", mode, 0, "", "")
