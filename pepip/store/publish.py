"""Makes entries from unpacked wheels that `proving` has compared with RECORD: lay out, describe, seal, rename.

An entry has the files, folders, names and modes of the wheel that lies unpacked in uv's cache, with the wheel's own
RECORD. After a failure only the staging folder has changed, but `publish` may have moved an old entry to the trash.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import sys
import time

from pepip import paths, urls
from pepip.errors import CorruptEntryError, InvalidWheelError, StoreError
from pepip.fast_namedtuple import NamedTuple
from pepip.host import exchange, files, links, permissions
from pepip.store import document as documents
from pepip.store import entries, prelinks, staging, trash
from pepip.store.document import Document
from pepip.wheel import footprint, libraries, module_folders, record, tags

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from pepip.host.transfer import Transfer
    from pepip.model import Artifact, Entry
    from pepip.store.proving import ProvenWheel
    from pepip.store.root import Store
    from pepip.store.staged import StagedWheel, WheelFile, WheelTree
    from pepip.wheel.digest_cache import DigestCache
    from pepip.wheel.footprint import Footprint


class Prepared(NamedTuple):
    """A distribution in the folder `workshop`, checked and sealed. One rename of that folder publishes it."""

    workshop: str
    document: Document


def prepare(
    store: Store, wheel: ProvenWheel, *, workshop: str, digest_cache: DigestCache, transfer: Transfer
) -> Prepared:
    """Lay out an unpacked wheel in the new folder `workshop`, as it will lie in the store.

    Raises InvalidWheelError if the wheel can't become an entry, OSError if the disk is full.
    """
    staged, tree, proof = wheel.staged, wheel.tree, wheel.proof
    for name in (paths.ENTRY_METADATA, paths.READY):
        if os.path.lexists(f"{staged.wheel}/{name}"):
            raise InvalidWheelError(f"{staged.name} {staged.version} has a file named {name}, which pepip reserves")
    make_folders(store, workshop, tree)
    own = transfer.tree(staged.wheel, workshop, tree.files, in_turn=not store.is_remote)
    if own and proof.unread_until_ns and not transfer.keeps_times:
        wheel = wheel._replace(proof=proof._replace(unread_until_ns=_time_at(workshop)))
    document = _describe(workshop, wheel, digest_cache, modes_are_uvs=len(own) < len(tree.files))
    mode = permissions.sealed_mode(root_stat=store.root_stat)
    files.create(documents.place_of(workshop), documents.dump(document).encode(), mode=mode)
    seal(store, workshop, tree, own)
    return Prepared(workshop, document)


def make_folders(store: Store, workshop: str, tree: WheelTree) -> None:
    """Make the new folder `workshop`, and the folders of a wheel in it."""
    mode = permissions.unsealed_mode(root_stat=store.root_stat)
    os.mkdir(workshop, mode)
    by_depth: dict[int, list[str]] = {}
    for folder in filter(None, tree.folders):
        by_depth.setdefault(folder.count("/"), []).append(f"{workshop}/{folder}")
    for _, folders in sorted(by_depth.items()):
        store.each(lambda folder: os.mkdir(folder, mode), folders)


def _time_at(folder: str) -> int:
    """Return a time, in nanoseconds, that is not before the last write to any file in a folder.

    The clock of another machine, which stamps the files there, may be ahead of this one.
    """
    os.utime(folder)
    return max(os.stat(folder).st_mtime_ns, time.time_ns())


def _describe(workshop: str, wheel: ProvenWheel, digest_cache: DigestCache, *, modes_are_uvs: bool) -> Document:
    """Return the entry's document, which has everything that linking needs.

    The wheel is read in uv's cache, which lies nearer than a store on a network file system. RECORD is read in
    `workshop`: somebody could have changed the RECORD in uv's cache after it was copied.
    """
    staged, tree, proof, artifact, launchers = wheel
    files = _files_outside_data(staged, tree)
    shape = _footprint_of(staged, tree, files, digest_cache)
    hollow = _hollow_folders(tree)
    data = _data_of(staged, tree, hollow)
    with open(f"{workshop}/{staged.dist_info}/RECORD", "rb") as file:
        rows = file.read()
    is_plain = not (launchers or data or staged.metadata or artifact.local_path or artifact.direct_url)
    return Document(
        name=staged.name,
        version=artifact.version or staged.version,
        identity=artifact.identity,
        origin=_origin(artifact),
        package=json.loads(urls.without_credentials(json.dumps(artifact.package))),
        tag=tag_of(f"{staged.wheel}/{staged.dist_info}/WHEEL", artifact),
        dist_info=staged.dist_info,
        directories=shape.directories,
        files=shape.files,
        opened=shape.opened,
        namespaces=shape.namespaces,
        bytecode=shape.bytecode,
        compiled=tuple(path for path, _ in files if f"/{paths.PYCACHE}/" in path),
        executables=tuple(path for path, status in files if status.st_mode & 0o100),
        data=data,
        launchers=launchers,
        metadata=staged.metadata,
        record=record.hexadecimal(rows),
        digests=proof.digests,
        unread_until_ns=proof.unread_until_ns,
        absent=proof.absent,
        unlisted=proof.unlisted,
        empty=tuple(hollow),
        record_is_shared=is_plain,
        modes_are_uvs=modes_are_uvs,
        size_bytes=_allocated_bytes([status for _, status in tree.files]),
        file_count=len(tree.files),
        stored_at=int(time.time()),
    )


def _files_outside_data(staged: StagedWheel, tree: WheelTree) -> Sequence[WheelFile]:
    """Return the files of a wheel that are installed in site-packages."""
    if staged.data_folder not in tree.folders:
        return tree.files
    return [file for file in tree.files if not file.path.startswith(f"{staged.data_folder}/")]


def _footprint_of(
    staged: StagedWheel, tree: WheelTree, files: Iterable[WheelFile], digest_cache: DigestCache
) -> Footprint:
    """Return the footprint of a wheel, whose `files` are those outside its `.data` folder."""
    run_paths = {
        path: digest_cache.run_paths(f"{staged.wheel}/{path}", status)
        for path, status in files
        if (".so" in path or libraries.HAVE_OTHER_NAMES) and libraries.is_library_name(path)
    }
    return footprint.compute(
        staged.wheel,
        footprint.without(tree.folders[""], staged.data_folder, staged.dist_info, record.MADE_BY_INSTALLER),
        dist_info=staged.dist_info,
        escaping_libraries=libraries.leaving(staged.wheel, run_paths),
    )


def _hollow_folders(tree: WheelTree) -> Collection[str]:
    """Return the folders of a wheel that hold no file, not even in a folder below."""
    filled = {folder for folder, content in tree.folders.items() if None in content.values()}
    above_filled = {above for folder in filled for above in paths.ancestors(folder)}
    return tree.folders.keys() - filled - above_filled - {""}


def _data_of(staged: StagedWheel, tree: WheelTree, hollow: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return the scheme and the path of each file and each `hollow` folder below the `.data` folder, sorted.

    A hollow folder has no file in it or below it. Raises InvalidWheelError if a path is in no known scheme.
    """
    prefix = f"{staged.data_folder}/"
    inside = [path[len(prefix) :] for path, _ in tree.files if path.startswith(prefix)]
    below = (folder[len(prefix) :] for folder in hollow if folder.startswith(prefix))
    inside += [f"{path}/" for path in below if "/" in path]
    found = []
    for path in inside:
        scheme, slash, rest = path.partition("/")
        if not slash or scheme not in documents.SCHEMES:
            shown = f"{prefix}{path}"
            raise InvalidWheelError(f"{staged.name} {staged.version} has {shown}, which is in no known scheme")
        found.append((scheme, rest))
    return tuple(sorted(found))


