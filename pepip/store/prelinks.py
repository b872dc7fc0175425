"""What linking an entry would make anew in each environment, made once and kept in the entry.

The symbolic links that lead into it, and the parts of its metadata that are the same everywhere. A further name of
such an inode costs an environment neither an inode nor a block, which a link of 60 characters takes on ext4.
"""

from __future__ import annotations

import os
import sys

from pepip import paths
from pepip.host import filesystems, links, permissions
from pepip.store.entries import SEALED_AT_NS
from pepip.wheel import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.store.document import Document


def make(workshop: str, place: str, document: Document, *, like: os.stat_result) -> None:
    """Write into the entry that grows in `workshop` what environments will link, once it lies at `place`.

    What an earlier attempt left there is replaced. Windows has no second names for links, and there a read-only file
    would hinder whoever removes the environment: nothing is made.
    """
    if sys.platform == "win32":
        return
    folder = f"{workshop}/{paths.READY}"
    filesystems.remove_tree(folder)
    os.mkdir(folder)
    for inside in linked(document):
        links.symbolic_link(f"{place}/{inside}", paths.ready(workshop, inside))
    executable = os.stat(f"{workshop}/{document.dist_info}/RECORD").st_mode & 0o100  # as some wheels have it
    for name, content in contents(workshop, document).items():
        mode = 0o600 | (executable if name == "RECORD" else 0)
        descriptor = os.open(f"{folder}/{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with open(descriptor, "wb") as file:
            file.write(content)
        permissions.seal_file(f"{folder}/{name}", like=like)
    permissions.seal_directory(folder, like=like)
    for made in (folder, workshop):
        os.utime(made, ns=(SEALED_AT_NS, SEALED_AT_NS))


def linked(document: Document) -> list[str]:
    """Return what of an entry links lead to: the folders that are linked whole, and METADATA, which names it."""
    bytecode = (f"{path}/{paths.PYCACHE}" for path in document.bytecode)
    return [*document.directories, *bytecode, f"{document.dist_info}/METADATA"]


def contents(entry: str, document: Document) -> dict[str, bytes]:
    """Return the files that environments have alike, by name.

    RECORD only where neither a script nor a note of the distribution's origin has a row of its own.
    """
    dist_info = document.dist_info
    found = dict(record.OF_EACH)
    if document.record_is_shared:
        rows = record.of_entry(entry, dist_info, document.unlisted)
        folders = [*document.directories, *(f"{path}/{paths.PYCACHE}" for path in document.bytecode)]
        own = [record.row_of(f"{dist_info}/{name}", content) for name, content in record.OF_EACH.items()]
        found["RECORD"] = b"".join(record.of_environment(folders, rows, own))
    return found
