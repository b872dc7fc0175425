"""Files and symbolic links that are the same in each environment, made once and kept in the entry.

These are the symbolic links that lead into the entry, and the parts of its metadata that never differ. An environment
gets a hard link to such a file or symbolic link. A hard link costs neither an inode nor a block; on ext4 a symbolic
link of 60 characters costs both.
"""

from __future__ import annotations

import os
import sys

from pepip import paths
from pepip.host import files, filesystems, links, permissions
from pepip.store.entries import SEALED_AT_NS
from pepip.wheel import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.store.document import Document


def make(workshop: str, place: str, document: Document, *, root_stat: os.stat_result) -> None:
    """Write the links and files for environments into the entry in `workshop`, which will be renamed to `place`.

    Links and files of an earlier attempt are replaced. Makes nothing on Windows: it has no hard links to symbolic
    links, and a read-only file would hinder the removal of the environment.
    """
    if sys.platform == "win32":
        return
    folder = f"{workshop}/{paths.READY}"
    try:
        os.mkdir(folder)
    except FileExistsError:
        filesystems.remove_tree(folder)
        os.mkdir(folder)
    for inside in linked(document):
        links.symbolic_link(f"{place}/{inside}", paths.ready(workshop, inside))
    is_executable = os.stat(f"{workshop}/{document.dist_info}/RECORD").st_mode & 0o100  # some wheels ship it so
    for name, content in contents(workshop, document).items():
        mode = permissions.sealed_mode(root_stat=root_stat, is_executable=bool(is_executable and name == "RECORD"))
        files.create(f"{folder}/{name}", content, mode=mode)
        permissions.seal_file(f"{folder}/{name}", root_stat=root_stat)
    permissions.seal_folder(folder, root_stat=root_stat)
    for made in (folder, workshop):
        os.utime(made, ns=(SEALED_AT_NS, SEALED_AT_NS))


def linked(document: Document) -> list[str]:
    """Return the targets of the links, as paths in the entry: the folders that are linked whole, and METADATA."""
    bytecode = (f"{path}/{paths.PYCACHE}" for path in document.bytecode)
    return [*document.directories, *bytecode, f"{document.dist_info}/METADATA"]


def contents(entry: str, document: Document) -> dict[str, bytes]:
    """Return the content of the files that are the same in all environments, by name.

    RECORD is among them only if no environment adds a row of its own, such as for a script or a `direct_url.json`.
    """
    dist_info = document.dist_info
    found = dict(record.OF_EACH)
    if document.record_is_shared:
        rows = record.of_entry(entry, dist_info, document.unlisted)
        folders = [*document.directories, *(f"{path}/{paths.PYCACHE}" for path in document.bytecode)]
        own = [record.row_of(f"{dist_info}/{name}", content) for name, content in record.OF_EACH.items()]
        found["RECORD"] = b"".join(record.of_environment(folders, rows, own))
    return found
