"""Finding and reading entries. An entry describes itself: no index is needed, and none can be lost."""

from __future__ import annotations

import hashlib
import json
import os
import sys

from pepip import paths
from pepip.errors import CorruptEntryError
from pepip.model import Entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pepip.store.home import Store

FORMAT = 1

# Every folder of an entry has this modification time (2000-01-01): a file that was added, removed or replaced since
# it was sealed, by root through a link, changes it.
SEALED_AT_NS = 946_684_800 * 1_000_000_000


def read(store: Store, entry_id: str) -> Entry:
    """Return the entry `bucket/name-version`.

    Raises FileNotFoundError if the store has no such entry, CorruptEntryError if its metadata can't be read.
    """
    path = f"{paths.packages(store.home)}/{entry_id}"
    try:
        with open(f"{path}/{paths.ENTRY_METADATA}", "rb") as file:
            document = json.loads(file.read())
        if document["format"] != FORMAT:
            raise CorruptEntryError(path, f"its format is {document['format']}, this pepip reads {FORMAT}")
        return Entry(
            id=entry_id,
            path=path,
            name=document["name"],
            version=document["version"],
            identity=document["identity"],
            dist_info=document["dist_info"],
            directories=tuple(document["directories"]),
            files=tuple(document["files"]),
            opened=tuple(document["opened"]),
            namespaces=tuple(document["namespaces"]),
            bytecode=tuple(document["bytecode"]),
            compiled=tuple(document["compiled"]),
            data=tuple((scheme, name) for scheme, name in document["data"]),
            launchers=document["launchers"],
            size_bytes=document["size_bytes"],
        )
    except FileNotFoundError:
        if os.path.isdir(path):
            raise CorruptEntryError(path, f"it has no {paths.ENTRY_METADATA}") from None
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptEntryError(path, f"its {paths.ENTRY_METADATA} can't be read") from error


def find(store: Store, *, name: str, version: str, identity: str, buckets: Iterable[str]) -> Entry | None:
    """Return the entry of this identity, None if no bucket holds it.

    `version` may be empty where only the build knows it (a VCS requirement). A damaged entry counts as absent:
    it is stored again beside it.
    """
    for bucket in buckets:
        for folder in _candidates(store, bucket, name, version, identity):
            try:
                entry = read(store, f"{bucket}/{folder}")
            except (FileNotFoundError, CorruptEntryError):
                continue
            if entry.identity == identity and entry.name == name:
                return entry
    return None


def is_whole(entry: Entry) -> bool:
    """Tell whether all that an environment links of the entry is there.

    Cheap: no file's bytes are read, and no folder is listed. What was added to a linked folder, removed from it or
    replaced is noticed in the folder itself, not in those below it.
    """
    if not all(_is_sealed(f"{entry.path}/{path}") for path in entry.directories):
        return False
    if not all(os.path.lexists(f"{entry.path}/{path}") for path in entry.files):
        return False
    try:
        if not os.stat(f"{entry.path}/{entry.dist_info}/RECORD").st_size:
            return False
    except FileNotFoundError:
        return False
    return all(os.path.lexists(f"{entry.path}/{entry.data_directory}/{s}/{path}") for s, path in entry.data)


def _is_sealed(path: str) -> bool:
    try:
        return os.lstat(path).st_mtime_ns == SEALED_AT_NS or sys.platform == "win32"
    except FileNotFoundError:
        return False


def folder_names(name: str, version: str, identity: str) -> tuple[str, str]:
    """Return the folder names that an entry may have: the plain one, and with a hash if another wheel has that."""
    digest = identity.removeprefix("sha256:")
    if digest == identity:  # of a build: its source alone doesn't tell it from another Python's
        digest = hashlib.sha256(identity.encode()).hexdigest()
    return f"{name}-{version}", f"{name}-{version}~{digest[:12]}"


def _candidates(store: Store, bucket: str, name: str, version: str, identity: str) -> Iterable[str]:
    if version:
        return folder_names(name, version, identity)
    try:
        children = os.listdir(f"{paths.packages(store.home)}/{bucket}")
    except FileNotFoundError:
        return []
    return sorted(child for child in children if child.startswith(f"{name}-"))
