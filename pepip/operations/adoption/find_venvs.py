"""Finding environments below folders, whichever tool made them."""

from __future__ import annotations

import contextlib
import os

from pepip.environment import project_venv
from pepip.fast_namedtuple import NamedTuple
from pepip.host import links
from pepip.operations.reporting import Progress
from pepip.uv import interpreter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable, Iterator

_SITE_PACKAGES = "site-packages"
_METADATA = ".dist-info"
_NEVER_ENTERED = frozenset((".git", ".hg", ".svn", "node_modules", "__pycache__", _SITE_PACKAGES, ".pepip"))
_MARKED = frozenset((".tox", ".nox"))  # tools mark these as caches, but they hold environments
_FOLDERS_PER_STEP = 200


class VenvSearch(NamedTuple):
    """The result of a search: roots of environments, roots of conda environments, and folders that can't be read.

    `other_folders` are folders of packages that are in no environment: what `pip install --target` and `--user` make,
    `__pypackages__`, and the packages of an installed Python.
    """

    environments: list[str]
    conda: list[str]
    other_folders: list[str]
    unreadable: list[str]


def discover(folders: Iterable[str], *, left_out: Collection[str] = ()) -> Generator[Progress, None, VenvSearch]:
    """Find the environments below `folders`, each once, ordered by path, and return a VenvSearch.

    The environment of a project may be elsewhere: `.venv` may be a link, or a file with a path. No other link is
    followed, and environments are not entered. Folders on other file systems, and folders that a tool marks as its
    cache (CACHEDIR.TAG, except `.tox` and `.nox`), are entered only if they are among `folders`.
    Subfolders in `left_out` are never entered.
    """
    environments: set[str] = set()
    conda: set[str] = set()
    other_folders: set[str] = set()
    unreadable: list[str] = []
    for folder in folders:
        start = os.path.realpath(folder)
        pending, seen = [(start, os.stat(start).st_dev)], 0
        while pending:
            current, device = pending.pop()
            if seen % _FOLDERS_PER_STEP == 0:
                yield Progress("scan", current)
            seen += 1
            try:
                with os.scandir(current) as listing:
                    children = list(listing)
            except OSError:
                unreadable.append(current)
                continue
            names = {child.name for child in children}
            if "conda-meta" in names:
                conda.add(current)
                continue
            if "pyvenv.cfg" in names:
                environments.add(current)
                continue
            environments.update(_environment_elsewhere(current, names))
            other_folders.update(_folders_of_packages(current, names))
            if current != start and "CACHEDIR.TAG" in names and os.path.basename(current) not in _MARKED:
                continue
            for child in children:
                if child.name in _NEVER_ENTERED or not child.is_dir(follow_symlinks=False) or child.path in left_out:
                    continue
                if _device(child) == device:
                    pending.append((child.path, device))
    outermost = [path for path in other_folders if other_folders.isdisjoint(_folders_above(path))]
    return VenvSearch(sorted(environments), sorted(conda), sorted(outermost), unreadable)


def _environment_elsewhere(folder: str, names: Collection[str]) -> Iterator[str]:
    """Yield the environment of the project in `folder` if its `.venv` is a link or a file that leads there."""
    place = f"{folder}/.venv"
    if ".venv" in names and (links.read_link(place) or not os.path.isdir(place)):
        root = os.path.realpath(project_venv.meant_by(place))
        if interpreter.is_environment(root):
            yield root


def _folders_of_packages(folder: str, names: Collection[str]) -> Iterator[str]:
    """Yield `folder` if packages are installed in it. Yield its `site-packages` if packages are installed there."""
    if any(name.endswith(_METADATA) for name in names):
        yield folder
    if _SITE_PACKAGES in names:
        with contextlib.suppress(OSError):
            if any(name.endswith(_METADATA) for name in os.listdir(f"{folder}/{_SITE_PACKAGES}")):
                yield f"{folder}/{_SITE_PACKAGES}"


def _folders_above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:number]) for number in range(1, len(parts))]


def _device(child: os.DirEntry[str]) -> int:
    try:
        return child.stat(follow_symlinks=False).st_dev
    except OSError:
        return -1
