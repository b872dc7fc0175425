"""The store's entries as rows of a table, and as facts to filter. Knows nothing of widgets."""

from __future__ import annotations

from pepip.fast_namedtuple import NamedTuple
from pepip.tui import audit_findings, formatting
from pepip.tui.filtering import Facts
from pepip.tui.table import Column, TableRow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from typing import Any

    from pepip.store.audit_answers import Answer
    from pepip.store.listing import Stored
    from pepip.tui.catalog import Catalog

USED, UNUSED, DAMAGED, BUSY = "used", "unused", "damaged", "busy"
LAYER = "layer"
"""The state of a layer's entry that no known environment links. Others may link it, so it is not called unused."""

GLYPHS = {USED: "●", UNUSED: "○", DAMAGED: "✗", BUSY: "◐", LAYER: "◇"}
TONES = {USED: "good", UNUSED: "", DAMAGED: "bad", BUSY: "accent", LAYER: "muted"}

COLUMNS = (
    Column("state", "", 1),
    Column("name", "Package", 0),
    Column("version", "Version", 16, from_width=36),
    Column("python", "Python", 11, from_width=62),
    Column("size", "Size", 9, is_right=True),
    Column("size", "", 8, from_width=124),
    Column("projects", "Projects", 10, is_right=True, from_width=54),
    Column("used", "Last used", 11, from_width=90),
    Column("stored", "Stored", 10, from_width=104),
    Column("state", "State", 9, from_width=84),
)

HIDEABLE = tuple(dict.fromkeys(column.key for column in COLUMNS if column.width > 1))
"""Keys of the columns that a user may hide: all but the name and the sign of the state."""

_NEVER = 10_000  # more columns than any terminal has

SORTS = ("size", "name", "projects", "used", "stored", "state")
DESCENDING = frozenset({"size", "projects", "stored"})
"""Sort keys that start with the largest value."""


class Listing(NamedTuple):
    """All entries, as parallel sequences: an index stands for the same entry in each. `sizes` are bytes on disk."""

    stored: Sequence[Stored]
    sizes: Sequence[int]
    states: Sequence[str]
    users: Sequence[Sequence[str]]
    rows: Sequence[TableRow]
    facts: Sequence[Facts]

    def sorted_by(self, key: str, view: Sequence[int], *, is_descending: bool) -> list[int]:
        """Return the indices of `view` sorted by `key`. Damaged entries come first in every order."""
        ranks = {DAMAGED: 0, BUSY: 1, UNUSED: 2, LAYER: 3, USED: 4}
        orders: dict[str, Callable[[int], Any]] = {
            "size": lambda index: self.sizes[index],
            "projects": lambda index: len(self.users[index]),
            "stored": lambda index: self.stored[index].stored_at,
            "used": lambda index: self.stored[index].last_used_at,
            "version": lambda index: formatting.natural(self.stored[index].version),
            "python": lambda index: self.stored[index].bucket,
            "state": lambda index: ranks[self.states[index]],
            "name": lambda index: self.stored[index].name,
        }
        found = sorted(view, key=orders[key], reverse=is_descending)
        if DAMAGED in self.states:
            found.sort(key=lambda index: self.states[index] != DAMAGED)
        return found


