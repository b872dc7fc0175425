"""Makes entries from the files of an environment: lays them out as an unpacked wheel, then prepares that as usual.

If the environment is on the file system of the store, the entry gets hard links to the environment's
files, and nothing is copied.
"""

from __future__ import annotations

import contextlib
import os
import stat

from pepip import paths
from pepip.errors import CorruptEntryError, InvalidWheelError
from pepip.host import attributes, exchange, filesystems, links, permissions
from pepip.host import files as host_files
from pepip.host.transfer import Transfer
from pepip.model import Artifact
from pepip.store import archive_aliases, check, entries, entry_content, listing, proving, publish, staged, staging
from pepip.store import document as documents
from pepip.store.proving import ProvenWheel
from pepip.store.publish import Prepared
from pepip.store.staged import StagedWheel
from pepip.wheel import content_identity, record, tags
from pepip.wheel.digest_cache import DigestCache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from pepip.model import Entry
    from pepip.store.document import Document
    from pepip.store.root import Store


def find(store: Store, *, name: str, content: str) -> Entry | None:
    """Return an undamaged entry of a distribution with this content, from any archive. None if there is none."""
    for stored in (*listing.stored(store), *listing.stored_in_layers(store, name)):
        if stored.name != name or stored.state != "ok" or not store.trusts_entry(stored.path):
            continue
        try:
            if entry_content.content_of(stored.path) == content:
                entry = entries.read(store, stored.id)
                if entries.is_whole(entry) and not check.inspect(entry.path):
                    return entry
        except (OSError, ValueError, CorruptEntryError):
            continue
    return None


def lay_out(
    place: str,
    *,
    dist_info: str,
    sources: Mapping[str, str],
    texts: Mapping[str, bytes],
    hashes: Mapping[str, str],
    launchers: Mapping[str, str],
    transfer: Transfer,
) -> StagedWheel:
    """Lay out files in the new folder `place` as in their wheel, with a RECORD of these `hashes`.

    `sources` maps paths in the wheel to absolute paths. A path in `texts` is written with that content instead.
    Raises OSError if the disk is full.
    """
    os.mkdir(place)
    made = {""}
    rows = []
    copier = Transfer(may_link=False)
    for path in sorted(sources):
        for folder in paths.ancestors(path):
            if folder not in made:
                os.mkdir(f"{place}/{folder}")
                made.add(folder)
        target = f"{place}/{path}"
        if path in texts:
            host_files.create(target, texts[path], mode=0o777)
        else:
            mode = stat.S_IMODE(os.lstat(sources[path]).st_mode)
            if attributes.read(
                sources[path]
            ):  # an access list may let others write the file: take no hard link of it
                copier.file(sources[path], target, mode & ~(stat.S_IWGRP | stat.S_IWOTH))
            else:
                transfer.file(sources[path], target, mode)
        rows.append(record.Row(path, hashes[path], str(os.lstat(target).st_size)))
    rows.append(record.Row(f"{dist_info}/RECORD", "", ""))
    content = record.render(rows).encode("utf-8", "surrogateescape")
    host_files.create(f"{place}/{dist_info}/RECORD", content)
    name, version = staged.name_and_version(f"{place}/{dist_info}")
    names = frozenset(launchers)
    return StagedWheel(name, version, dist_info, place, names, names, names, {})


def prepare(
    store: Store,
    item: StagedWheel,
    content: str,
    *,
    launchers: dict[str, str],
    workshop: str,
    digest_cache: DigestCache,
    transfer: Transfer,
) -> Prepared:
    """Prepare the entry of a wheel that was laid out. Raises InvalidWheelError if it is invalid or has changed."""
    tree = staged.list_files(item.wheel)
    proof = proving.prove(item, tree, digest_cache)
    if not proof.is_as_listed:
        changed = next(iter((*proof.differing, *proof.absent)))
        raise InvalidWheelError(f"{changed} of {item.name} {item.version} changed while it was read")
    artifact = Artifact(item.name, item.version, content, {}, "", 0, None, "")
    wheel = ProvenWheel(item, tree, proof, artifact, launchers)
    return publish.prepare(store, wheel, workshop=workshop, digest_cache=digest_cache, transfer=transfer)


def take_bytecode(prepared: Prepared, sources: Mapping[str, str], transfer: Transfer) -> None:
    """Give a prepared entry the bytecode that lies beside the `sources` of its modules in an environment.

    Bytecode that another user owns, or that can't be read, is left out. Python compiles it again.
    """
    modules: dict[str, set[str]] = {}
    for path in sources:
        folder, _, name = path.rpartition("/")
        if name.endswith(".py") and os.path.dirname(sources[path]).endswith(f"/{folder}"):
            modules.setdefault(folder, set()).add(name[:-3])
    for folder, names in modules.items():
        source = f"{os.path.dirname(sources[f'{folder}/{next(iter(names))}.py'])}/{paths.PYCACHE}"
        target = f"{prepared.workshop}/{folder}/{paths.PYCACHE}"
        try:
            found = os.listdir(source) if folder and os.path.isdir(target) and not os.path.islink(source) else []
            for name in found:
                if not name.endswith(".pyc") or name.split(".")[0] not in names:
                    continue  # it may be bytecode that Python has not finished, and be gone by now
                status = os.lstat(f"{source}/{name}")
                if stat.S_ISREG(status.st_mode) and status.st_uid == host_files.user_id():
                    transfer.file(f"{source}/{name}", f"{target}/{name}", stat.S_IMODE(status.st_mode))
        except OSError:
            continue


