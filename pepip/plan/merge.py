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


MERGED_SCHEMES = ("purelib", "platlib")
"""The `.data` schemes whose files lie among the modules of an environment."""


class _Share:
    """What one entry puts into the environment, unfolded step by step as others need the same folders."""

    __slots__ = ("bytecode", "directories", "entry", "files", "namespaces", "opened")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.directories = set(entry.directories)
        self.files = list(entry.files)
        self.opened = set(entry.opened)
        self.namespaces = frozenset(entry.namespaces)
        self.bytecode = set(entry.bytecode)
        for scheme, path in entry.data:
            if scheme in MERGED_SCHEMES:
                self.opened.update(ancestors(path))

    def unfold(self, folder: str) -> list[str]:
        """Replace the link of `folder` by links of all files below it. Returns the folders that became real.

        Bytecode that the wheel ships is linked by itself too.
        """
        self.directories.discard(folder)
        below = [folder]
        shipped = [path for path in self.entry.compiled if path.startswith(folder + "/")]
        self.files += shipped
        self.opened |= {path.rpartition("/")[0] for path in shipped}
        for current in below:
            with os.scandir(f"{self.entry.path}/{current}") as children:
                for child in children:
                    path = f"{current}/{child.name}"
                    if child.name == PYCACHE:
                        continue
                    if child.is_dir(follow_symlinks=False):
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
    foreign = set(foreign_directories)
    _unfold_shared(shares, foreign)
    links: dict[str, Link] = {}
    directories: set[str] = set()
    site_packages = interpreter.site_packages
    for share in shares:
        entry = share.entry
        prefix = f"{site_packages}/"
        for path in share.directories:
            links[prefix + path] = Link(prefix + path, f"{entry.path}/{path}", True, entry.name)
        for path in share.files:
            links[prefix + path] = Link(prefix + path, f"{entry.path}/{path}", False, entry.name)
        directories.update(prefix + path for path in share.opened)
        for folder in share.bytecode:
            path = f"{prefix}{folder}/{PYCACHE}"
            links[path] = Link(path, f"{entry.path}/{folder}/{PYCACHE}", True, entry.name)
        for scheme, path in entry.data:
            where = data_path(scheme, path, interpreter, entry.name)
            if scheme != "scripts":
                target = f"{entry.path}/{entry.data_directory}/{scheme}/{path}"
                links[where] = Link(where, target, False, entry.name)
            if where.rpartition("/")[0] not in directories:
                directories.update(ancestors(where))
    return Plan(links, directories)


def data_path(scheme: str, path: str, interpreter: Interpreter, name: str) -> str:
    """Return where a file of a `.data` scheme lies in an environment, relative to its root.

    Source: the installation schemes of virtual environments (sysconfig), and `include/site` for headers.
    """
    if scheme == "scripts":
        return f"{interpreter.scripts}/{path}"
    if scheme == "headers":
        return f"{interpreter.headers}/{name}/{path}"
    if scheme in MERGED_SCHEMES:
        return f"{interpreter.site_packages}/{path}"
    return path


def _unfold_shared(shares: list[_Share], foreign: set[str]) -> None:
    """Unfold every linked folder that somebody else has files in, until none is left.

    A namespace is shared by design, and the packages in it stay linked whole. Any other folder that is shared is
    unfolded to its last file.
    """
    holders: dict[str, list[_Share]] = {}
    for share in shares:
        for path in (*share.directories, *share.opened):
            holders.setdefault(path, []).append(share)
    pending = [path for path, sharing in holders.items() if len(sharing) > 1 or path in foreign]
    while pending:
        path = pending.pop()
        sharing = holders[path]
        if all(path in share.namespaces for share in sharing):
            continue
        for share in sharing:
            inside = path + "/"
            # Python takes bytecode for right by its source's second and size alone: where others may put modules,
            # a shared `__pycache__` could give one project the code of another's.
            share.bytecode = {name for name in share.bytecode if name != path and not name.startswith(inside)}
            for folder in [name for name in share.directories if name == path or name.startswith(inside)]:
                for opened in share.unfold(folder):
                    if opened not in holders:
                        holders[opened] = [share]
                    elif share not in holders[opened]:
                        holders[opened].append(share)
                        pending.append(opened)
