"""The full description of one entry as text, for the detail beside the list. Knows nothing of widgets."""

from __future__ import annotations

import os
import textwrap

from rich.text import Text

from pepip import humanized, paths
from pepip.store import check
from pepip.tui import audit_findings, formatting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pepip.operations.entry_details import Details
    from pepip.store.check import Flaw
    from pepip.store.listing import Stored
    from pepip.store.verdicts import Verdict
    from pepip.tui.catalog import Catalog

_MOST_USERS, _MOST_FLAWS = 40, 20


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
    text = Text()
    text.append(f"{formatting.printable(stored.name)} {formatting.printable(stored.version)}\n", "bold")
    if details is not None and details.summary:
        text.append(formatting.printable(details.summary) + "\n", "italic")
    text.append("\n")
    _append_facts(text, catalog, stored, flaws, gain=gain, width=width)
    audit_findings.describe(text, stored, catalog.answers)
    _append_flaws(text, flaws or ())
    _append_users(text, catalog, stored, needs if details is not None else None)
    if details is not None:
        _append_contents(text, details)
    _append_origin(text, stored, width)
    if details is not None:
        audit_findings.describe_links(text, details, width)
    return text


def _append_facts(
    text: Text, catalog: Catalog, stored: Stored, flaws: Sequence[Flaw] | None, *, gain: str, width: int
) -> None:
    size_bytes = catalog.overview.sizes.get(stored.id, 0) if catalog.overview else 0
    layer = formatting.short_path(stored.layer, paths.user_home(os.environ)) if stored.layer else ""
    for title, value in (
        ("state", _state(stored, len(catalog.users.get(stored.id, ())), flaws, gain)),
        ("size", f"{formatting.size(size_bytes)}, {formatting.count(stored.file_count, 'file')}"),
        *((("store", f"the layer {layer}"),) if layer else ()),
        ("for", stored.bucket),
        ("stored", f"{formatting.day(stored.stored_at)}, last linked {formatting.day(stored.last_linked_at)}"),
        ("verify", _verdict(flaws, catalog.verdicts.get(stored.id))),
    ):
        _append_row(text, title, value, width)


def _state(stored: Stored, user_count: int, flaws: Sequence[Flaw] | None, gain: str) -> str:
    """Return the state of an entry in words: its damage, its use, or the space that a removal frees."""
    if flaws:
        word = "unproven" if all(flaw.kind == check.UNPROVEN for flaw in flaws) else "damaged"
        return f"{word}: {formatting.count(len(flaws), 'problem')}, see below"
    if stored.state == "newer":
        return "stored by a newer pepip, which alone can read it"
    if stored.state != "ok":
        return "damaged: its metadata can't be read"
    if user_count:
        return f"used by {formatting.count(user_count, 'environment')}"
    if stored.layer:
        return "in a layer: its owner manages it, and other users may link it"
    return f"unused: no environment links it{gain and '; a removal: '}{gain}"


def _verdict(flaws: Sequence[Flaw] | None, noted: Verdict | None) -> str:
    if flaws is None:
        return "not checked (v)"
    when = f", {formatting.day(noted.checked_at)}" if noted else ""
    return f"{formatting.count(len(flaws), 'problem')}, see below" if flaws else f"every file intact{when}"


def _append_flaws(text: Text, flaws: Sequence[Flaw]) -> None:
    if not flaws:
        return
    text.append("\nProblems\n", "bold")
    for flaw in flaws[:_MOST_FLAWS]:
        text.append(f"  {flaw.words:<16}{formatting.printable(flaw.path)}\n")
    if len(flaws) > _MOST_FLAWS:
        text.append(f"  and {len(flaws) - _MOST_FLAWS} more\n")


def _append_users(text: Text, catalog: Catalog, stored: Stored, needs: Mapping[str, Sequence[str]] | None) -> None:
    """Append the environments that link an entry, each with the reason unless `needs` is None."""
    users = catalog.users.get(stored.id, ())
    text.append("\nLinked by\n" if users else "\nNo environment links it\n", "bold")
    for user in users[:_MOST_USERS]:
        text.append(f"  {catalog.called(user)}\n")
        if needs is not None:
            text.append(f"    {_reason(needs.get(user, ()))}\n", "dim")
    if len(users) > _MOST_USERS:
        text.append(f"  and {len(users) - _MOST_USERS} more\n", "dim")


def _reason(asking: Sequence[str]) -> str:
    """Return in words why an environment has a distribution that the distributions `asking` need."""
    if not asking:
        return "no other package needs it"
    return f"{humanized.listed(asking, most=4)} need{'s' if len(asking) == 1 else ''} it"


def _append_contents(text: Text, details: Details) -> None:
    """Append the requirements and scripts of an entry, and the folders that can't be linked whole."""
    unfolded = {folder for user in details.users for folder in user.unfolded}
    opened = [f"{folder}: {reason}" for folder, reason in details.opened.items()]
    _append_list(text, "Needs", details.dependencies)
    _append_list(text, "Scripts", details.scripts)
    _append_list(text, "Real folders in every environment", opened)
    _append_list(text, "Real folders where other packages have files in them", sorted(unfolded))


def _append_list(text: Text, title: str, values: Sequence[str]) -> None:
    """Append a title and its values, each on a line. Append nothing if there are none."""
    if values:
        text.append(f"\n{title}\n", "bold")
        text.append("".join(f"  {formatting.printable(value)}\n" for value in values))


def _append_origin(text: Text, stored: Stored, width: int) -> None:
    text.append("\nOrigin\n", "bold")
    _append_row(text, "from", formatting.printable(stored.origin) or "-", width)
    _append_row(text, "hash", stored.identity or "-", width)
    _append_row(text, "folder", formatting.short_path(stored.path, paths.user_home(os.environ)), width)


def _append_row(text: Text, title: str, value: str, width: int) -> None:
    """Append a title and its value. A long value continues in indented lines."""
    lines = textwrap.wrap(value, max(20, width - 10), break_on_hyphens=False) or [""]
    text.append(f"  {title:<8}", "dim")
    text.append("\n          ".join(lines) + "\n")


def why(catalog: Catalog, details: Details) -> dict[str, list[str]]:
    """Map up to 40 environments that link an entry to the names of the distributions there that need it.

    The environment's own distributions are read from disk, so call this in a worker.
    """
    from pepip.operations import entry_details

    found = {}
    names = {entry_id: catalog.stored[entry_id].name for entry_id in details.dependants if entry_id in catalog.stored}
    for user in catalog.users.get(details.stored.id, ())[:_MOST_USERS]:
        known = catalog.shares[user].known if user in catalog.shares else None
        linked = {names[entry_id] for entry_id in names.keys() & ((known and known.entries) or ())}
        own = entry_details.private_dependants(known, details.stored.name) if known else ()
        found[user] = sorted(linked.union(own))
    return found
