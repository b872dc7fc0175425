"""Finds files, folders and links that are in the way of an environment's new links, before anything is changed."""

from __future__ import annotations

import os

from pepip import paths
from pepip.environment import contents
from pepip.environment.listings import Listings
from pepip.errors import ObstructedError
from pepip.host import links

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from pepip.model import Environment, Link, Plan, StoreRoots


def find(
    environment: Environment,
    store_roots: StoreRoots,
    plan: Plan,
    *,
    known: dict[str, Link],
    real: Collection[str],
    ours: Collection[str],
    owned: Collection[str],
    is_recovery: bool,
) -> set[str]:
    """Return the folders that the plan links whole and that are real folders with other files on disk.

    The folders are relative to site-packages, and come with all their ancestors. `known` are the links that
    exist already, and `real` the folders that are known to be real. `ours` are the paths of links, and of files about
    to be removed. `owned` are the paths in `ours` and the files of other distributions.

    Raises ObstructedError if a file outside `owned` is in the way of a link; if a file outside `ours` is in the way
    of a real folder; if a real folder is in the place of a linked file; or if a folder that must be real is a link
    that does not lead into the store. In a recovery, files are no error, because the killed run may have made them.
    """
    base = environment.interpreter.site_packages + "/"
    found: set[str] = set()
    listings = Listings(environment.root)
    for folder in plan.directories:
        place = f"{environment.root}/{folder}"
        if folder in real or not listings.may_have(place):
            continue
        if folder not in known and links.read_link(place) and not contents.linked_entry(place, store_roots):
            raise ObstructedError("a distribution", place)
        if not is_recovery and folder not in ours and os.path.isfile(place):
            raise ObstructedError("a distribution", place)
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
    """Tell whether a file belongs to every new environment, and may be replaced, as uv does."""
    folder, _, name = path.rpartition("/")
    if not folder:
        return name in {".gitignore", "CACHEDIR.TAG"}
    return folder == scripts and name.startswith(("activate", "deactivate", "pydoc.bat"))


def _passes_known_link(path: str, known: dict[str, Link]) -> bool:
    """Tell whether `path` lies below a folder that is linked now: it then exists only through that link."""
    return any(folder in known for folder in paths.ancestors(path))


def _may_become_link(environment: Environment, path: str, target: str, ours: Collection[str]) -> bool:
    """Tell whether a link to `target` may replace a real folder.

    The folder may hold only bytecode, paths in `ours`, and links to or copies of files in `target`.
    """
    for folder, folders, files in links.walk(f"{environment.root}/{path}"):
        folders[:] = [name for name in folders if name != paths.PYCACHE]
        relative = os.path.relpath(folder, environment.root).replace(os.sep, "/")
        for name in [*files, *(name for name in folders if links.read_link(f"{folder}/{name}"))]:
            here = f"{relative}/{name}"
            if here in ours:
                continue
            if not links.stands_for(f"{environment.root}/{here}", f"{target}/{here[len(path) + 1 :]}"):
                return False
    return True
