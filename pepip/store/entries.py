"""Finding and reading entries. Each entry describes itself, so there is no index that could be lost."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time

from pepip import digests, paths
from pepip.errors import CorruptEntryError
from pepip.host import files
from pepip.model import Entry
from pepip.store import document as documents
from pepip.store.root import CachedEntry
from pepip.wheel import record, scripts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from pepip.store.listing import Stored
    from pepip.store.root import Store

# Every folder of an entry, except `__pycache__`, has this modification time (2000-01-01). Root can write through a
# link of an environment; if that adds, removes or replaces a file, the time of its folder changes.
SEALED_AT_NS = 946_684_800 * 1_000_000_000

NOTE_SECONDS = 3600
"""The least time between notes of an entry: see `note_linked`."""


def read(store: Store, entry_id: str) -> Entry:
    """Return the entry with this id: `bucket/name-version`, or the path of its folder if a layer has the entry.

    An entry that this run has read is not read again while its document is unchanged. Raises FileNotFoundError if
    the store has no such entry, or no such layer. Raises CorruptEntryError if its document can't be read.
    """
    path = store.path_of(entry_id)
    if store.home_of(entry_id) is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    try:
        known = store.known_entries.get(entry_id)
        if known and known.is_current(os.stat(f"{path}/{paths.ENTRY_METADATA}")):
            return known.entry
        found, status = documents.read_with_status(path)
        entry = Entry(
            id=entry_id,
            path=path,
            name=found.name,
            version=found.version,
            identity=found.identity,
            dist_info=found.dist_info,
            directories=found.directories,
            files=found.files,
            opened=found.opened,
            namespaces=found.namespaces,
            bytecode=found.bytecode,
            compiled=found.compiled,
            data=found.data,
            launchers=found.launchers,
            size_bytes=found.size_bytes,
            unlisted=found.unlisted,
            metadata=found.metadata,
            format=found.format,
        )
        store.known_entries[entry_id] = CachedEntry(entry, status.st_mtime_ns, status.st_ino)
        return entry
    except FileNotFoundError:
        if os.path.isdir(path):
            raise CorruptEntryError(path, f"it has no {paths.ENTRY_METADATA}") from None
        raise
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise CorruptEntryError(path, f"its {paths.ENTRY_METADATA} can't be read: {reason}") from error


def find(store: Store, *, name: str, version: str, identity: str, buckets: Iterable[str]) -> Entry | None:
    """Return the entry of this identity from one of the `buckets`, in the store or in a layer; None if there is none.

    The store comes first, then each layer in order. `version` may be empty if only the build knows it (a VCS
    requirement). A damaged entry counts as absent: pepip stores the wheel again, in the same place or beside it. An
    entry of an untrusted user counts as absent, too. An adopted entry counts if an earlier comparison found its
    content equal to that of the archive with this identity.
    """
    has_others = False
    buckets = tuple(buckets)
    for bucket in (folder for name in buckets for folder in store.buckets(name)):
        for folder in _candidates(store.root, bucket, name, version, identity):
            try:
                entry = read(store, f"{bucket}/{folder}")
            except (FileNotFoundError, CorruptEntryError):
                continue
            is_meant = entry.identity == identity and entry.name == name
            if is_meant and store.trusts_entry(entry.path) and is_whole(entry):
                return entry
            has_others = True
    equal = _find_adopted(store, name, identity) if has_others else None
    if equal is not None or not store.layers:
        return equal
    return _find_in_layers(store, name=name, version=version, identity=identity, buckets=buckets)


def _find_in_layers(
    store: Store, *, name: str, version: str, identity: str, buckets: tuple[str, ...]
) -> Entry | None:
    """Return the undamaged entry of this identity in the first layer that has one.

    A layer that can't be read counts as one that lacks the entry, and so does a layer in which users other than the
    owner may write a file of the entry.
    """
    for layer in store.layers:
        with contextlib.suppress(OSError):
            for bucket in (folder for name in buckets for folder in layer.buckets(name)):
                for folder in _candidates(layer.root, bucket, name, version, identity):
                    with contextlib.suppress(FileNotFoundError, CorruptEntryError):
                        entry = read(store, f"{paths.packages(layer.root)}/{bucket}/{folder}")
                        is_meant = entry.identity == identity and entry.name == name
                        is_fit = entry.id not in store.unusable and layer.trusts_entry(entry.path)
                        if is_meant and is_fit and is_whole(entry) and not _is_open(layer, entry):
                            return entry
    return None


def _is_open(layer: Store, entry: Entry) -> bool:
    """Tell whether somebody else than its owner may write a file of an entry in a layer.

    Only the store of one user keeps such modes of uv's cache. Its owner may not know that others link it as a layer.
    """
    if layer.serves_others:
        return False
    from pepip.store import open_files

    return any(open_files.below(entry.path, serves_others=True))


def _find_adopted(store: Store, name: str, identity: str) -> Entry | None:
    """Return the adopted entry that an earlier comparison found equal to an archive, None if there is none."""
    from pepip.store import archive_aliases

    entry_id, content = archive_aliases.entry_of(store, identity)
    try:
        entry = read(store, entry_id) if entry_id else None
    except (FileNotFoundError, CorruptEntryError):
        return None
    if entry is None or (entry.name, entry.identity) != (name, content) or not store.trusts_entry(entry.path):
        return None
    return entry if is_whole(entry) else None


def source_of(stored: Stored) -> tuple[dict[str, Any], str]:
    """Return the table of a lock from which uv can stage an entry's wheel again, empty if the document has no table.

    The second value is the URL that a document of format 1 has in place of the table, empty if it has none.
    """
    try:
        document = documents.read(stored.path)
    except (OSError, ValueError):
        return {}, ""
    words = document.requirement.partition(" @ ")[2].split()
    return document.package, words[0] if words else ""


def package_of(store: Store, entry_id: str) -> dict[str, Any]:
    """Return the table that `source_of` returns, given the id of an entry. Empty if the store has no such layer."""
    if store.home_of(entry_id) is None:
        return {}
    try:
        return documents.read(store.path_of(entry_id)).package
    except (OSError, ValueError):
        return {}


def hashes_of(entry: Entry) -> dict[str, str]:
    """Return the hashes in the entry's RECORD, by path, without `.data` files, which are installed elsewhere."""
    path = f"{entry.path}/{entry.dist_info}/RECORD"
    data = entry.data_directory + "/"
    return {row.path: row.hash_value for row in record.read(path) if row.hash_value and not row.path.startswith(data)}


