"""Checks of an entry: its bytes against RECORD, its modes, and files that do not belong to it."""

from __future__ import annotations

import contextlib
import os
import stat
import sys

from pepip import paths
from pepip.fast_namedtuple import NamedTuple
from pepip.host import files, links, permissions
from pepip.store import document as documents
from pepip.store import entries, open_files, prelinks, trust
from pepip.store.entries import SEALED_AT_NS
from pepip.wheel import footprint, module_folders, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pepip.store.document import Document


UNPROVEN = "unproven"
"""The kind of a flaw that may be no damage: see `Flaw`."""


class Flaw(NamedTuple):
    """One difference between an entry and its state when it was stored. `path` is relative to the entry.

    `kind` is `altered` (other bytes, another link target, no regular file, or a document that can't be read),
    `missing`, `added`, `link` (a link in the place of a file), `mode`, `touched` (a folder whose modification time
    has changed), or `unproven`: nobody read the file before, its hash is not the one in RECORD, and no time
    shows a change. There are three causes: RECORD is wrong, the disk has failed, or somebody wrote into the file
    during the install and set its time back. Only the archive can tell.
    """

    kind: str
    path: str

    @property
    def words(self) -> str:
        """The kind of the flaw in words for people."""
        return _WORDS.get(self.kind, self.kind)


_WORDS = {
    "altered": "content changed",
    "missing": "file missing",
    "added": "file added",
    "link": "link, not a file",
    "mode": "mode changed",
    "touched": "folder changed",
    UNPROVEN: "RECORD differs",
}


def inspect(path: str) -> list[Flaw]:
    """Return the flaws of the entry at `path`, sorted by path. Reads each file with a known hash, changes nothing.

    If the document or RECORD is damaged, that is the only flaw: nothing else can be checked then. A file that another
    process removes meanwhile is `missing` if it belongs to the entry. If another entry takes the place of this one
    meanwhile, the flaws are those of the other entry. If there is no entry, its document is `missing`.
    """
    while True:
        before = links.inode_at(path)
        try:
            found = _flaws(path)
        except FileNotFoundError:
            if links.inode_at(path) == before:
                raise
        else:
            if not found or links.inode_at(path) == before:
                return found


def _flaws(path: str) -> list[Flaw]:
    """Return the flaws of an entry as `inspect` does. If it is replaced meanwhile, some belong to neither entry."""
    document = _document_or_flaw(path)
    if isinstance(document, Flaw):
        return [document]
    store_root = f"{path}/../../.."
    root_stat = os.stat(store_root)  # users who may read the store's root must be able to read the entry
    serves_others = trust.serves_others(store_root, root_stat)
    expected = _baseline(path, document)
    listed = _listed(document, expected)
    folders = {folder for shown in listed for folder in paths.ancestors(shown)}
    folders.update(document.empty, *map(paths.ancestors, document.empty))
    read_only = {".", *_module_folders(document, expected)}
    found: list[Flaw] = []
    present: set[str] = set()
    for current, inner, names in links.walk(path):
        relative = os.path.relpath(current, path).replace(os.sep, "/")
        prefix = "" if relative == "." else f"{relative}/"
        is_bytecode = os.path.basename(current) == paths.PYCACHE
        if relative == ".":
            inner[:] = [name for name in inner if name != paths.READY]
        if relative != "." and relative not in folders and not is_bytecode:
            if inner or names or document.format != 1:  # a document of format 1 does not list empty folders
                found.append(Flaw("added", relative))
                inner.clear()
            continue
        is_read_only = relative in read_only
        try:
            status = os.stat(current)
        except FileNotFoundError:  # its files are missing
            continue
        of_folder = _flaws_of_folder(
            status, relative, root_stat=root_stat, is_bytecode=is_bytecode, is_read_only=is_read_only
        )
        found += of_folder
        is_touched = any(flaw.kind == "touched" for flaw in of_folder)
        for name in [*names, *(name for name in inner if os.path.islink(f"{current}/{name}"))]:
            shown = prefix + name
            try:
                status = os.lstat(f"{current}/{name}")
            except FileNotFoundError:
                continue
            present.add(shown)
            if is_bytecode and paths.is_bytecode_name(name):
                # An import may compile the module anew, even if the wheel ships the bytecode: only the mode counts.
                if open_files.is_open(f"{current}/{name}", serves_others=serves_others):
                    found.append(Flaw("mode", shown))
                continue
            found += _flaws_of_file(
                f"{current}/{name}",
                shown,
                status,
                expected.get(shown),
                root_stat=root_stat,
                is_listed=shown in listed,
                is_executable=shown in document.executables,
                serves_others=serves_others or not document.modes_are_uvs,
                unread_until_ns=0 if is_touched or shown in document.digests else document.unread_until_ns,
            )
    found += [Flaw("missing", shown) for shown in listed - present if not _is_bytecode_path(shown)]
    data_directory = paths.data_folder(document.dist_info)
    wrong = entries.scripts_of_one_environment(path, data_directory, document.data, document.format)
    found += [Flaw("altered", shown) for shown in wrong]
    found += _flaws_of_ready(path, document, root_stat=root_stat)
    return sorted(found, key=lambda flaw: (flaw.path, flaw.kind))


