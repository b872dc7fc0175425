"""Publishing staged distributions as entries: check against RECORD, carve, seal, rename.

uv stages several wheels into one prefix, as it would install them. This module makes of each distribution that was
found there an unpacked wheel again. Whatever fails, nothing but the staging folder has changed.
"""

from __future__ import annotations

import contextlib
import json
import os
import time

from pepip import paths
from pepip.errors import CorruptEntryError, InvalidWheelError, RecordMismatchError, StoreError
from pepip.host import launchers as host_launchers
from pepip.host import permissions
from pepip.records import NamedTuple
from pepip.store import entries, ready, trash
from pepip.wheel import footprint, libraries, record, scripts, tags

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pepip.model import Artifact, Entry
    from pepip.store.discovery import Stage, Staged
    from pepip.store.home import Store
    from pepip.wheel.seen import Seen


class Prepared(NamedTuple):
    """A distribution that is carved, checked and sealed in `workshop`, and only has to be renamed into the store."""

    workshop: str
    document: dict[str, object]


def prepare(
    store: Store,
    stage: Stage,
    staged: Staged,
    artifact: Artifact,
    *,
    python: str,
    alone: bool,
    whole: Collection[str] = (),
) -> Prepared:
    """Shape one staged distribution into an entry, still in the staging area.

    `python` is the interpreter that the staged scripts start. With `alone`, every file of the stage is the
    distribution's, listed in RECORD or not. The folders in `whole` are moved as they are: those that it has alone.
    Raises RecordMismatchError or InvalidWheelError; nothing is kept then.
    """
    differing = _differing(stage, staged)
    if differing:
        raise RecordMismatchError(staged.name, differing)
    files = list(dict.fromkeys([*staged.files, *stage.files])) if alone else staged.files
    workshop = f"{stage.prefix}.{staged.name}"
    os.mkdir(workshop)
    carved = _carve(stage, workshop, staged, files, python=python, whole=whole)
    tree = _survey(workshop, carved)
    document = _describe(workshop, staged, artifact, carved, tree=tree, seen=stage.seen)
    with open(f"{workshop}/{paths.ENTRY_METADATA}", "w", encoding="utf-8") as file:
        json.dump(document, file, separators=(",", ":"))
    tree[0].files.append((paths.ENTRY_METADATA, os.lstat(file.name)))
    _seal(store, workshop, tree)
    return Prepared(workshop, document)


def _differing(stage: Stage, staged: Staged) -> list[str]:
    """Return the rows whose file is missing or has another hash."""
    found = []
    for path, row in staged.rows.items():
        if not row.hash_value:
            continue
        place, known = f"{stage.prefix}/{path}", stage.seen.digest(stage.files.get(path))
        is_other = not record.matches(row, place, known)
        if is_other and known is not None:  # of another file, where inodes say too little: what is there decides
            stage.seen.forget(stage.files[path])
            is_other = not record.matches(row, place)
        if is_other:
            found.append(row.path)
    return found


def _carve(
    stage: Stage, workshop: str, staged: Staged, files: list[str], *, python: str, whole: Collection[str]
) -> _Carved:
    """Move a distribution's files into the shape of an unpacked wheel."""
    prefix = stage.prefix
    site_packages = staged.site_packages
    dist_info = staged.dist_info.rpartition("/")[2]
    data_directory = dist_info.removesuffix(".dist-info") + ".data"
    declared = _declared_scripts(f"{prefix}/{staged.dist_info}", staged)
    own = record.own_metadata(dist_info)
    launchers: dict[str, str] = {}
    data: list[tuple[str, str]] = []
    rows: list[record.Row] = []
    statuses: dict[str, os.stat_result] = {}
    made: set[str] = set()
    start = len(site_packages) + 1
    for path in files:
        row = staged.rows.get(path)
        source = f"{prefix}/{path}"
        if path.startswith(site_packages + "/"):
            inside = path[start:]
            if inside in own:
                continue  # the environment's own, never the entry's
            top = inside.partition("/")[0]
            if path[: start + len(top)] not in whole or top == dist_info:
                _move(source, f"{workshop}/{inside}", made)
            elif top not in made:
                os.rename(f"{prefix}/{site_packages}/{top}", f"{workshop}/{top}")
                made.add(top)
            if path in stage.files:
                statuses[inside] = stage.files[path]
            if row:
                rows.append(row if row.path == inside else row._replace(path=inside))
            continue
        scheme, inside = _scheme_of(path, staged.name)
        if scheme == "scripts" and inside in declared:
            launchers[inside] = "" if host_launchers.ARE_PROGRAMS else _launcher_body(source)
            continue
        restored = _restored_script(source, python) if scheme == "scripts" else None
        target = f"{workshop}/{data_directory}/{scheme}/{inside}"
        _move(source, target, made)
        data.append((scheme, inside))
        if restored is not None:
            mode = os.stat(target).st_mode
            os.unlink(target)
            with open(target, "wb") as file:
                file.write(restored)
            os.chmod(target, mode)
            row = record.row_of("", restored)
        if row:
            rows.append(row._replace(path=f"{data_directory}/{scheme}/{inside}"))
    rows.append(record.Row(f"{dist_info}/RECORD", "", ""))
    with open(f"{workshop}/{dist_info}/RECORD", "w", encoding="utf-8", errors="surrogateescape", newline="") as text:
        text.write(record.render(rows))
    os.chmod(f"{workshop}/{dist_info}/RECORD", os.stat(f"{prefix}/{staged.dist_info}/RECORD").st_mode)
    return _Carved(launchers, data, {row.path for row in rows}, statuses)


