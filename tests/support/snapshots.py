"""Snapshots of trees, to assert that a tree is unchanged, or that two trees have the same shape.

A snapshot has kinds, permission bits, sizes, bytes and link targets. It has no times and no link counts, because they
may change in an unchanged tree. It includes `__pycache__` folders, but not their contents.
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
    """The target of a symbolic link. Empty for all but links."""

    def __str__(self) -> str:
        """Return the node in a few words."""
        if self.kind == "link":
            return f"link to {self.target}"
        if self.kind == "file":
            return f"file of {self.size_bytes} bytes, mode {self.mode:o}, sha256 {self.sha256[:12]}"
        return f"{self.kind}, mode {self.mode:o}"


Snapshot = Mapping[str, Node]
"""Nodes by path relative to the root of the tree. The root itself is `.`."""


def snapshot(tree: Path) -> dict[str, Node]:
    """Return the snapshot of `tree`. No link is followed. A missing tree has no node."""
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
    """Return a line for each path that was added, removed or changed."""
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
    """Return the inode and the modification time in nanoseconds of each path in `tree`.

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
    """Return the kind of each path of an environment: a folder, a link with its target, or a file.

    Hard links to another tree count as files. `__pycache__`, `.lock` and pepip's own notes are left out.
    """
    return {
        path: f"link to {node.target}" if node.kind == "link" else node.kind
        for path, node in snapshot(environment).items()
        if "__pycache__" not in path.split("/") and path not in {".lock", ".pepip-id", ".pepip-linked.json"}
    }


def sha256_of(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file. Links are followed."""
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