def note_linked(store: Store, entry: Entry) -> None:
    """Note that an environment links the entry now, in the modification time of the document.

    The time is exact to an hour: an entry that was noted less than an hour ago is not noted again. Each note makes
    cached copies of the entry out of date. For an entry of a layer nothing is noted: see `leases`.
    """
    if paths.is_layered(entry.id):
        return
    known = store.known_entries.get(entry.id)
    if known and 0 <= time.time_ns() - known.changed_at_ns < NOTE_SECONDS * 1_000_000_000:
        return
    now_ns = time.time_ns()
    with contextlib.suppress(OSError):  # another user's entry: only its owner's links are noted
        os.utime(f"{entry.path}/{paths.ENTRY_METADATA}", ns=(now_ns, now_ns))
        if known:
            store.known_entries[entry.id] = known._replace(changed_at_ns=now_ns)


def is_whole(entry: Entry) -> bool:
    """Tell whether all files and folders of the entry that an environment links are there.

    Lists no folder and reads no file, except the scripts of an entry of format 1. Notices a file that was added to,
    removed from or replaced in a linked folder, but not in the folders below that one.
    """
    try:
        for path in sealed(entry):
            if os.lstat(path).st_mtime_ns != SEALED_AT_NS and sys.platform != "win32":
                return False
    except FileNotFoundError:
        return False
    # A sealed folder still has all its files. So check only linked files outside of such folders; on Windows, check
    # all files that are linked one by one.
    folder = f"{entry.data_directory}/" if entry.data else ""
    data = [f"{folder}{scheme}/{path}" for scheme, path in entry.data]
    if sys.platform == "win32":
        alone = [*entry.files, *data]
    else:
        alone = [path for path in entry.files if "/" not in path]
        folders = {path.rpartition("/")[0] for path in data}
        unsealed = {folder for folder in folders if os.path.basename(folder) == paths.PYCACHE}
        if not all(_is_sealed(f"{entry.path}/{folder}") for folder in folders - unsealed):
            return False
        if unsealed:
            alone += [path for path in data if path.rpartition("/")[0] in unsealed]
    if alone and not all(os.path.lexists(f"{entry.path}/{path}") for path in alone):
        return False
    try:
        if not os.stat(f"{entry.path}/{entry.dist_info}/RECORD").st_size:
            return False
    except FileNotFoundError:
        return False
    return entry.format != 1 or not scripts_of_one_environment(
        entry.path, entry.data_directory, entry.data, entry.format
    )


def scripts_of_one_environment(
    path: str, data_directory: str, data: Iterable[tuple[str, str]], format_number: int
) -> list[str]:
    """Return the scripts of an entry that start the interpreter of one environment. Only format 1 can have them.

    Older pepips took scripts from the environment for which the entry was first stored, as uv had made them there.
    """
    found = []
    for scheme, name in data if format_number == 1 else ():
        if scheme == "scripts":
            script = f"{data_directory}/scripts/{name}"
            with contextlib.suppress(OSError):
                if scripts.is_of_environment(files.read_regular(f"{path}/{script}")):
                    found.append(script)
    return found


def sealed(entry: Entry) -> list[str]:
    """Return the folders of an entry whose modification times show a change: linked folders, and opened ones."""
    base = f"{entry.path}/"
    opened = [base + path for path in entry.opened if not path.endswith(paths.PYCACHE)]
    return [*[base + path for path in entry.directories], *opened]


def _is_sealed(path: str) -> bool:
    try:
        return os.lstat(path).st_mtime_ns == SEALED_AT_NS or sys.platform == "win32"
    except FileNotFoundError:
        return False


def folder_names(name: str, version: str, identity: str) -> tuple[str, str]:
    """Return the possible folder names of an entry: the plain name, and a name with a hash if that one is taken."""
    digest = identity.removeprefix("sha256:")
    if digest == identity:  # the identity of a build names its source and its Python, so hash both
        digest = digests.hexadecimal(identity.encode())
    return f"{name}-{version}", f"{name}-{version}~{digest[:12]}"


def _candidates(root: str, bucket: str, name: str, version: str, identity: str) -> Iterable[str]:
    if version:
        return folder_names(name, version, identity)
    try:
        children = os.listdir(f"{paths.packages(root)}/{bucket}")
    except FileNotFoundError:
        return []
    return sorted(child for child in children if child.startswith(f"{name}-"))