def _declared_scripts(dist_info: str, staged: Staged) -> set[str]:
    try:
        with open(f"{dist_info}/entry_points.txt", encoding="utf-8") as file:
            names = {point.name for point in scripts.entry_points(file.read())}
    except FileNotFoundError:
        return set()
    for name in names:
        if not scripts.is_script_name(name):
            raise InvalidWheelError(f"{staged.name} declares a script with the name {name!r}")
    return {host_launchers.file_name(name) for name in names}


def _launcher_body(path: str) -> str:
    with open(path, "rb") as file:
        return scripts.body(file.read()).decode("utf-8")


def _scheme_of(path: str, name: str) -> tuple[str, str]:
    """Return the `.data` scheme of a file outside of site-packages, and its path in that scheme."""
    parts = path.split("/")
    if parts[0] in {"bin", "Scripts"} and len(parts) == 2:
        return "scripts", parts[1]
    if len(parts) > 4 and parts[0].lower() == "include" and parts[1] == "site" and parts[3] == name:
        return "headers", "/".join(parts[4:])
    return "data", path


def _restored_script(path: str, python: str) -> bytes | None:
    """Return the script as the wheel has it, with `#!python`, or None if uv changed nothing in it."""
    if os.path.getsize(path) > 1 << 20:
        return None
    with open(path, "rb") as file:
        rest = scripts.split_shebang(file.read(), python)
    return None if rest is None else b"#!python" + rest


def _move(source: str, target: str, made: set[str]) -> None:
    folder = os.path.dirname(target)
    if folder not in made:
        os.makedirs(folder, exist_ok=True)
        made.add(folder)
    os.rename(source, target)


class _Carved(NamedTuple):
    """What an entry will hold: launchers by name, data files with their scheme, and the paths that RECORD lists.

    `statuses` are those of its files, as far as they are known.
    """

    launchers: dict[str, str]
    data: list[tuple[str, str]]
    listed: set[str]
    statuses: dict[str, os.stat_result]


class _Folder(NamedTuple):
    """A folder of an entry that grows: its path relative to the entry, empty for the entry itself, and its files."""

    path: str
    folders: list[str]
    files: list[tuple[str, os.stat_result]]

    def place(self, name: str) -> str:
        """Return the path of what has this name in the folder."""
        return f"{self.path}/{name}" if self.path else name


def _survey(workshop: str, carved: _Carved) -> list[_Folder]:
    """Return all folders, each before those in it. Bytecode that is of no wheel is removed."""
    tree = []
    for folder, folders, files in os.walk(workshop):
        found = _Folder(folder[len(workshop) + 1 :].replace(os.sep, "/"), folders, [])
        is_bytecode = os.path.basename(folder) == paths.PYCACHE
        for name in files:
            path = found.place(name)
            if is_bytecode and path not in carved.listed:
                os.unlink(f"{folder}/{name}")
            else:
                found.files.append((name, carved.statuses.get(path) or os.lstat(f"{folder}/{name}")))
        tree.append(found)
    return tree


