"""What stands where an environment's links are to go: found before anything is changed."""

from __future__ import annotations

import os

from pepip import paths
from pepip.environment import contents
from pepip.errors import ObstructedError
from pepip.host import links

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from pepip.model import Environment, Link, Plan


def find(
    environment: Environment,
    store_roots: tuple[str, ...],
    plan: Plan,
    *,
    known: dict[str, Link],
    ours: Collection[str],
    owned: Collection[str],
    is_recovery: bool,
) -> set[str]:
    """Return the linked folders (relative to site-packages) in whose place a real folder with files stands.

    `ours` are the paths of links, and of what is about to go; `owned` those and the files of other distributions.
    Raises ObstructedError where a file stands that is not in `owned`, but not in a recovery, which finds half of its
    own work; and where a folder that must be real is somebody's own link.
    """
    base = environment.interpreter.site_packages + "/"
    found: set[str] = set()
    listings = _Listings(environment.root)
    for folder in plan.directories:
        place = f"{environment.root}/{folder}"
        if not listings.may_have(place):
            continue
        if folder not in known and links.read_link(place) and not contents.linked_entry(place, store_roots):
            raise ObstructedError("its distributions", place)
        if not is_recovery and folder not in ours and os.path.isfile(place):
            raise ObstructedError("its distributions", place)
    for path, link in plan.links.items():
        if known.get(path) == link or path.endswith("/" + paths.PYCACHE):
            continue
        place = f"{environment.root}/{path}"
        if not listings.may_have(place) or not os.path.lexists(place) or links.is_link_to(place, link.target):
            continue
        if contents.linked_entry(place, store_roots):
            continue
        if os.path.isdir(place) and not links.read_link(place):
            if not link.is_directory:
                raise ObstructedError(link.owner, place)
            if not _may_become_link(environment, path, link.target, ours):
                found.update([path[len(base) :], *paths.ancestors(path[len(base) :])])
        elif (
            is_recovery
            or path in owned
            or _comes_with_environments(path, environment.interpreter.scripts)
            or links.is_copy(place, link.target)
            or _passes_known_link(path, known)
        ):
            continue
        else:
            raise ObstructedError(link.owner, place)
    return found


def _comes_with_environments(path: str, scripts: str) -> bool:
    """Tell whether a file is one that an environment is made with, and works without: uv replaces it too."""
    folder, _, name = path.rpartition("/")
    if not folder:
        return name in {".gitignore", "CACHEDIR.TAG"}
    return folder == scripts and name.startswith(("activate", "deactivate", "pydoc.bat"))


class _Listings:
    """The names in the folders below a root in which links are to go: each is listed once, and most are not there."""

    def __init__(self, root: str) -> None:
        self._names = {root: _names_in(root)}

    def may_have(self, place: str) -> bool:
        """Tell whether something may be at `place`: not if no name in its folder is like its own."""
        parent, _, name = place.rpartition("/")
        if parent not in self._names:
            self._names[parent] = _names_in(parent) if self.may_have(parent) else set()
        names = self._names[parent]
        return names is None or (bool(names) and (name.casefold() in names or not name.isascii()))


def _names_in(folder: str) -> set[str] | None:
    """Return the names in a folder, as a file system that ignores case compares them.

    None are in one that is not there. The answer is None if this user may not list it, or the disk does not answer.
    """
    try:
        return set(map(str.casefold, os.listdir(folder)))
    except (FileNotFoundError, NotADirectoryError):
        return set()
    except OSError:
        return None


def _passes_known_link(path: str, known: dict[str, Link]) -> bool:
    """Tell whether `path` lies below a folder that is linked now, and so isn't there by itself."""
    return any(folder in known for folder in paths.ancestors(path))


def _may_become_link(environment: Environment, path: str, target: str, ours: Collection[str]) -> bool:
    """Tell whether a real folder holds nothing but links of ours, bytecode, and what is about to be removed."""
    for folder, folders, files in os.walk(f"{environment.root}/{path}"):
        folders[:] = [name for name in folders if name != paths.PYCACHE]
        relative = os.path.relpath(folder, environment.root).replace(os.sep, "/")
        for name in [*files, *(name for name in folders if links.read_link(f"{folder}/{name}"))]:
            here = f"{relative}/{name}"
            if here in ours:
                continue
            if not links.stands_for(f"{environment.root}/{here}", f"{target}/{here[len(path) + 1 :]}"):
                return False
    return True