def separate(store: Store, entry: Entry, inodes: Collection[int]) -> None:
    """Exchange an entry for one in which the files among `inodes`, those of an environment, are copies.

    Other processes may use the entry meanwhile: each of its paths exists at every moment, where the system can
    exchange two names in one step. All other files keep their inodes. Raises StoreError if the disk is full, or if
    the entry is another user's. The entry is then as before.
    """
    if not _holds_any(entry.path, inodes):
        return
    with staging.area(store) as area, staging.changing(store, entry.path):
        fresh = f"{area}/{os.path.basename(entry.path)}"
        _copy_shared(store, entry.path, fresh, inodes)
        filesystems.flush(area)
        with (
            permissions.writable(area, fresh),
            permissions.sealing(fresh, root_stat=store.root_stat),
            permissions.writable(store.root, entry.path),
        ):
            exchange.exchange(fresh, entry.path)


def _holds_any(path: str, inodes: Collection[int]) -> bool:
    """Tell whether a file of the entry at `path` is among `inodes`."""
    for folder, _, names in links.walk(path):
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # bytecode that Python was writing
                if os.lstat(f"{folder}/{name}").st_ino in inodes:
                    return True
    return False


def _copy_shared(store: Store, source: str, target: str, inodes: Collection[int]) -> None:
    """Make the new folder `target` like `source`: of files among `inodes` with copies, else with hard links.

    Bytecode that Python has not finished is left out.
    """
    root_stat = store.root_stat
    copier = Transfer(may_link=False)
    is_bytecode = os.path.basename(source) == paths.PYCACHE
    os.mkdir(target, 0o700)
    with os.scandir(source) as children:
        for child in children:
            place = f"{target}/{child.name}"
            if is_bytecode and paths.is_unfinished_bytecode(child.name):
                continue
            if child.is_dir(follow_symlinks=False):
                _copy_shared(store, child.path, place, inodes)
            elif child.is_symlink():
                if not links.share_inode(child.path, place):
                    links.symbolic_link(os.readlink(child.path), place)
            elif child.inode() in inodes:
                before = child.stat(follow_symlinks=False)
                copier.file(child.path, place, stat.S_IMODE(before.st_mode))
                permissions.share_file(
                    place, before, root_stat=root_stat, shares_inode=False, serves_others=store.serves_others
                )
            elif not links.share_inode(child.path, place):
                copier.file(child.path, place)
    status = os.lstat(source)  # a write of another tool, before this moment, shows in the new folder, too
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    if status.st_mode & stat.S_IWUSR:
        permissions.unseal_folder(target, root_stat=root_stat)
    else:
        permissions.seal_folder(target, root_stat=root_stat)


def equal_entry(store: Store, wheel: ProvenWheel) -> Entry | None:
    """Return this user's adopted entry with the same content as a staged wheel, byte by byte. None if there is none.

    Notes the artifact as an alias of that entry.
    """
    content = ""
    for entry_id, document in _candidates(store, wheel.staged, wheel.artifact):
        path = f"{paths.packages(store.root)}/{entry_id}"
        try:
            content = content or content_of(wheel)
            alike = document.identity == content and document.launchers == wheel.launchers
            if alike and wheel.proof.unread_until_ns:  # only hashes of RECORD were compared: read the files
                wheel = wheel._replace(proof=proving.prove(wheel.staged, wheel.tree, DigestCache()))
                content = content_of(wheel)
                alike = document.identity == content
            if alike and document.metadata == wheel.staged.metadata and not check.inspect(path):
                entry = entries.read(store, entry_id)
                archive_aliases.note(store, wheel.artifact.identity, entry.id, content)
                return entry
        except (OSError, ValueError, CorruptEntryError):
            continue
    return None


def may_have_equal(store: Store, item: StagedWheel, artifact: Artifact) -> bool:
    """Tell whether `equal_entry` has an entry to compare with a staged wheel."""
    return next(_candidates(store, item, artifact), None) is not None


def content_of(wheel: ProvenWheel) -> str:
    """Return the identity by content of a staged wheel. Raises OSError or ValueError if it can't be read."""
    item, proof = wheel.staged, wheel.proof
    runnable = [file.path for file in wheel.tree.files if file.status.st_mode & stat.S_IXUSR]
    return entry_content.content_of_wheel(item.wheel, item.dist_info, proof.absent, proof.digests, runnable)


def _candidates(store: Store, item: StagedWheel, artifact: Artifact) -> Iterator[tuple[str, Document]]:
    """Yield the ids and documents of this user's adopted entries in a wheel's bucket.

    Their folder names begin with the wheel's name and version.
    """
    for folder in store.buckets(tags.bucket(publish.tag_of(f"{item.wheel}/{item.dist_info}/WHEEL", artifact))):
        try:
            names = os.listdir(f"{paths.packages(store.root)}/{folder}")
        except OSError:
            continue
        for name in names:
            if name.startswith(f"{item.name}-{item.version}"):
                path = f"{paths.packages(store.root)}/{folder}/{name}"
                with contextlib.suppress(OSError, ValueError, CorruptEntryError):
                    document = documents.read(path)
                    if content_identity.is_of_content(document.identity) and _is_own(path):
                        yield f"{folder}/{name}", document


def _is_own(path: str) -> bool:
    return os.lstat(path).st_uid == host_files.user_id()
