"""Finding environments below folders, whichever tool made them."""

from __future__ import annotations

import contextlib
import os

from pepip import paths
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


class Redirect(NamedTuple):
    """A project's `.venv` that is a link or a file with a path, and the environment to which it leads."""

    place: str
    environment: str


class VenvSearch(NamedTuple):
    """The result of a search: roots of environments, roots of conda environments, and folders that can't be read.

    `other_folders` are folders of packages outside of environments: those of `pip install --target` and `--user`,
    `__pypackages__`, and the packages of an installed Python. `redirects` lead out of the searched folders.
    """

    environments: list[str]
    conda: list[str]
    other_folders: list[str]
    unreadable: list[str]
    redirects: list[Redirect]


def discover(folders: Iterable[str], *, left_out: Collection[str] = ()) -> Generator[Progress, None, VenvSearch]:
    """Find the environments below `folders`, each once, ordered by path, and return a VenvSearch.

    The environment of a project may be outside of `folders`: `.venv` may be a link, or a file with a path. Such an
    environment is found only if the project is itself one of `folders`, because a `.venv` deeper inside may come with
    another person's checkout. No other link is followed, and environments are not entered. Folders on other file
    systems, and folders that a tool marks as its cache (CACHEDIR.TAG, except `.tox` and `.nox`), are entered only if
    they are among `folders`.
    Subfolders in `left_out` are never entered.
    """
    environments: set[str] = set()
    conda: set[str] = set()
    other_folders: set[str] = set()
    unreadable: list[str] = []
    redirects: set[Redirect] = set()
    starts = [paths.real(folder) for folder in folders]
    for start in starts:
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
            redirects.update(_redirect(current, names))
            other_folders.update(_folders_of_packages(current, names))
            if current != start and "CACHEDIR.TAG" in names and os.path.basename(current) not in _MARKED:
                continue
            for child in children:
                place = paths.slashed(child.path)
                if child.name in _NEVER_ENTERED or not child.is_dir(follow_symlinks=False) or place in left_out:
                    continue
                if _device(child) == device:
                    pending.append((place, device))
    outermost = [path for path in other_folders if other_folders.isdisjoint(_folders_above(path))]
    leading_out = {item for item in redirects if not any(_is_below(item.environment, start) for start in starts)}
    named = {item for item in leading_out if os.path.dirname(item.place) in starts}
    environments.update(item.environment for item in (redirects - leading_out) | named)
    return VenvSearch(sorted(environments), sorted(conda), sorted(outermost), unreadable, sorted(leading_out))


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


def _redirect(folder: str, names: Collection[str]) -> Iterator[Redirect]:
    """Yield the redirect of the project in `folder` if its `.venv` leads to an environment elsewhere."""
    place = f"{folder}/.venv"
    if ".venv" in names and (links.read_link(place) or not os.path.isdir(place)):
        root = paths.real(project_venv.meant_by(place))
        if interpreter.is_environment(root):
            yield Redirect(place, root)


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
    """Return the device of a folder, -1 for a junction (Windows lists it as a folder), or if it can't be read."""
    try:
        status = links.status_of(child)
    except OSError:
        return -1
    return status.st_dev if links.is_folder(status) else -1
