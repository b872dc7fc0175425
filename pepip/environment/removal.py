"""Removes distributions by their RECORD, never through a link.

Source: "Recording installed projects", PyPA.
"""

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

    Files that the store can't give back are set aside: the metadata, and all files of a distribution that is not
    linked. Folders that become empty are removed, too. Files in `spared` stay. Paths are relative to the environment.
    """
    removed: set[str] = set()
    files = [path for path in reached_files(environment, tree, distribution) if path not in spared]
    for path in files:
        place = f"{environment.root}/{path}"
        if os.path.isdir(place) and not links.read_link(place):
            continue  # a folder is removed when it is empty
        if tree.unlink(path) if distribution.entry_id else set_aside.put(environment.root, path):
            removed.add(path)
            if path.endswith(".py"):
                _remove_bytecode(place)
    # Also folders of files that are gone already: a killed run may have removed files that RECORD still names.
    prune_folders(environment, tree, {folder for path in files for folder in paths.ancestors(path)})
    set_aside.put(environment.root, f"{environment.interpreter.site_packages}/{distribution.dist_info}")
    return removed


def discard(environment: Environment, distribution: Installed, spared: Collection[str] = ()) -> set[str]:
    """Remove a distribution without setting anything aside. Returns the removed paths, relative to the environment.

    Files in `spared` stay. The metadata is removed last, so that an interrupted removal can be repeated.
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
    """Return the paths in a distribution's RECORD that are outside its `.dist-info` folder and below no link.

    Files below a linked folder disappear with that link, so its target is never entered.
    """
    metadata = f"{environment.interpreter.site_packages}/{distribution.dist_info}/"
    return [
        path
        for path in contents.files_of(environment, distribution)
        if not path.startswith(metadata) and tree.reaches(path)
    ]


def prune_folders(environment: Environment, tree: Tree, folders: Iterable[str]) -> None:
    """Remove the `folders` (relative to the environment) that are empty, the deepest first.

    A folder that holds nothing but `__pycache__` counts as empty. site-packages, the folders above it, and the folder
    of scripts stay.
    """
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
            continue  # it holds other files, or it is gone


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
