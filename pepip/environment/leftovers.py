"""Removes the traces of an unfinished change: links, files and scripts of entries, anywhere in the environment."""

from __future__ import annotations

import contextlib
import os

from pepip import paths
from pepip.environment import contents, metadata, removal
from pepip.environment.placement import MODES, placer_for
from pepip.environment.tree import Tree
from pepip.host import filesystems, links
from pepip.plan.merge import merge
from pepip.wheel import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from pepip.model import Entry, Environment, Installed, StoreRoots

_AS_FILES = MODES[0]  # with any mode, a plan lists each file
_SCRATCH = os.path.basename(paths.scratch(""))


def remove(
    environment: Environment,
    store_roots: StoreRoots,
    entries: list[Entry],
    came: list[Installed],
    owned: set[str],
    *,
    lost: Collection[str],
) -> None:
    """Remove all links, files, scripts and metadata of `entries` that an unfinished change has made.

    `came` are the distributions of `entries` whose metadata is in place. Every link outside `.dist-info` is checked,
    and every path where one of `entries` has a file. Files at `owned` paths belong to distributions that stay. They
    are kept, even with the same bytes. Paths are relative to the environment. `lost` are the ids of further entries,
    which can't be read now: their links go, and the files that the change's own metadata lists.
    """
    root = environment.root
    tree = Tree(environment)
    emptied: set[str] = set()

    def unlink(path: str) -> None:
        tree.unlink(path)
        emptied.update(paths.ancestors(path))

    for path in _stray_scripts(environment, entries):
        if path not in owned:
            unlink(path)
    for row in _listed(environment, came) if lost else ():
        emptied.update(paths.ancestors(row.path))
        if row.path not in owned and tree.reaches(row.path) and record.matches(row, f"{root}/{row.path}"):
            unlink(row.path)
    for distribution in came:
        filesystems.remove_tree(f"{environment.site_packages}/{distribution.dist_info}")
    for entry in entries:
        for path, link in merge([entry], environment.interpreter, modes={entry.name: _AS_FILES}).links.items():
            if (
                path not in owned
                and tree.reaches(path)
                and links.may_be_copy_in_progress(f"{root}/{path}", link.target)
            ):
                unlink(path)
    ids = {*lost, *(entry.id for entry in entries)}
    for folder, folders, names in links.walk(root):
        inside = folder[len(root) + 1 :]
        linked = [name for name in (*folders, *names) if links.read_link(f"{folder}/{name}")]
        folders[:] = [name for name in folders if not name.endswith(".dist-info") and name != _SCRATCH]
        for path in (f"{inside}/{name}" if inside else name for name in linked):
            if contents.linked_entry(f"{root}/{path}", store_roots) in ids:
                unlink(path)
    removal.prune_folders(environment, tree, emptied)


def _listed(environment: Environment, came: list[Installed]) -> list[record.Row]:
    """Return the rows of files with a hash in the metadata of a change, in place or still prepared.

    Their paths are relative to the environment.
    """
    scratch = paths.scratch(environment.root)
    folders = [f"{environment.site_packages}/{item.dist_info}" for item in came]
    folders += [f"{scratch}/{name}" for name in os.listdir(scratch) if name.endswith(".dist-info")]
    found = []
    for folder in folders:
        with contextlib.suppress(OSError):  # it is not complete, so the change has made no link
            rows = [row for row in record.read(f"{folder}/RECORD") if row.hash_value]
            placed = [(record.in_environment(row.path, environment.interpreter.site_packages), row) for row in rows]
            found += [row._replace(path=path) for path, row in placed if path]
    return found


def _stray_scripts(environment: Environment, entries: list[Entry]) -> list[str]:
    """Return the paths of scripts with the same bytes as the scripts that `entries` get in this environment."""
    import filecmp

    found = []
    for entry in entries:
        folder = f"{paths.scratch(environment.root)}/strays"
        filesystems.remove_tree(folder)
        os.mkdir(folder)
        metadata.build_scripts(environment, entry, folder, placer_for(environment, [entry]))
        for name in os.listdir(folder):
            path = f"{environment.interpreter.scripts}/{name}"
            place = f"{environment.root}/{path}"
            if os.path.isfile(place) and filecmp.cmp(f"{folder}/{name}", place, shallow=False):
                found.append(path)
    return found
