"""Replaces the links to an entry by copies: real, writable files of the environment."""

from __future__ import annotations

import contextlib
import json
import os
import stat

from pepip import paths
from pepip.environment import metadata
from pepip.errors import VenvError
from pepip.fast_namedtuple import NamedTuple
from pepip.host import filesystems, links, transfer
from pepip.host.files import RECORD_BYTES, create, load_json, read_regular
from pepip.plan.merge import data_path
from pepip.wheel import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.model import Entry, Environment


class Copies(NamedTuple):
    """A distribution whose files were all copied into the folder of copies, to replace its links.

    `files` are relative to the environment. Files of the `.dist-info` folder are not among them: that folder is moved
    whole, and last. `folders`, relative to site-packages, will hold the files, so they must be real folders.
    """

    name: str
    dist_info: str
    files: tuple[str, ...]
    folders: tuple[str, ...]


def prepare(environment: Environment, entry: Entry) -> Copies:
    """Copy an entry into the folder of copies, laid out as in the environment, with the environment's own metadata.

    Raises OSError if the disk is full. After any error the folder of copies is removed, and the environment is
    unchanged.
    """
    scratch = paths.copies(environment.root)
    discard(environment.root)
    try:
        copies = _copy(environment, entry, scratch)
        create(f"{scratch}/{_READY}.new", json.dumps(copies).encode())
        os.rename(f"{scratch}/{_READY}.new", f"{scratch}/{_READY}")
    except BaseException:
        filesystems.remove_tree(scratch)
        raise
    return copies


def pending(root: str) -> Copies | None:
    """Return the copies that a killed run had completed, but not moved to all places. None if there are none."""
    if links.read_link(paths.copies(root)):
        return None
    try:
        return load(read_regular(f"{paths.copies(root)}/{_READY}", most_bytes=RECORD_BYTES))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def load(content: bytes) -> Copies:
    """Return the copies that a note describes.

    Raises ValueError if `prepare` can't have written the note, or if a path in it leads out of the environment.
    """
    row = load_json(content)
    if not isinstance(row, list) or len(row) != 4:
        raise ValueError("copies are noted in four fields")
    name, dist_info, files, folders = row
    if not (isinstance(name, str) and isinstance(dist_info, str) and isinstance(files, list)):
        raise ValueError("a distribution has a name, metadata and files")
    is_metadata = dist_info.endswith(".dist-info") and "/" not in dist_info and paths.is_inside(dist_info)
    listed = [*files, *folders] if isinstance(folders, list) else [None]
    if not is_metadata or not all(isinstance(path, str) and paths.is_inside(path) for path in listed):
        raise ValueError("copies lie in the environment")
    return Copies(name, dist_info, tuple(files), tuple(folders))


def is_begun(root: str) -> bool:
    """Tell whether a run began to copy an entry and has not placed all files."""
    return os.path.lexists(paths.copies(root))


def place(environment: Environment, copies: Copies) -> None:
    """Move the copies to their places, from which the links were removed before. Idempotent.

    Copies that can't be removed afterwards are no error: the next command tries again. Raises VenvError if a
    folder above a file is a link. The remaining copies are then removed.
    """
    scratch = paths.copies(environment.root)
    base = environment.interpreter.site_packages
    is_real = dict.fromkeys((*paths.ancestors(base), base), True)  # these may be links: every installer follows them
    for path in copies.files:
        if os.path.lexists(f"{scratch}/{path}"):
            if not (
                links.is_below_real_folders(environment.root, path, is_real)
                and links.is_below_real_folders(scratch, path, {})
            ):
                discard(environment.root)
                raise VenvError(f"cannot write {environment.root}/{path}: a folder above it is a link")
            os.makedirs(os.path.dirname(f"{environment.root}/{path}"), exist_ok=True)
            os.replace(f"{scratch}/{path}", f"{environment.root}/{path}")
    folder = f"{environment.interpreter.site_packages}/{copies.dist_info}"
    if not is_placed(environment, copies):
        os.rename(f"{scratch}/{folder}", f"{environment.root}/{folder}")
    with contextlib.suppress(OSError):
        discard(environment.root)


