"""Entries and environments as documents with plain values, for JSON and for lists in files."""

from __future__ import annotations

from pepip.operations.sheets import Sheet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pepip.model import Installed
    from pepip.operations.savings import VenvShare
    from pepip.store.listing import Stored
    from pepip.store.root import Store

OF_ENTRIES = ("name", "version", "bucket", "size_bytes", "files", "projects", "state", "stored_at", "last_linked_at")
OF_ENVIRONMENTS = ("environment", "project", "kind", "python", "distributions", "alone_bytes", "own_bytes", "state")


def state_of(item: Stored, projects: Collection[str]) -> str:
    """Return the state of an entry. An entry of a layer is never an orphan: other users may link it."""
    if item.state != "ok":
        return item.state
    return "linked" if projects else "layer" if item.layer else "orphan"


def entry(store: Store, item: Stored, size_bytes: int, projects: Sequence[str]) -> dict[str, object]:
    """Return the document of an entry, which occupies `size_bytes`, and which `projects` link."""
    return {
        "name": item.name,
        "version": item.version,
        "bucket": item.bucket,
        "size_bytes": size_bytes,
        "files": item.file_count,
        "projects": list(projects),
        "state": state_of(item, projects),
        "stored_at": item.stored_at,
        "last_linked_at": item.last_linked_at,
        "last_used_at": item.last_used_at,
        "origin": item.origin,
        "entry": item.id,
        "store": item.layer or store.root,
    }


def environment(item: VenvShare) -> dict[str, object]:
    """Return the document of an environment."""
    known = item.known
    return {
        "environment": known.environment,
        "project": known.project,
        "kind": known.purpose.kind,
        "name": known.name,
        "python": known.python,
        "packages": [
            {
                "name": package.name,
                "version": package.version,
                "entry": package.store_id or None,
                "link_mode": link_mode(package),
            }
            for package in known.packages
        ],
        "alone_bytes": item.alone_bytes,
        "own_bytes": item.own_bytes,
        "state": known.state,
        "reason": known.reason,
    }


def link_mode(package: Installed) -> str | None:
    """Return uv's name of the link mode by which a distribution came from the store; None if it did not."""
    return "symlink" if package.entry_id else package.mode or None


def sheet_of_entries(documents: Sequence[dict[str, object]]) -> Sheet:
    """Return the list of entries with these documents."""
    return Sheet(OF_ENTRIES, documents)


def sheet_of_environments(shares: Sequence[VenvShare]) -> Sheet:
    """Return the list of these environments. Its column `distributions` has the number of distributions."""
    return Sheet(
        OF_ENVIRONMENTS, [{**environment(item), "distributions": len(item.known.packages)} for item in shares]
    )
