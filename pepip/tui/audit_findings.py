"""The findings of an audit on entries: facets for the filter, and text for the detail. Knows nothing of widgets."""

from __future__ import annotations

import textwrap

from rich.style import Style

from pepip.names import normalize_name
from pepip.store.audit_answers import KINDS, OUTDATED, VULNERABLE, YANKED
from pepip.tui import formatting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.text import Text

    from pepip.operations.entry_details import Details
    from pepip.store.audit_answers import Answer, Finding, Pin
    from pepip.store.listing import Stored

FACETS = {VULNERABLE: "vuln", YANKED: "yanked", OUTDATED: "outdated"}
"""The filter's facet for each kind of finding."""


def by_pin(answers: Mapping[str, Answer]) -> dict[Pin, list[Finding]]:
    """Return the findings of all answers by name and version."""
    found: dict[Pin, list[Finding]] = {}
    for kind in KINDS:
        for finding in answers[kind].findings if kind in answers else ():
            found.setdefault((finding.name, finding.version), []).append(finding)
    return found


def facets(stored: Stored, found: Mapping[Pin, Sequence[Finding]]) -> Sequence[str]:
    """Return the facets that apply to an entry."""
    if not found:
        return ()
    known = found.get((normalize_name(stored.name), stored.version), ())
    return tuple(dict.fromkeys(FACETS[finding.kind] for finding in known))


def words_of(finding: Finding) -> str:
    """Return a finding in a few words."""
    if finding.kind == OUTDATED:
        return f"{finding.fixed[0]} is the newest release" if finding.fixed else "outdated"
    if finding.kind == YANKED:
        return f"yanked{': ' if finding.summary else ''}{finding.summary}"
    fixed = f", fixed in {', '.join(finding.fixed)}" if finding.fixed else ", no fix is known"
    return f"{finding.summary or 'vulnerable'}{fixed}"


def describe(text: Text, stored: Stored, answers: Mapping[str, Answer]) -> None:
    """Append the findings of the last answers on an entry, with dates. Append nothing if no answer covers it."""
    pin = (normalize_name(stored.name), stored.version)
    known = by_pin(answers).get(pin, ())
    dates = {kind: answer.asked_at for kind, answer in answers.items() if pin in answer.pins}
    if not dates:
        return
    text.append("\nAudit\n", "bold")
    for finding in known:
        address = _link(finding.link) if finding.link.startswith("https://") else Style()
        text.append(f"  {finding.id or finding.kind}", address)
        text.append(f"  {formatting.printable(words_of(finding))}\n")
    clean = [kind for kind in dates if all(finding.kind != kind for finding in known)]
    if clean:
        text.append(f"  {'neither' if len(clean) > 1 else 'not'} {' nor '.join(clean)}\n")
    days = {formatting.day(when) for when in dates.values()}
    text.append(f"  asked on {', '.join(sorted(days))}; o asks again\n", "dim")


def _link(address: str) -> Style:
    """Return the style of a link. A terminal can open it, and a click copies its address.

    The app itself opens nothing: a browser of text would paint over it.
    """
    return Style(link=address) + Style.from_meta({"@click": ("app.copy_link", (address,))})


def describe_links(text: Text, details: Details, width: int) -> None:
    """Append the licence and the pages of an entry's distribution, as links that a terminal can open.

    An address that is too long for `width` columns is shown without its end. The link is complete.
    """
    if not details.licence and not details.links:
        return
    text.append("\nLicence and pages\n", "bold")
    if details.licence:
        text.append(f"  {'licence':<10}", "dim")
        lines = textwrap.wrap(formatting.printable(details.licence), max(16, width - 12))
        text.append("\n            ".join(lines) + "\n")
    for meaning, address in details.links.items():
        text.append(f"  {meaning:<10}", "dim")
        shown = address.partition("://")[2]
        room = max(16, width - 12)
        text.append(shown if len(shown) <= room else f"{shown[: room - 1]}…", _link(address))
        text.append("\n")
