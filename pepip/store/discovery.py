"""What uv staged: the distributions of a prefix, told apart by their RECORDs.

uv stages several wheels into one prefix, as it would install them. Nothing here changes a file.
"""

from __future__ import annotations

import os

from pepip import paths
from pepip.errors import InvalidWheelError
from pepip.records import NamedTuple
from pepip.wheel import record
from pepip.wheel.seen import Seen


class Staged(NamedTuple):
    """One distribution in a staging prefix. Paths of `rows` and `files` are relative to the prefix."""

    name: str
    version: str
    dist_info: str
    rows: dict[str, record.Row]
    files: list[str]

    @property
    def site_packages(self) -> str:
        """The folder of the prefix that holds the distribution."""
        return self.dist_info.rpartition("/")[0]


class Stage(NamedTuple):
    """A prefix into which uv has staged distributions, and its files by relative path, each with its status.

    Bytecode and uv's lock are not among these. `seen` is what was read of them so far.
    """

    prefix: str
    files: dict[str, os.stat_result]
    seen: Seen


def look(prefix: str, seen: Seen | None = None) -> Stage:
    """Return what uv has staged in `prefix`."""
    files = {}
    for folder, folders, names in os.walk(prefix):
        folders[:] = [name for name in folders if name != paths.PYCACHE]
        relative = folder[len(prefix) + 1 :].replace(os.sep, "/")
        for name in names:
            files[f"{relative}/{name}" if relative else name] = os.lstat(f"{folder}/{name}")
    files.pop(".lock", None)
    return Stage(prefix, files, seen or Seen())


def discover(stage: Stage) -> list[Staged]:
    """Return the distributions of a stage, each with the files that its RECORD lists.

    Raises InvalidWheelError if a row is absolute or leaves the prefix.
    """
    found = []
    for site_packages in _site_packages(stage.prefix):
        folders = sorted(os.listdir(f"{stage.prefix}/{site_packages}"))
        dist_infos = (name for name in folders if name.endswith(".dist-info"))
        found += [_read_staged(stage, site_packages, name) for name in dist_infos]
    return found


def contested(staged: list[Staged], stage: Stage) -> set[str]:
    """Return the names of distributions that must be staged again, alone, to be complete.

    Those that list the same file, and all of them if a file is listed by none: no one can tell whose it is.
    """
    owners: dict[str, str] = {}
    again: set[str] = set()
    for distribution in staged:
        for path in distribution.files:
            other = owners.setdefault(path, distribution.name)
            if other != distribution.name:
                again |= {other, distribution.name}
    if len(staged) > 1 and any(path not in owners for path in stage.files):
        return {distribution.name for distribution in staged}
    return again


def folders_of_one(staged: list[Staged]) -> set[str]:
    """Return the folders, right below site-packages and relative to the prefix, that one distribution has alone."""
    owners: dict[str, set[str]] = {}
    for item in staged:
        start = len(item.site_packages) + 1
        for path in item.files:
            if path.startswith(item.site_packages + "/") and "/" in path[start:]:
                owners.setdefault(path[: path.index("/", start)], set()).add(item.name)
    return {folder for folder, names in owners.items() if len(names) == 1}


def _site_packages(prefix: str) -> list[str]:
    """Return the folders of a prefix that hold distributions: `lib/python3.12/site-packages` and the like."""
    found: list[str] = []
    for folder, folders, _ in os.walk(prefix):
        if any(name.endswith(".dist-info") for name in folders):
            found.append(os.path.relpath(folder, prefix).replace(os.sep, "/"))
            folders.clear()
        elif os.path.basename(folder) in {"bin", "share", "etc", "include"}:
            folders.clear()
    return found


def _read_staged(stage: Stage, site_packages: str, folder: str) -> Staged:
    name, _, version = folder.removesuffix(".dist-info").partition("-")
    listing = f"{stage.prefix}/{site_packages}/{folder}/RECORD"
    with open(listing, encoding="utf-8", errors="surrogateescape", newline="") as file:
        rows = record.parse(file.read())
    by_path: dict[str, record.Row] = {}
    for row in rows:
        path = f"{site_packages}/{row.path}"
        if "./" in path or "//" in path or path.endswith(("/", "/.", "/..")) or os.sep != "/":
            path = os.path.normpath(path).replace(os.sep, "/")
        if row.path.startswith("/") or not paths.is_inside(path):
            raise InvalidWheelError(
                f"the RECORD of {name} {version} has a row outside of the wheel: {row.path}",
                hint="the wheel is malformed or hostile; nothing of it was kept",
            )
        by_path[path] = row
    files = [path for path in by_path if path in stage.files or os.path.lexists(f"{stage.prefix}/{path}")]
    return Staged(paths.normalize_name(name), version, f"{site_packages}/{folder}", by_path, files)
