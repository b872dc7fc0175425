"""Merging the footprints of several entries into one plan.

A folder that two distributions share is a real folder, and within a package that they share every file is linked
by itself: code there may ask for its real path and must find its neighbours. The way Spack's views and GNU Stow
unfold a tree.
"""

from __future__ import annotations

import os

from pepip.model import Entry, Link, Plan
from pepip.paths import PYCACHE, ancestors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pepip.model import Interpreter


class _Share:
    """What one entry puts into the environment, unfolded step by step as others need the same folders."""

    __slots__ = ("bytecode", "directories", "entry", "files", "opened")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.directories = set(entry.directories)
        self.files = list(entry.files)
        self.opened = set(entry.opened)
        self.bytecode = set(entry.bytecode)

    def unfold(self, folder: str) -> list[str]:
        """Replace the link of `folder` by links of all files below it. Returns the folders that became real."""
        self.directories.discard(folder)
        below = [folder]
        for current in below:
            with os.scandir(f"{self.entry.path}/{current}") as children:
                for child in children:
                    path = f"{current}/{child.name}"
                    if child.name == PYCACHE:
                        self.bytecode.add(current)
                    elif child.is_dir(follow_symlinks=False):
                        below.append(path)
                    else:
                        self.files.append(path)
        self.opened.update(below)
        return below


def merge(entries: Iterable[Entry], interpreter: Interpreter, *, foreign_directories: Iterable[str] = ()) -> Plan:
    """Return the plan that links all `entries` into one environment.

    `foreign_directories` (relative to site-packages, with all their ancestors) hold files that are not links of
    ours: none of them is linked whole. Where two distributions have the same file, the last one by name wins, in
    every order of installs.
    """
    shares = [_Share(entry) for entry in sorted(entries, key=lambda entry: entry.name)]
    _unfold_shared(shares, set(foreign_directories))
    links: dict[str, Link] = {}
    directories: set[str] = set()
    site_packages = interpreter.site_packages
    foreign = set(foreign_directories)
    bytecode_owners: dict[str, list[_Share]] = {}
    for share in shares:
        entry = share.entry
        prefix = f"{site_packages}/"
        for path in share.directories:
            links[prefix + path] = Link(prefix + path, f"{entry.path}/{path}", True, entry.name)
        for path in share.files:
            links[prefix + path] = Link(prefix + path, f"{entry.path}/{path}", False, entry.name)
        directories.update(prefix + path for path in share.opened)
        for folder in share.bytecode:
            bytecode_owners.setdefault(folder, []).append(share)
        for scheme, path in entry.data:
            where = data_path(scheme, path, interpreter, entry.name)
            if scheme != "scripts":
                target = f"{entry.path}/{entry.data_directory}/{scheme}/{path}"
                links[where] = Link(where, target, False, entry.name)
            directories.update(ancestors(where))
    for folder, owners in bytecode_owners.items():
        if len(owners) == 1 and folder not in foreign:
            path, entry = f"{site_packages}/{folder}/{PYCACHE}", owners[0].entry
            links[path] = Link(path, f"{entry.path}/{folder}/{PYCACHE}", True, entry.name)
    return Plan(links, directories)


def data_path(scheme: str, path: str, interpreter: Interpreter, name: str) -> str:
    """Return where a file of a `.data` scheme lies in an environment, relative to its root.

    Source: the installation schemes of virtual environments (sysconfig), and `include/site` for headers.
    """
    if scheme == "scripts":
        return f"{interpreter.scripts}/{path}"
    if scheme == "headers":
        return f"{interpreter.headers}/{name}/{path}"
    return path


def _unfold_shared(shares: list[_Share], foreign: set[str]) -> None:
    """Unfold every linked folder that somebody else has files in, until none is left."""
    holders: dict[str, int] = dict.fromkeys(foreign, 2)
    for share in shares:
        for path in share.opened:
            holders[path] = holders.get(path, 0) + 1
        for path in share.directories:
            holders[path] = holders.get(path, 0) + 1
    pending = True
    while pending:
        pending = False
        for share in shares:
            for path in [path for path in share.directories if holders[path] > 1]:
                for opened in share.unfold(path)[1:]:
                    holders[opened] = holders.get(opened, 0) + 1
                pending = True
