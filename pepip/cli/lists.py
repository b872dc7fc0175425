"""The options of commands that list: a filter as in the app, an order, and the list as CSV, Markdown or JSON."""

from __future__ import annotations

import sys

from pepip.cli import output
from pepip.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection, Mapping, Sequence

    from pepip.cli.options import Parser
    from pepip.operations.census import Census
    from pepip.operations.savings import VenvShare
    from pepip.operations.sheets import Sheet
    from pepip.store.listing import Stored
    from pepip.store.root import Store


def add_options(parser: Parser) -> None:
    """Add the options of a list to a parser."""
    parser.add_argument("--filter", metavar="LINE", help="words and facets as in the app: 'numpy >100MB project:api'")
    parser.add_argument("--reverse", action="store_true", help="reverse the order")
    parser.add_argument("--format", choices=("csv", "markdown", "json"), help="write the list in this format")
    parser.add_argument("--output", metavar="FILE", help="write the list to a new .csv, .md or .json file")


def check(arguments: argparse.Namespace) -> None:
    """Raise UsageError for options that contradict each other, or for a file whose format is not known."""
    if arguments.json and arguments.format not in {None, "json"}:
        raise UsageError(f"--json contradicts --format {arguments.format}", hint="leave out one of them")
    if not arguments.output:
        return
    from pepip.operations import sheets

    form = sheets.format_of(arguments.output)
    if arguments.format not in {None, form}:
        raise UsageError(f"{arguments.output} would be {form}, not {arguments.format}", hint="leave out --format")


def write(sheet: Sheet, arguments: argparse.Namespace) -> bool:
    """Write a list to the file or to stdout, if options ask for it. Return whether they do."""
    from pepip.operations import sheets

    if arguments.output:
        sheets.save(sheet, arguments.output)
        output.say(f"Wrote {arguments.output}")
        return True
    form = arguments.format or (sheets.JSON if arguments.json else "")
    if form == sheets.JSON:
        output.write_json(list(sheet.rows))
    elif form:
        sys.stdout.write(sheet.text(form))
    return bool(form)


def entries(
    store: Store, seen: Census, chosen: Sequence[Stored], sizes: Mapping[str, int], arguments: argparse.Namespace
) -> list[Stored]:
    """Return those of the chosen entries that pass `--filter`, sorted by `--sort` and `--reverse`, as in the app."""
    from pepip.store import audit_answers
    from pepip.tui import entries as rows
    from pepip.tui import filtered_lists

    users = seen.users()
    kinds = {known.environment: known.purpose.kind for known in seen.projects}
    facts = rows.bare_listing(chosen, sizes, users, audit_answers.read(store), kinds)
    line = _expanded(arguments.filter or "")
    return filtered_lists.filtered_entries(facts, line, arguments.sort, is_reversed=arguments.reverse)


def shares(store: Store, found: Collection[VenvShare], arguments: argparse.Namespace) -> list[VenvShare]:
    """Return those of the environments that pass `--filter`, sorted by `--sort` and `--reverse`, as in the app."""
    from pepip.operations import census, needs
    from pepip.tui import filtered_lists

    known = needs.Needs(store)
    unmet = {
        share.known.environment
        for share in found
        if share.known.state == census.OK
        and known.unmet(share.known.environment, share.known.python, share.known.packages)
    }
    line, order = _expanded(arguments.filter or ""), arguments.sort or "path"
    return filtered_lists.filtered_shares(found, line, order, unmet, is_reversed=arguments.reverse)


def _expanded(line: str) -> str:
    """Return a filter line with each `@name` replaced by the line of the user's filter of that name."""
    from pepip.operations import preferences

    return preferences.read().expanded(line) if "@" in line else line