def _allocated_bytes(statuses: Sequence[os.stat_result]) -> int:
    if sys.platform == "win32":
        return sum([-(-status.st_size // 512) for status in statuses]) * 512
    return sum([status.st_blocks for status in statuses]) * 512


def _origin(artifact: Artifact) -> str:
    """Return the origin of an entry for people: the name of a file, or a URL."""
    package = artifact.package
    if artifact.wheel:
        return artifact.wheel
    if "vcs" in package:
        vcs = package["vcs"]
        return urls.without_credentials(f"{vcs['type']}+{vcs['url']}@{vcs['commit-id']}")
    source = package.get("archive") or package.get("sdist") or {}
    return urls.without_credentials(str(source.get("url", artifact.name)))


def tag_of(wheel_file: str, artifact: Artifact) -> str:
    """Return the tag that decides the bucket: from the wheel's name, or from its WHEEL file if uv has built it.

    Raises InvalidWheelError if the WHEEL file has no tag.
    """
    if artifact.wheel:
        return tags.tag_of_file_name(artifact.wheel)
    with open(wheel_file, encoding="utf-8", errors="replace") as file:
        pairs = [line.partition(":")[::2] for line in file]
    found = [value.strip().split("-") for key, value in pairs if key.strip().lower() == "tag"]
    if not found or any(len(tag) != 3 for tag in found):
        raise InvalidWheelError(f"the WHEEL file of {artifact.name} has no tag")
    return "-".join(".".join(dict.fromkeys(parts)) for parts in zip(*found, strict=True))


def seal(store: Store, workshop: str, tree: WheelTree, own: set[str]) -> None:
    """Give every folder with modules its `__pycache__`, and set the modes of all files and folders.

    `workshop` itself stays writable until its rename. The files in `own` share no inode with uv's cache. The folders
    must still have the mode and group with which `make_folders` made them: those of `workshop`.
    """
    root_stat, made, serves_others = store.root_stat, os.stat(workshop), store.serves_others
    sealed: set[tuple[int, int, bool]] = set()  # kinds of files that have the right mode and group already
    for path, status in tree.files:
        kind = (status.st_mode, status.st_gid, path in own)
        if kind not in sealed and not permissions.share_file(
            f"{workshop}/{path}",
            status,
            root_stat=root_stat,
            shares_inode=path not in own,
            serves_others=serves_others,
        ):
            sealed.add(kind)
    permissions.seal_file(documents.place_of(workshop), root_stat=root_stat)
    read_only = module_folders.find(tree.folders[""])
    mode = permissions.unsealed_mode(root_stat=root_stat)

    def finish(folder: str) -> None:
        path, content = f"{workshop}/{folder}" if folder else workshop, tree.folders[folder]
        if os.path.basename(folder) == paths.PYCACHE:
            permissions.unseal_folder(path, root_stat=root_stat, status=made)
            return
        if footprint.has_modules(content) and paths.PYCACHE not in content:
            os.mkdir(f"{path}/{paths.PYCACHE}", mode)
            permissions.unseal_folder(f"{path}/{paths.PYCACHE}", root_stat=root_stat, status=made)
        os.utime(path, ns=(entries.SEALED_AT_NS, entries.SEALED_AT_NS))
        if folder in read_only:
            permissions.seal_folder(path, root_stat=root_stat, status=made)
        elif folder:
            permissions.unseal_folder(path, root_stat=root_stat, status=made)

    # In any order: nothing that `finish` does to a folder changes the time of the folder above it.
    store.each(finish, tree.folders)


def publish(store: Store, prepared: Prepared, *, replacing: str = "") -> Entry:
    """Publish a prepared distribution by one rename, and return its entry. If a whole entry exists, return that one.

    The entry gets its plain name, or a name with a hash if the plain name is taken: by another wheel, by a damaged
    entry that only another user may remove, or by an entry of a newer pepip. `replacing` is the path of an entry of
    the same identity, whole or damaged, in the bucket of the wheel's tag. The new entry takes the place of the old
    one in one step, where the system can do that, and the old one goes to the trash.
    Raises StoreError if both names are taken, or if this user may not write there.
    """
    workshop, document = prepared
    bucket = os.path.basename(os.path.dirname(replacing))
    if bucket.partition("~")[0] != tags.bucket(document.tag):
        bucket = store.make_bucket(tags.bucket(document.tag))
    folder = f"{paths.packages(store.root)}/{bucket}"
    identity = document.identity
    names: Sequence[str] = entries.folder_names(document.name, document.version, identity)
    if os.path.dirname(replacing) == folder:
        names = (os.path.basename(replacing),)
    for name in names:
        place, is_last = f"{folder}/{name}", name == names[-1]
        inode = links.inode_at(place)
        if inode and place != replacing:
            existing = _existing(store, f"{bucket}/{name}")
            if existing and existing.identity == identity and _is_usable(store, existing):
                complete(store, existing)
                return existing
            # An unreadable entry may belong to another wheel. Keep it while another name is left to try;
            # `store repair` decides.
            if not (
                existing.identity == identity if existing else is_last and not documents.is_of_newer_format(place)
            ):
                continue
        prelinks.make(workshop, place, document, root_stat=store.root_stat)
        try:
            is_done = _replace(store, workshop, place, inode) if inode else _appear(store, workshop, place)
        except StoreError as error:
            if is_last or not isinstance(error.__cause__, PermissionError):
                raise
            continue
        if not is_done:
            return publish(store, prepared, replacing=replacing)  # another process was first: start again
        return entries.read(store, f"{bucket}/{name}")
    raise StoreError(f"the store entries {' and '.join(names)} of {folder} belong to other wheels")


def _appear(store: Store, workshop: str, place: str) -> bool:
    """Rename the entry in `workshop` to `place`. Return False if a folder is there. Raises StoreError."""
    try:
        with permissions.sealing(workshop, root_stat=store.root_stat):
            os.rename(workshop, place)
    except OSError as error:
        if os.path.isdir(place):
            return False
        raise store.refusal(place, error) from error
    return True


def _replace(store: Store, workshop: str, place: str, inode: int) -> bool:
    """Exchange the entry at `place`, which has this inode, for the one in `workshop`.

    Other processes read and link the entry meanwhile. Return False if another one is there. Raises StoreError if the
    entry can't be exchanged, with a PermissionError as its cause if it is another user's.
    """
    with staging.changing(store, place):
        if links.inode_at(place) != inode:
            return False
        try:
            with permissions.sealing(workshop, root_stat=store.root_stat), permissions.writable(store.root, place):
                exchange.exchange(workshop, place)
        except OSError as error:
            raise trash.refusal(store, place, error) from error
    trash.discard_replaced(store, workshop, place)
    return True


def _is_usable(store: Store, entry: Entry) -> bool:
    return store.trusts_entry(entry.path) and entries.is_whole(entry)


def _existing(store: Store, entry_id: str) -> Entry | None:
    """Return an entry, None if it does not exist or can't be read."""
    try:
        return entries.read(store, entry_id)
    except (FileNotFoundError, CorruptEntryError):
        return None


def complete(store: Store, entry: Entry) -> None:
    """Seal an entry that a killed run published but did not seal.

    A run that moves an entry opens it for a moment, and would fail if another run sealed it meanwhile.
    """
    if os.stat(entry.path).st_mode & stat.S_IWUSR:
        with staging.changing(store, entry.path), contextlib.suppress(PermissionError, FileNotFoundError):
            # A PermissionError: it is another user's entry, and that user's next run seals it.
            permissions.seal_folder(entry.path, root_stat=store.root_stat)