def is_placed(environment: Environment, copies: Copies) -> bool:
    """Tell whether the `.dist-info` folder of the copies, which is moved last, is in its place."""
    folder = f"{environment.interpreter.site_packages}/{copies.dist_info}"
    return not os.path.lexists(f"{paths.copies(environment.root)}/{folder}")


def discard(root: str) -> None:
    """Remove the folder of copies. If it is a link, remove the link and never its target."""
    if links.read_link(paths.copies(root)):
        links.unlink(paths.copies(root))
    filesystems.remove_tree(paths.copies(root))


_READY = "ready.json"


def _copy(environment: Environment, entry: Entry, scratch: str) -> Copies:
    base = environment.interpreter.site_packages
    data = entry.data_directory + "/"
    files = []
    for folder, _, names in links.walk(entry.path):
        inside = os.path.relpath(folder, entry.path).replace(os.sep, "/")
        if inside == paths.READY:
            continue
        is_bytecode = os.path.basename(folder) == paths.PYCACHE
        for name in names:
            path = name if inside == "." else f"{inside}/{name}"
            if path in {paths.ENTRY_METADATA, f"{entry.dist_info}/RECORD"}:
                continue
            if is_bytecode and path not in entry.compiled:
                continue
            if path.startswith(data):
                scheme, _, rest = path[len(data) :].partition("/")
                if scheme == "scripts":
                    continue
                shown = data_path(scheme, rest, environment.interpreter, entry.name)
            else:
                shown = f"{base}/{path}"
            _copy_file(f"{folder}/{name}", f"{scratch}/{shown}")
            files.append(shown)
    files += _copy_scripts(environment, entry, scratch)
    _copy_own_metadata(environment, entry, scratch)
    outside = tuple(path for path in files if not path.startswith(f"{base}/{entry.dist_info}/"))
    below = (path[len(base) + 1 :] for path in outside if path.startswith(base + "/"))
    folders = {folder for path in below for folder in paths.ancestors(path)}
    return Copies(entry.name, entry.dist_info, outside, tuple(sorted(folders)))


def _copy_file(source: str, target: str) -> None:
    os.makedirs(os.path.dirname(target), exist_ok=True)
    transfer.Transfer(transfer.COPY).file(source, target, stat.S_IMODE(os.stat(source).st_mode) | 0o200)


def _copy_scripts(environment: Environment, entry: Entry, scratch: str) -> list[str]:
    """Copy an entry's scripts from the environment, where their first line is right, and return their paths."""
    found = []
    for name in sorted(metadata.script_names(environment, entry)):
        path = f"{environment.interpreter.scripts}/{name}"
        if os.path.exists(f"{environment.root}/{path}"):
            _copy_file(f"{environment.root}/{path}", f"{scratch}/{path}")
            found.append(path)
    return found


def _copy_own_metadata(environment: Environment, entry: Entry, scratch: str) -> None:
    """Copy the environment's own files in the `.dist-info` folder. In RECORD, drop the rows for linked folders."""
    folder = f"{environment.interpreter.site_packages}/{entry.dist_info}"
    for name in record.OWN_METADATA:
        if os.path.isfile(f"{environment.root}/{folder}/{name}"):
            _copy_file(f"{environment.root}/{folder}/{name}", f"{scratch}/{folder}/{name}")
    source = f"{environment.root}/{folder}/RECORD"
    rows = [row for row in record.read(source) if row.hash_value or _is_of_a_file(environment, row)]
    create(f"{scratch}/{folder}/RECORD", record.render(rows).encode("utf-8", "surrogateescape"))


def _is_of_a_file(environment: Environment, row: record.Row) -> bool:
    return not os.path.isdir(f"{environment.site_packages}/{row.path}")