def listing(catalog: Catalog, damaged: Collection[str], busy: Collection[str]) -> Listing:
    """Return all entries of a catalog as a listing.

    `damaged` are ids of entries that a verification found damaged or unproven. `busy` are ids of entries that a job
    works on.
    """
    overview = catalog.overview
    if overview is None:
        return Listing((), (), (), (), (), ())
    found = audit_findings.by_pin(catalog.answers)
    largest = max(overview.sizes.values(), default=1) or 1
    states, rows, facts, sizes, users = [], [], [], [], []
    kinds = {root: share.known.purpose.kind for root, share in catalog.shares.items()}
    found_kinds = set(kinds.values())
    for stored in catalog.stored.values():
        linked_by = catalog.users.get(stored.id, ())
        size_bytes = overview.sizes[stored.id]
        state = USED if linked_by else LAYER if stored.layer else UNUSED
        if stored.id in busy:
            state = BUSY
        elif stored.state == "damaged" or stored.id in damaged:
            state = DAMAGED
        tone = TONES[state]
        python = short_bucket(stored.bucket)
        asked = audit_findings.facets(stored, found)
        rows.append(
            TableRow(
                stored.id,
                (
                    "◆" if state == USED and stored.layer else GLYPHS[state],
                    formatting.printable(stored.name),
                    formatting.printable(stored.version),
                    python,
                    formatting.size(size_bytes),
                    formatting.bar(size_bytes / largest, 8),
                    f"{len(linked_by):,}" if linked_by else "-",
                    formatting.day(stored.last_used_at),
                    formatting.day(stored.stored_at),
                    state,
                ),
                (tone, "name", "", "muted", "", "accent", "" if linked_by else "muted", "muted", "muted", tone),
            )
        )
        of_kinds = found_kinds if linked_by else ()
        if len(found_kinds) > 1:
            of_kinds = {kinds[root] for root in linked_by if root in kinds}
        facts.append(_facts(stored, size_bytes, state, linked_by, asked)._replace(kinds=of_kinds))
        states.append(state)
        sizes.append(size_bytes)
        users.append(linked_by)
    return Listing(list(catalog.stored.values()), sizes, states, users, rows, facts)


def bare_listing(
    chosen: Sequence[Stored],
    sizes: Mapping[str, int],
    users: Mapping[str, Sequence[str]],
    answers: Mapping[str, Answer],
    kinds: Mapping[str, str],
) -> Listing:
    """Return entries as a listing without rows, to filter and to sort. `sizes` and `users` are by the entry's id.

    `kinds` are the kinds of environments by their roots.
    """
    found = audit_findings.by_pin(answers)
    linked = [users.get(item.id, ()) for item in chosen]
    states = [
        DAMAGED if item.state != "ok" else USED if linked_by else LAYER if item.layer else UNUSED
        for item, linked_by in zip(chosen, linked, strict=True)
    ]
    facts = [
        _facts(item, sizes[item.id], state, linked_by, audit_findings.facets(item, found))._replace(
            kinds={kinds[root] for root in linked_by if root in kinds}
        )
        for item, state, linked_by in zip(chosen, states, linked, strict=True)
    ]
    return Listing(chosen, [sizes[item.id] for item in chosen], states, linked, (), facts)


def _facts(stored: Stored, size_bytes: int, state: str, linked_by: Sequence[str], asked: Sequence[str]) -> Facts:
    """Return the properties of an entry that a filter tests. `asked` are the facets of the last audit."""
    python = short_bucket(stored.bucket)
    text = f"{stored.name} {stored.version} {python}".lower()
    of_layer = (LAYER,) if stored.layer else ()
    holds = (state, *((USED,) if linked_by else () if stored.layer else (UNUSED,)), *of_layer, *asked)
    times = (stored.stored_at, stored.last_used_at)
    return Facts(stored.name, stored.version, python, size_bytes, holds, linked_by, text, (), *times)


def columns_without(hidden: Collection[str]) -> tuple[Column, ...]:
    """Return the columns of the list. The `hidden` ones never have room."""
    return tuple(
        column._replace(from_width=_NEVER) if column.key in hidden and column.width > 1 else column
        for column in COLUMNS
    )


def short_bucket(bucket: str) -> str:
    """Return the short name of a bucket, such as `cp312 linux` for `cpython-312-linux-x86_64`."""
    if bucket == "py3-none-any":
        return "any"
    parts = bucket.split("-")
    if parts[0] == "cpython" and len(parts) > 2:
        return f"cp{parts[1]} {parts[2]}"
    known = [part for part in parts if part not in {"none", "x86_64"}]
    return " ".join(known[:2])
