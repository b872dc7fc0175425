"""The folders and files of entries, with the bytes that each takes on disk."""

from __future__ import annotations

import os

from pepip.errors import StoreError
from pepip.fast_namedtuple import NamedTuple
from pepip.host import disk_usage
from pepip.names import normalize_name
from pepip.store import listing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pepip.host.disk_usage import Branch
    from pepip.store.listing import Stored
    from pepip.store.root import Store


class Listed(NamedTuple):
    """A line of the list: one file or folder, or several small children of one folder together.

    `more` is the number of these children; it is 0 for one file or folder. `path` is relative to the entry. For small
    children it is the path of their folder.
    """

    path: str
    depth: int
    branch: Branch
    more: int = 0


def of(stored: Stored) -> Branch:
    """Return the tree of an entry, also of a damaged one. Raises StoreError if its folder is not there any more."""
    try:
        return disk_usage.branch(stored.path)
    except OSError as error:
        raise StoreError(f"{stored.path} can't be read: {error.strerror}") from error


def find(store: Store, name: str, version: str = "") -> list[Stored]:
    """Return the entries of a distribution, or of one version of it, in the store and in its layers."""
    wanted = normalize_name(name)
    known = [*listing.stored(store), *listing.stored_in_layers(store)]
    return [item for item in known if item.name == wanted and version in {"", item.version}]


def large(tree: Branch, least_bytes: int) -> Iterator[Listed]:
    """Yield the files and folders of a tree that take `least_bytes` or more, each folder before its content.

    The small children of a folder follow as one line; a single one follows as itself. If a folder has several
    children, all small, its own line is enough. The root has no line of its own, so its small children always follow.
    """
    yield from _large(tree, "", 0, least_bytes)


def _large(tree: Branch, above: str, depth: int, least_bytes: int) -> Iterator[Listed]:
    small = [child for child in tree.children if child.size_bytes < least_bytes]
    for child in tree.children[: len(tree.children) - len(small)]:
        path = os.path.join(above, child.name)
        yield Listed(path, depth, child)
        if child.is_folder:
            yield from _large(child, path, depth + 1, least_bytes)
    if len(small) == 1:
        yield Listed(os.path.join(above, small[0].name), depth, small[0])
    elif small and (len(small) < len(tree.children) or not depth):
        size_bytes, files = sum(child.size_bytes for child in small), sum(child.file_count for child in small)
        rest = disk_usage.Branch("", size_bytes, files, is_folder=False)
        yield Listed(above, depth, rest, more=len(small))