def _describe(
    workshop: str,
    staged: Staged,
    artifact: Artifact,
    carved: _Carved,
    *,
    tree: list[_Folder],
    seen: Seen,
) -> dict[str, object]:
    """Return the entry's own metadata: all that linking will need."""
    dist_info = staged.dist_info.rpartition("/")[2]
    data_directory = dist_info.removesuffix(".dist-info") + ".data"
    found: dict[str, os.stat_result] = {}
    size_bytes = 0
    modes_are_uvs = False
    for folder in tree:
        is_data = folder.path.partition("/")[0] == data_directory
        for name, status in folder.files:
            modes_are_uvs = modes_are_uvs or status.st_nlink > 1
            size_bytes += getattr(status, "st_blocks", -(-status.st_size // 512)) * 512
            if not is_data:
                found[folder.place(name)] = status
    own = {f"{dist_info}/RECORD"}
    run_paths = {
        path: seen.run_paths(f"{workshop}/{path}", status)
        for path, status in found.items()
        if libraries.is_library_name(path)
    }
    shape = footprint.compute(
        workshop,
        [path for path in sorted(found) if path not in own],
        dist_info=dist_info,
        escaping_libraries=libraries.leaving(workshop, run_paths),
    )
    return {
        "format": entries.FORMAT,
        "name": staged.name,
        "version": artifact.version or staged.version,
        "identity": artifact.identity,
        "origin": artifact.wheel or paths.without_password(artifact.requirement),
        "requirement": paths.without_password(artifact.by_url or artifact.requirement),
        "record": record.digest(f"{workshop}/{dist_info}/RECORD", "sha256").hex(),
        "modes_are_uvs": modes_are_uvs,
        "record_is_shared": not (carved.launchers or carved.data or artifact.local_path or artifact.direct_url),
        "tag": _tag(f"{workshop}/{dist_info}/WHEEL", artifact),
        "dist_info": dist_info,
        "directories": shape.directories,
        "files": shape.files,
        "opened": shape.opened,
        "namespaces": shape.namespaces,
        "bytecode": shape.bytecode,
        "executables": [path for path, status in found.items() if status.st_mode & 0o100],
        "unlisted": [path for path in found if path not in carved.listed],
        "compiled": [path for path in found if f"/{paths.PYCACHE}/" in path],
        "data": sorted(carved.data),
        "launchers": carved.launchers,
        "size_bytes": size_bytes,
        "file_count": len(found) + len(carved.data),
        "stored_at": int(time.time()),
    }


def _tag(wheel_file: str, artifact: Artifact) -> str:
    """Return the tag that decides the bucket: of the wheel's name, or of its WHEEL file if it was built here."""
    if artifact.wheel:
        return tags.of_filename(artifact.wheel)
    with open(wheel_file, encoding="utf-8") as file:
        for line in file:
            key, _, value = line.partition(":")
            if key.strip().lower() == "tag":
                return value.strip()
    raise InvalidWheelError(f"the WHEEL file of {artifact.name} has no tag")


def _seal(store: Store, workshop: str, tree: list[_Folder]) -> None:
    """Give every folder with modules its `__pycache__`, then make all else read-only, from the innermost on."""
    like = store.like
    sealed: set[tuple[int, ...]] = set()  # by what decides
    for path, folders, files in reversed(tree):
        folder = f"{workshop}/{path}" if path else workshop
        if os.path.basename(folder) == paths.PYCACHE:
            permissions.open_directory(folder, like=like)
            continue
        for name, status in files:
            kind = (status.st_mode, status.st_gid, status.st_nlink > 1)
            if kind not in sealed and not permissions.seal_file(f"{folder}/{name}", status, like=like):
                sealed.add(kind)
        if paths.PYCACHE not in folders and any(name.endswith(".py") for name, _ in files):
            os.mkdir(f"{folder}/{paths.PYCACHE}")
            permissions.open_directory(f"{folder}/{paths.PYCACHE}", like=like)
        os.utime(folder, ns=(entries.SEALED_AT_NS, entries.SEALED_AT_NS))
        if path:
            permissions.seal_directory(folder, like=like)


def publish(store: Store, prepared: Prepared, *, replacing: str = "") -> Entry:
    """Publish a prepared distribution by one rename, and return its entry. A whole entry that exists is returned.

    It gets its plain name, or one with a hash where another wheel has that, or a damaged entry which only another
    user may remove. `replacing` is the path of an entry of the same identity whose place it takes, whole or not; that
    goes to the trash.
    """
    workshop, document = prepared
    bucket = tags.bucket(str(document["tag"]))
    folder = f"{paths.packages(store.home)}/{bucket}"
    store.make_directory(folder)
    identity = str(document["identity"])
    names: Sequence[str] = entries.folder_names(str(document["name"]), str(document["version"]), identity)
    if os.path.dirname(replacing) == folder:
        names = (os.path.basename(replacing),)
    for name in names:
        place, is_last = f"{folder}/{name}", name == names[-1]
        if os.path.isdir(place):  # asked once: what comes there from now on makes the rename fail
            if place != replacing:
                existing = _existing(store, f"{bucket}/{name}")
                if existing and existing.identity == identity and entries.is_whole(existing):
                    return existing
                # Whose it was that can't be read can't be known: it is left for a repair where it may be.
                if not (existing.identity == identity if existing else is_last):
                    continue
            if not _discarded(store, place, may_stay=not is_last):
                continue
        ready.make(workshop, place, document, like=store.like)
        try:
            os.rename(workshop, place)
        except OSError as error:
            if not os.path.isdir(place):
                raise store.refusal(place, error) from error
            return publish(store, prepared, replacing=replacing)  # another process was first: look again
        permissions.seal_directory(place, like=store.like)
        return entries.read(store, f"{bucket}/{name}")
    raise StoreError(f"the store entries {' and '.join(names)} of {folder} belong to other wheels")


def _existing(store: Store, entry_id: str) -> Entry | None:
    """Return an entry, None if there is none or it can't be read."""
    try:
        return entries.read(store, entry_id)
    except (FileNotFoundError, CorruptEntryError):
        return None


def _discarded(store: Store, place: str, *, may_stay: bool) -> bool:
    """Discard the entry at `place`. Returns False if only another user may do so, and it `may_stay`.

    Raises StoreError if it can't be discarded and may not stay.
    """
    try:
        trash.discard(store, place)
    except StoreError as error:
        if may_stay and isinstance(error.__cause__, PermissionError):
            return False
        raise
    return True


def complete(store: Store, entry: Entry) -> None:
    """Seal an entry that a killed run had published and not sealed yet."""
    with contextlib.suppress(PermissionError):  # another user's: that user's next run seals it
        permissions.seal_directory(entry.path, like=store.like)
