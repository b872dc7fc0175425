"""Entries and environments, filtered by a filter line and sorted by a column, for the command line. No widgets."""

from __future__ import annotations

from pepip.operations import idle
from pepip.tui import entries, filtering, project_rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from pepip.operations.savings import VenvShare
    from pepip.store.listing import Stored
    from pepip.tui.entries import Listing

DESCENDING = frozenset({"packages", "alone", "own"})
"""Sort keys of projects that start with the largest value."""


def filtered_entries(listing: Listing, line: str, sort_key: str, *, is_reversed: bool) -> list[Stored]:
    """Return the entries of a listing that pass the filter `line`, sorted. `marked:` finds none here."""
    wanted = filtering.parse(line)
    indices = [index for index, facts in enumerate(listing.facts) if wanted.holds(facts)]
    is_descending = (sort_key in entries.DESCENDING) != is_reversed
    return [listing.stored[index] for index in listing.sorted_by(sort_key, indices, is_descending=is_descending)]


def filtered_shares(
    shares: Collection[VenvShare], line: str, sort_key: str, unmet: Collection[str], *, is_reversed: bool
) -> list[VenvShare]:
    """Return the environments that pass the filter `line`, sorted. `unmet` are those with unmet needs."""
    wanted = filtering.parse(line)
    used = idle.used_at(share.known for share in shares)
    states = [project_rows.state_of(share, unmet, ()) for share in shares]
    found = [
        share
        for share, state in zip(shares, states, strict=True)
        if wanted.holds(project_rows.facts_of(share, state, used))
    ]
    order = project_rows.order_by(sort_key, unmet, used)
    return sorted(found, key=order, reverse=(sort_key in DESCENDING) != is_reversed)
