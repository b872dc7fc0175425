"""Removing distributions by their RECORD, as PyPA's "Recording installed projects" says, and never through a link."""

from __future__ import annotations

import os

from pepip import paths
from pepip.environment import contents
from pepip.host import filesystems, links

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pepip.model import Environment, Installed


def remove(environment: Environment, distribution: Installed) -> set[str]:
    """Remove a distribution's files, links, bytecode and metadata. Returns the removed paths.

    Folders that become empty go too. Paths are relative to the environment. A row below a linked folder is gone
    with that link; the link's target is never entered.
    """
    removed: set[str] = set()
    metadata = f"{environment.interpreter.site_packages}/{distribution.dist_info}"
    is_real: dict[str, bool] = {}
    for path in contents.files_of(environment, distribution):
        if path.startswith(metadata + "/") or not _is_reached(environment.root, path, is_real):
            continue
        if _remove_one(f"{environment.root}/{path}"):
            removed.add(path)
            if path.endswith(".py"):
                _remove_bytecode(f"{environment.root}/{path}")
    filesystems.remove_tree(f"{environment.root}/{metadata}")
    prune_folders(environment, {folder for path in removed for folder in paths.ancestors(path)})
    return removed


def prune_folders(environment: Environment, folders: Iterable[str]) -> None:
    """Remove those folders (relative to the environment) that hold nothing any more, the deepest first."""
    interpreter = environment.interpreter
    kept = {interpreter.scripts, interpreter.site_packages, *paths.ancestors(interpreter.site_packages)}
    for folder in sorted(folders, key=lambda path: path.count("/"), reverse=True):
        path = f"{environment.root}/{folder}"
        if folder in kept or links.read_link(path):
            continue
        try:
            if os.listdir(path) == [paths.PYCACHE]:
                _remove_pycache(f"{path}/{paths.PYCACHE}")
            os.rmdir(path)
        except OSError:
            continue  # somebody else's files are in it, or it is gone


def _remove_one(path: str) -> bool:
    try:
        return links.unlink(path)
    except (IsADirectoryError, PermissionError, NotADirectoryError):
        if os.path.isdir(path):
            return False  # a folder goes with its last file
        raise


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


def _is_reached(root: str, path: str, is_real: dict[str, bool]) -> bool:
    """Tell whether no folder above `path` is a link. `is_real` remembers what was asked before."""
    for folder in paths.ancestors(path):
        if folder not in is_real:
            is_real[folder] = not links.read_link(f"{root}/{folder}")
        if not is_real[folder]:
            return False
    return True
