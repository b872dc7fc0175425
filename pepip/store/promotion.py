"""Copies an entry into another store, where it is published as usual. The copy shares no inode with the entry."""

from __future__ import annotations

import os
import time

from pepip import paths
from pepip.errors import CorruptEntryError
from pepip.host import files
from pepip.host.transfer import CLONE, Transfer
from pepip.store import document as documents
from pepip.store import publish
from pepip.store.publish import Prepared
from pepip.store.staged import WheelFile, WheelTree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.store.root import Store


def copy(target: Store, entry: str, workshop: str) -> Prepared:
    """Copy the entry at the path `entry` into the new folder `workshop` of a staging area of `target`.

    Bytecode that this user or root has compiled is copied, too. The caller has checked the entry. Raises
    CorruptEntryError if the entry holds a link or a device, OSError if the disk is full.
    """
    tree = _tree_of(entry)
    publish.make_folders(target, workshop, tree)
    Transfer(CLONE, may_link=False).tree(entry, workshop, tree.files, in_turn=not target.is_remote)
    document = documents.read(entry)._replace(modes_are_uvs=False, stored_at=int(time.time()))
    with open(documents.place_of(workshop), "x", encoding="utf-8") as file:
        file.write(documents.dump(document))
    publish.seal(target, workshop, tree, {file.path for file in tree.files})
    return Prepared(workshop, document)


def _tree_of(entry: str) -> WheelTree:
    """Return the files and folders of an entry, without its document and its ready-made links.

    Bytecode of other users is left out, and bytecode that Python has not finished.
    """
    tree = WheelTree({"": {}}, [])
    pending = [""]
    for folder in pending:
        node = tree.folders[folder]
        is_bytecode = os.path.basename(folder) == paths.PYCACHE
        with os.scandir(f"{entry}/{folder}" if folder else entry) as children:
            for child in children:
                path = f"{folder}/{child.name}" if folder else child.name
                if path in {paths.READY, paths.ENTRY_METADATA}:
                    continue
                if is_bytecode and paths.is_unfinished_bytecode(child.name):
                    continue
                if child.is_dir(follow_symlinks=False):
                    node[child.name] = tree.folders[path] = {}
                    pending.append(path)
                elif child.is_file(follow_symlinks=False):
                    status = child.stat(follow_symlinks=False)
                    if not is_bytecode or status.st_uid in {0, files.user_id()}:
                        node[child.name] = None
                        tree.files.append(WheelFile(path, status))
                else:
                    raise CorruptEntryError(entry, f"{path} is neither a file nor a folder")
    return tree