def open_files_of(path: str) -> list[Flaw]:
    """Return a flaw for each file of the entry at `path` that too many users can write: see `open_files`."""
    store_root = f"{path}/../../.."
    serves_others = trust.serves_others(store_root, os.stat(store_root))
    return [Flaw("mode", shown) for shown in open_files.below(path, serves_others=serves_others)]


def _document_or_flaw(path: str) -> Document | Flaw:
    """Return the document of an entry, or the flaw of the document or of RECORD."""
    try:
        document = documents.read(path)
    except FileNotFoundError:
        return Flaw("missing", paths.ENTRY_METADATA)
    except (OSError, ValueError):
        return Flaw("altered", paths.ENTRY_METADATA)
    record_file = f"{document.dist_info}/RECORD"
    try:
        content = files.read_regular(f"{path}/{record_file}", most_bytes=_MOST_BYTES)
    except FileNotFoundError:
        return Flaw("missing", record_file)
    except ValueError:
        return Flaw("altered", record_file)
    except OSError:
        return Flaw("mode", record_file)
    # Only RECORD says which files belong to the entry.
    return document if document.record in {"", record.hexadecimal(content)} else Flaw("altered", record_file)


def correct(path: str, flaws: Iterable[Flaw], grave: str, *, root_stat: os.stat_result) -> None:
    """Correct the modes of an entry, and move added files into the folder `grave`, where they keep their paths.

    `grave` may be empty if no flaw is `added`. Raises OSError if this user has no permission.
    """
    document = documents.read(path)
    executables = set(document.executables)
    serves_others = trust.serves_others(f"{path}/../../..", root_stat)
    read_only = _module_folders(document, _baseline(path, document))
    permissions.unseal_tree(path)
    for flaw in flaws:
        place = f"{path}/{flaw.path}"
        if flaw.kind == "added":
            os.makedirs(os.path.dirname(f"{grave}/{flaw.path}"), exist_ok=True)
            with contextlib.suppress(FileNotFoundError):  # the tool that added it has removed it
                os.rename(place, f"{grave}/{flaw.path}")
        elif not os.path.isdir(place):
            with contextlib.suppress(FileNotFoundError):  # an import replaces its bytecode
                if flaw.path in executables:
                    os.chmod(place, stat.S_IMODE(os.stat(place).st_mode) | 0o100)
                status = os.lstat(place)
                shares_inode = document.modes_are_uvs and status.st_nlink > 1
                if flaw.path.partition("/")[0] in {paths.ENTRY_METADATA, paths.READY}:
                    permissions.seal_file(place, root_stat=root_stat)
                else:
                    permissions.share_file(
                        place, status, root_stat=root_stat, shares_inode=shares_inode, serves_others=serves_others
                    )
    _set_folders(path, read_only, root_stat=root_stat)


def update_modes(path: str, *, root_stat: os.stat_result) -> None:
    """Give an entry of an older pepip the modes that entries have now. Older pepips made more of an entry read-only.

    Raises OSError if this user has no permission, ValueError if the document of the entry is not valid.
    """
    document = documents.read(path)
    read_only = _module_folders(document, _baseline(path, document))
    for folder, folders, names in links.walk(path):
        inside = folder[len(path) + 1 :]
        if not inside:
            folders[:] = [name for name in folders if name != paths.READY]
        if inside and inside not in read_only and not os.stat(folder).st_mode & stat.S_IWUSR:
            permissions.unseal_folder(folder, root_stat=root_stat)
        for place in (f"{folder}/{name}" for name in names):
            with contextlib.suppress(FileNotFoundError):  # an import replaces its bytecode
                status = os.lstat(place)
                if not status.st_mode & stat.S_IWUSR and place != documents.place_of(path):
                    permissions.share_file(place, status, root_stat=root_stat, shares_inode=False, serves_others=True)


def _set_folders(path: str, read_only: set[str], *, root_stat: os.stat_result) -> None:
    """Set the modes of an entry's folders. Give each folder but `__pycache__` the fixed modification time."""
    for folder, _, _ in links.walk(path, topdown=False):
        inside = folder[len(path) + 1 :]
        if os.path.basename(folder) != paths.PYCACHE:
            os.utime(folder, ns=(SEALED_AT_NS, SEALED_AT_NS))
        if inside in read_only or inside in {"", paths.READY}:
            permissions.seal_folder(folder, root_stat=root_stat)
        else:
            permissions.unseal_folder(folder, root_stat=root_stat)


