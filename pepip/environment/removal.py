"""Removing distributions by their RECORD, as PyPA's "Recording installed projects" says, and never through a link."""

from __future__ import annotations

import os

from pepip import paths
from pepip.environment import contents, set_aside
from pepip.environment.tree import Tree
from pepip.host import filesystems, links

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from pepip.model import Environment, Installed


def remove(environment: Environment, tree: Tree, distribution: Installed, spared: Collection[str] = ()) -> set[str]:
    """Remove a distribution's files, links, bytecode and metadata, metadata last. Returns the removed paths.

    What the store can't give back is set aside: metadata, and the files of what is not linked. Folders that become
    empty go too. Files in `spared` stay. Paths are relative to the environment.
    """
    removed: set[str] = set()
    files = [path for path in reached_files(environment, tree, distribution) if path not in spared]
    for path in files:
        place = f"{environment.root}/{path}"
        if os.path.isdir(place) and not links.read_link(place):
            continue  # a folder goes with its last file
        if tree.unlink(path) if distribution.entry_id else set_aside.put(environment.root, path):
            removed.add(path)
            if path.endswith(".py"):
                _remove_bytecode(place)
    # Of all files: a run that was killed may have removed some. RECORD names them as long as metadata is there.
    prune_folders(environment, tree, {folder for path in files for folder in paths.ancestors(path)})
    set_aside.put(environment.root, f"{environment.interpreter.site_packages}/{distribution.dist_info}")
    return removed


def discard(environment: Environment, distribution: Installed, spared: Collection[str] = ()) -> set[str]:
    """Remove a distribution, and set nothing of it aside. Returns the removed paths, relative to the environment.

    Files in `spared` stay. Its metadata goes last: what is interrupted can be done again.
    """
    tree = Tree(environment)
    removed: set[str] = set()
    files = [path for path in reached_files(environment, tree, distribution) if path not in spared]
    for path in files:
        place = f"{environment.root}/{path}"
        if (not os.path.isdir(place) or links.read_link(place)) and tree.unlink(path):
            removed.add(path)
    prune_folders(environment, tree, {folder for path in files for folder in paths.ancestors(path)})
    place = f"{environment.site_packages}/{distribution.dist_info}"
    if os.path.lexists(place):
        filesystems.remove(place)
    return removed


def reached_files(environment: Environment, tree: Tree, distribution: Installed) -> list[str]:
    """Return the paths of a distribution's RECORD that no link leads to, but for those of its metadata.

    A row below a linked folder is gone with that link; the link's target is never entered.
    """
    metadata = f"{environment.interpreter.site_packages}/{distribution.dist_info}/"
    return [
        path
        for path in contents.files_of(environment, distribution)
        if not path.startswith(metadata) and tree.reaches(path)
    ]


def prune_folders(environment: Environment, tree: Tree, folders: Iterable[str]) -> None:
    """Remove those folders (relative to the environment) that hold nothing any more, the deepest first."""
    interpreter = environment.interpreter
    kept = {interpreter.scripts, interpreter.site_packages, *paths.ancestors(interpreter.site_packages)}
    for folder in sorted(folders, key=lambda path: path.count("/"), reverse=True):
        path = f"{environment.root}/{folder}"
        if folder in kept or not tree.has_folder(folder):
            continue
        try:
            if os.listdir(path) == [paths.PYCACHE]:
                _remove_pycache(f"{path}/{paths.PYCACHE}")
            tree.remove_folder(folder)
        except OSError:
            continue  # somebody else's files are in it, or it is gone


def _remove_pycache(path: str) -> None:
    if links.read_link(path):
        links.unlink(path)
    else:
        filesystems.remove_tree(path)


def _remove_bytecode(module: str) -> None:
    folder, _, name = module.rpartition("/")
    pycache = f"{folder}/{paths.PYCACHE}"
    if links.read_link(pycache) or not os.path.isdir(pycache):
        return
    stem = name.removesuffix(".py") + "."
    for child in os.listdir(pycache):
        if child.startswith(stem) and child.endswith(".pyc"):
            os.unlink(f"{pycache}/{child}")
