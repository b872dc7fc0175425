"""The identity of an entry by its content, which does not depend on the archive."""

from __future__ import annotations

from pepip import paths
from pepip.host import files
from pepip.store import document as documents
from pepip.wheel import content_identity, record, scripts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from pepip.store.document import Document


def content_of(path: str, document: Document | None = None) -> str:
    """Return the identity by content of the entry at `path`.

    Reads the document, RECORD, scripts, and files whose RECORD hash is no SHA-256. Raises OSError or ValueError if
    one of them can't be read.
    """
    document = document or documents.read(path)
    if content_identity.is_of_content(document.identity):
        return document.identity
    return content_of_wheel(path, document.dist_info, document.absent, document.digests, document.executables)


def content_of_wheel(
    path: str, dist_info: str, absent: Iterable[str], digests: dict[str, str], executables: Collection[str]
) -> str:
    """Return the identity by content of the unpacked wheel at `path`.

    `digests` has a RECORD hash for each file that RECORD does not prove, `absent` are rows of RECORD without a file.
    """
    data = paths.data_folder(dist_info)
    own = record.own_metadata(dist_info)
    gone = set(absent)
    rows = record.read(f"{path}/{dist_info}/RECORD")
    hashes = {row.path: row.hash_value for row in rows if row.path not in gone} | digests
    for shown, value in hashes.items():
        if shown.startswith(f"{data}/scripts/"):
            content = scripts.canonical(files.read_regular(f"{path}/{shown}", most_bytes=files.RECORD_BYTES))
            hashes[shown] = record.row_of(shown, content).hash_value
        elif not value.startswith("sha256=") and shown not in own and not content_identity.is_bytecode(shown):
            hashes[shown] = record.hash_value(record.digest(f"{path}/{shown}", "sha256"))
    return content_identity.of(hashes, executables, dist_info)