def _listed(document: Document, baseline: Iterable[str]) -> set[str]:
    """Return the paths of all files that belong to an entry."""
    own = (paths.ENTRY_METADATA, f"{document.dist_info}/RECORD")
    return {*baseline, *own, *document.files, *document.compiled, *document.unlisted}


def _module_folders(document: Document, baseline: Iterable[str]) -> set[str]:
    listed = [*_listed(document, baseline), *(f"{folder}/" for folder in document.empty)]
    return module_folders.find(footprint.tree_of(listed))


def _baseline(path: str, document: Document) -> dict[str, record.Row]:
    """Return the expected row of each file, by path: with the document's digest if it has one, else from RECORD."""
    rows = {row.path: row for row in record.read(f"{path}/{document.dist_info}/RECORD")}
    for missing in (*document.absent, f"{document.dist_info}/RECORD"):
        rows.pop(missing, None)
    rows.update((shown, record.Row(shown, digest, "")) for shown, digest in document.digests.items())
    return rows


def _is_bytecode_path(path: str) -> bool:
    folder, _, name = path.rpartition("/")
    return os.path.basename(folder) == paths.PYCACHE and paths.is_bytecode_name(name)


def _flaws_of_ready(path: str, document: Document, *, root_stat: os.stat_result) -> list[Flaw]:
    """Return the flaws of the ready-made links and files. A missing one is no flaw: environments do without it.

    A link may name the place where the store was before it was moved. That is no flaw, either.
    """
    found = []
    own = "/".join(path.replace(os.sep, "/").split("/")[-2:])
    for inside in prelinks.linked(document):
        target = links.read_link(paths.ready(path, inside))
        if target and not target.endswith(f"/{own}/{inside}"):
            found.append(Flaw("altered", f"{paths.READY}/{os.path.basename(paths.ready(path, inside))}"))
    for name, content in prelinks.contents(path, document).items():
        place = f"{path}/{paths.READY}/{name}"
        with contextlib.suppress(FileNotFoundError):
            if not permissions.is_readable(os.lstat(place), root_stat=root_stat):
                found.append(Flaw("mode", f"{paths.READY}/{name}"))
            if not _holds(place, content):
                found.append(Flaw("altered", f"{paths.READY}/{name}"))
    return found


def _holds(path: str, content: bytes) -> bool:
    try:
        return files.read_regular(path, most_bytes=len(content)) == content
    except PermissionError:
        return True  # the bytes are unknown, and the mode is a flaw already
    except ValueError:
        return False


def _flaws_of_folder(
    status: os.stat_result, shown: str, *, root_stat: os.stat_result, is_bytecode: bool, is_read_only: bool
) -> list[Flaw]:
    """Return the flaws of one folder. Older pepips made every folder read-only, which is no flaw."""
    if sys.platform == "win32":
        return []
    mode = stat.S_IMODE(status.st_mode)
    found = []
    needed = 0o500 | (root_stat.st_mode & 0o055)
    if mode & needed != needed or (mode & (_WRITE_BITS if is_read_only else _OTHERS_WRITE) and not is_bytecode):
        found.append(Flaw("mode", shown))
    if status.st_mtime_ns != SEALED_AT_NS and not is_bytecode:
        found.append(Flaw("touched", shown))
    return found


def _flaws_of_file(
    place: str,
    shown: str,
    status: os.stat_result,
    row: record.Row | None,
    *,
    root_stat: os.stat_result,
    is_listed: bool,
    is_executable: bool,
    serves_others: bool,
    unread_until_ns: int,
) -> list[Flaw]:
    """Return the flaws of one file. Unless the store `serves_others`, the file's group may be able to write it.

    If the file was not read when it was stored, `unread_until_ns` is the time of its last modification, or later.
    """
    if stat.S_ISLNK(status.st_mode):
        return [Flaw("link", shown)]
    if not is_listed:
        return [Flaw("added", shown)]
    if not stat.S_ISREG(status.st_mode):
        return [Flaw("altered", shown)]
    found = []
    mode = stat.S_IMODE(status.st_mode)
    is_writable = permissions.too_writable(mode, serves_others=serves_others)
    is_readable = mode & 0o400 and permissions.is_readable(status, root_stat=root_stat)
    if sys.platform != "win32" and (not is_readable or is_writable or (is_executable and not mode & 0o100)):
        found.append(Flaw("mode", shown))
    if row is not None and mode & 0o400 and not record.matches(row, place):
        is_unproven = status.st_mtime_ns <= unread_until_ns and record.may_match(row, status.st_size)
        found.append(Flaw(UNPROVEN if is_unproven else "altered", shown))
    return found


_MOST_BYTES = 1 << 30
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_WRITE_BITS = stat.S_IWUSR | _OTHERS_WRITE
