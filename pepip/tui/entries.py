"""The store's entries as rows of a table, as facts to filter, and as text. Knows nothing of widgets."""

from __future__ import annotations

import os
import textwrap

from rich.text import Text

from pepip import humanized, paths
from pepip.fast_namedtuple import NamedTuple
from pepip.store import check
from pepip.tui import audit_findings, formatting
from pepip.tui.filtering import Facts
from pepip.tui.table import Column, TableRow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from typing import Any

    from pepip.model import Stored
    from pepip.operations.entry_details import Details
    from pepip.store.audit_answers import Answer
    from pepip.store.check import Flaw
    from pepip.store.verdicts import Verdict
    from pepip.tui.catalog import Catalog

USED, UNUSED, DAMAGED, BUSY = "used", "unused", "damaged", "busy"
LAYER = "layer"
"""The state of an entry of a layer. Other users may link it, so it is not unused, and no prune removes it."""

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

MOST_USERS = 40
"""The detail of an entry names so many environments that link it."""

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
        elif stored.state != "ok" or stored.id in damaged:
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


def describe(
    catalog: Catalog,
    stored: Stored,
    details: Details | None,
    flaws: Sequence[Flaw] | None,
    needs: Mapping[str, Sequence[str]],
    *,
    gain: str = "",
    width: int = 80,
) -> Text:
    """Return the full description of an entry for users. Long values are wrapped at `width` columns.

    Without `details`, the description has only the facts of the catalog. `needs` maps each environment to the names
    of its distributions that need this entry. `flaws` are the findings of a verification, None if there was none.
    `gain` says how much space a removal frees.
    """
    overview = catalog.overview
    users = catalog.users.get(stored.id, [])
    size_bytes = overview.sizes.get(stored.id, 0) if overview else 0
    home = paths.user_home(os.environ)
    text = Text()
    text.append(f"{formatting.printable(stored.name)} {formatting.printable(stored.version)}\n", "bold")
    if details is not None and details.summary:
        text.append(formatting.printable(details.summary) + "\n", "italic")
    text.append("\n")
    state = "damaged: its metadata can't be read" if stored.state != "ok" else ""
    if flaws:
        word = "unproven" if all(flaw.kind == check.UNPROVEN for flaw in flaws) else "damaged"
        state = f"{word}: {formatting.count(len(flaws), 'problem')}, see below"
    if not state:
        state = (
            f"used by {formatting.count(len(users), 'environment')}"
            if users
            else f"unused: no environment links it{gain and '; a removal: '}{gain}"
        )
        if stored.layer and not users:
            state = "in a layer: its owner manages it, and other users may link it"
    for title, value in (
        ("state", state),
        ("size", f"{formatting.size(size_bytes)}, {formatting.count(stored.file_count, 'file')}"),
        *((("store", f"the layer {formatting.short_path(stored.layer, home)}"),) if stored.layer else ()),
        ("for", stored.bucket),
        ("stored", f"{formatting.day(stored.stored_at)}, last linked {formatting.day(stored.last_linked_at)}"),
        ("verify", _verdict(flaws, catalog.verdicts.get(stored.id))),
    ):
        _row(text, title, value, width)
    audit_findings.describe(text, stored, catalog.answers)
    if flaws:
        text.append("\nProblems\n", "bold")
        for flaw in flaws[:20]:
            text.append(f"  {flaw.words:<16}{formatting.printable(flaw.path)}\n")
        if len(flaws) > 20:
            text.append(f"  and {len(flaws) - 20} more\n")
    text.append("\nLinked by\n" if users else "\nNo environment links it\n", "bold")
    for user in users[:MOST_USERS]:
        text.append(f"  {catalog.called(user)}\n")
        if details is not None:
            asking = needs.get(user, ())
            reason = (
                f"{_names(asking)} need{'s' if len(asking) == 1 else ''} it"
                if asking
                else "no other package needs it"
            )
            text.append(f"    {reason}\n", "dim")
    if len(users) > MOST_USERS:
        text.append(f"  and {len(users) - MOST_USERS} more\n", "dim")
    if details is not None:
        unfolded = {folder for user in details.users for folder in user.unfolded}
        for title, values in (
            ("Needs", details.dependencies),
            ("Scripts", details.scripts),
            (
                "Real folders in every environment",
                [f"{folder}: {reason}" for folder, reason in details.opened.items()],
            ),
            ("Real folders where other packages have files in them", sorted(unfolded)),
        ):
            if values:
                text.append(f"\n{title}\n", "bold")
                text.append("".join(f"  {formatting.printable(value)}\n" for value in values))
    text.append("\nOrigin\n", "bold")
    for title, value in (
        ("from", formatting.printable(stored.origin) or "-"),
        ("hash", stored.identity or "-"),
        ("folder", formatting.short_path(stored.path, home)),
    ):
        _row(text, title, value, width)
    if details is not None:
        audit_findings.describe_links(text, details, width)
    return text


def why(catalog: Catalog, details: Details) -> dict[str, list[str]]:
    """Map each environment that links an entry to the names of the distributions there that need it.

    The environment's own distributions are read from disk, so call this in a worker.
    """
    from pepip.operations import entry_details

    found = {}
    names = {entry_id: catalog.stored[entry_id].name for entry_id in details.dependants if entry_id in catalog.stored}
    for user in catalog.users.get(details.stored.id, ())[:MOST_USERS]:
        known = catalog.shares[user].known if user in catalog.shares else None
        linked = {names[entry_id] for entry_id in names.keys() & ((known and known.entries) or ())}
        own = entry_details.private_dependants(known, details.stored.name) if known else ()
        found[user] = sorted(linked.union(own))
    return found


def _verdict(flaws: Sequence[Flaw] | None, noted: Verdict | None) -> str:
    if flaws is None:
        return "not checked (v)"
    when = f", {formatting.day(noted.checked_at)}" if noted else ""
    return f"{formatting.count(len(flaws), 'problem')}, see below" if flaws else f"every file intact{when}"


def _row(text: Text, title: str, value: str, width: int) -> None:
    """Append a title and its value. A long value continues in indented lines."""
    lines = textwrap.wrap(value, max(20, width - 10), break_on_hyphens=False) or [""]
    text.append(f"  {title:<8}", "dim")
    text.append("\n          ".join(lines) + "\n")


def _names(names: Sequence[str]) -> str:
    return humanized.listed(names, most=4)
