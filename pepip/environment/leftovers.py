"""What an unfinished change has made and must not stay: links, files and scripts of entries, wherever they are."""

from __future__ import annotations

import os

from pepip import paths
from pepip.environment import contents, metadata, removal
from pepip.environment.placement import MODES, placer_for
from pepip.environment.tree import Tree
from pepip.host import filesystems, links
from pepip.plan.merge import merge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.model import Entry, Environment, Installed

_AS_FILES = MODES[0]  # any mode: then a plan names each file by itself
_SCRATCH = os.path.basename(paths.scratch(""))


def remove(
    environment: Environment,
    store_roots: tuple[str, ...],
    entries: list[Entry],
    came: list[Installed],
    owned: set[str],
) -> None:
    """Remove what an unfinished change has made of `entries`, none of which is to stay: links, scripts, metadata.

    `came` are those of them that have metadata. Every link of the environment is looked at, and every file where one
    of `entries` has one, but for files `owned` by distributions that stay: those may be of the same bytes.
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
    for distribution in came:
        filesystems.remove_tree(f"{environment.site_packages}/{distribution.dist_info}")
    for entry in entries:
        for path, link in merge([entry], environment.interpreter, modes={entry.name: _AS_FILES}).links.items():
            if path not in owned and tree.reaches(path) and links.is_begun_copy(f"{root}/{path}", link.target):
                unlink(path)
    ids = {entry.id for entry in entries}
    for folder, folders, names in os.walk(root):
        inside = folder[len(root) + 1 :]
        linked = [name for name in (*folders, *names) if links.read_link(f"{folder}/{name}")]
        folders[:] = [name for name in folders if not name.endswith(".dist-info") and name != _SCRATCH]
        for path in (f"{inside}/{name}" if inside else name for name in linked):
            if contents.linked_entry(f"{root}/{path}", store_roots) in ids:
                unlink(path)
    removal.prune_folders(environment, tree, emptied)


def _stray_scripts(environment: Environment, entries: list[Entry]) -> list[str]:
    """Return the paths of scripts that are, byte for byte, those which `entries` get here."""
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
