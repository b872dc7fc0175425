"""Compares the files of an unpacked wheel with its RECORD, before the wheel becomes an entry."""

from __future__ import annotations

import time

from pepip.fast_namedtuple import NamedTuple
from pepip.wheel import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.model import Artifact
    from pepip.store.staged import StagedWheel, WheelTree
    from pepip.wheel.digest_cache import DigestCache


class Proof(NamedTuple):
    """The result of comparing the files of an unpacked wheel with its RECORD.

    `differing` are the paths of files with another hash, `absent` paths of rows without a file, `unlisted` paths of
    files without a row. `digests` has a RECORD hash for each file that no row proves. If files were not read,
    `unread_until_ns` is their newest modification time, otherwise 0.
    """

    differing: tuple[str, ...]
    absent: tuple[str, ...]
    unlisted: tuple[str, ...]
    digests: dict[str, str]
    unread_until_ns: int

    @property
    def is_as_listed(self) -> bool:
        """Whether every row has its file, with its hash or, if the file was not read, with its size."""
        return not self.differing and not self.absent


class ProvenWheel(NamedTuple):
    """An unpacked wheel with its files, the proof, and the `artifact` that it was unpacked from.

    `launchers` are the texts of its launchers: see `staged.launchers`.
    """

    staged: StagedWheel
    tree: WheelTree
    proof: Proof
    artifact: Artifact
    launchers: dict[str, str]


def prove(staged: StagedWheel, tree: WheelTree, digest_cache: DigestCache, *, is_checked: bool = False) -> Proof:
    """Compare an unpacked wheel with its RECORD. Reads files that `digest_cache` lacks. Raises OSError.

    With `is_checked`, uv has unpacked the wheel in this run, and has compared the archive with its hash. Reading
    would prove nothing more. So files are read only if RECORD can't be their baseline: without a row, for example, or
    with another size.
    """
    record_path = f"{staged.dist_info}/RECORD"
    statuses = dict(tree.files)
    rows = {row.path: row for row in record.read(f"{staged.wheel}/{record_path}")}
    differing, proved = [], {record_path}
    unread_until_ns = 0
    for path, row in rows.items():
        status = statuses.get(path)
        if status is None or not row.hash_value or path == record_path:
            continue
        if is_checked and record.may_match(row, status.st_size):
            unread_until_ns = max(unread_until_ns, status.st_mtime_ns, 1)
            proved.add(path)
            continue
        place, known = f"{staged.wheel}/{path}", digest_cache.digest(status)
        is_same = record.matches(row, place, known)
        if not is_same and known is not None:  # an earlier file may have had this inode and digest: read the file
            digest_cache.forget(status)
            is_same = record.matches(row, place)
        if not is_same:
            differing.append(path)
        elif record.proves(row):
            proved.add(path)
    digests = {}
    for path, status in statuses.items():
        if path not in proved:
            found = digest_cache.digest(status) or record.digest(f"{staged.wheel}/{path}", "sha256")
            digests[path] = record.hash_value(found)
    absent = tuple(path for path in rows if path not in statuses)
    unlisted = tuple(path for path in statuses if path not in rows and path != record_path)
    return Proof(tuple(differing), absent, unlisted, digests, min(unread_until_ns, time.time_ns()))
