"""`pepip store show --files`: the folders and files of entries, the largest first."""

from __future__ import annotations

from pepip import humanized
from pepip.cli import output, tables
from pepip.errors import StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.host.disk_usage import Branch
    from pepip.store.root import Store

_SMALLEST_SHARE = 100
"""A file or folder has a line of its own if it takes at least a hundredth of the entry. JSON has all of them."""


def show(store: Store, name: str, version: str, *, is_json: bool) -> int:
    """Print the trees of the entries of a distribution. Returns the exit code."""
    from pepip.operations import entry_files

    found = entry_files.find(store, name, version)
    if not found:
        pin = f"{name}=={version}" if version else name
        raise StoreError(f"the store has no {pin}", hint="`pepip store list` lists its entries")
    trees = [(stored, entry_files.of(stored)) for stored in found]
    if is_json:
        output.write_json(
            [{"entry": stored.id, "path": stored.path, **_document(tree)} for stored, tree in trees],
        )
        return 0
    for stored, tree in trees:
        files = humanized.count(tree.file_count, "file")
        tables.say(f"{stored.id}  {humanized.size(tree.size_bytes)}, {files}")
        for item in entry_files.large(tree, max(1, tree.size_bytes // _SMALLEST_SHARE)):
            shown = item.branch.name + ("/" if item.branch.is_folder else "")
            if item.more:
                shown = f"{humanized.count(item.more, 'smaller one')}"
            tables.say(f"{humanized.size(item.branch.size_bytes):>10}  {'  ' * item.depth}{shown}")
    return 0


def _document(tree: Branch) -> dict[str, object]:
    document: dict[str, object] = {"name": tree.name, "size_bytes": tree.size_bytes, "files": tree.file_count}
    if tree.is_folder:
        document["children"] = [_document(child) for child in tree.children]
    return document
