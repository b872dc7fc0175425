"""Archives that have the content of an adopted entry: the archive's identity, and the id of that entry.

If a staged wheel equals an adopted entry, pepip stores no second copy, and does not stage that wheel the next time.
Each user has a file of such comparisons. If the file is lost, the archive is staged and compared once more.
"""

from __future__ import annotations

import contextlib

from pepip import paths
from pepip.host import user_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.store.root import Store

_MOST_BYTES = 1 << 26
_NAME = "aliases"


def entry_of(store: Store, identity: str) -> tuple[str, str]:
    """Return the id and the identity of the entry that has the content of an archive; both empty if none is known."""
    return _read(store).get(identity, ("", ""))


def note(store: Store, identity: str, entry_id: str, content: str) -> None:
    """Remember that an archive has the content of an entry. Does nothing if this user can't write the file."""
    with contextlib.suppress(OSError), user_cache.updating(_folder(store)):
        rows = {**_read(store), identity: (entry_id, content)}
        text = "".join("\t".join((archive, *row)) + "\n" for archive, row in rows.items())
        user_cache.write(_folder(store), _NAME, text.encode("utf-8", "surrogateescape"), is_lasting=True)


def _folder(store: Store) -> str:
    return user_cache.folder_in(paths.cache(store.root))


def _read(store: Store) -> dict[str, tuple[str, str]]:
    try:
        content = user_cache.read(_folder(store), _NAME, most_bytes=_MOST_BYTES)
    except (OSError, ValueError):
        return {}
    rows = (line.split("\t") for line in content.decode("utf-8", "surrogateescape").splitlines())
    return {row[0]: (row[1], row[2]) for row in rows if len(row) == 3}
