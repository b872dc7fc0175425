"""`pepip settings`: the settings of the app and of the trash."""

from __future__ import annotations

from pepip.cli import options, output, tables
from pepip.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_DESCRIPTION = """\
Show or change the settings of `pepip ui` and of the trash. An empty value removes a setting.

theme=NAME           the colours, such as nord, textual-light or ansi-dark
hidden=COLUMN,…      columns that the list of entries does not show
trash=TIME           how long the trash keeps removed entries: 12h, 7d; 0 turns it off
bell=off             no bell and no desktop notification when a long job ends
filter.NAME=LINE     a named filter: @NAME stands for LINE in a filter
"""

_EXAMPLES = """\
examples:
  pepip settings
  pepip settings theme=nord hidden=python,state
  pepip settings filter.big='>100MB -torch'
"""


def run(words: Sequence[str]) -> int:
    """Run `pepip settings`. Returns the exit code."""
    from pepip.operations import preferences

    parser = options.Parser("pepip settings", description=_DESCRIPTION, examples=_EXAMPLES)
    parser.add_argument("changes", metavar="KEY=VALUE", nargs="*")
    arguments = parser.read(words)
    options.apply_general_options(arguments)
    found = preferences.read()
    if arguments.changes:
        found = preferences.changed(found, arguments.changes)
        _check(found)
        preferences.write(found)
    if arguments.json:
        known: dict[str, object] = {
            "theme": found.theme,
            "hidden": list(found.hidden),
            "filters": dict(found.filters),
        }
        known |= {"trash": found.trash, "bell": found.bell}
        output.write_json({"file": preferences.path(), **found.more, **known})
        return 0
    rows = [("theme", found.theme or "(the app's own)"), ("hidden", ", ".join(found.hidden) or "(none)")]
    rows += [("trash", found.trash or "(a day)"), ("bell", "on" if found.bell else "off")]
    rows += [(f"filter.{name}", line) for name, line in sorted(found.filters.items())]
    rows += [(key, str(value)) for key, value in sorted(found.more.items())]
    tables.show(("setting", "value"), rows)
    output.say(preferences.path())
    return 0


def _check(found: object) -> None:
    """Raise UsageError if the settings name a theme that does not exist, or a column that can't be hidden."""
    from pepip.operations.preferences import Preferences
    from pepip.tui import entries, screenshot

    assert isinstance(found, Preferences)
    if found.theme and found.theme not in screenshot.themes():
        raise UsageError(f"there is no theme {found.theme}", hint=f"the themes are {', '.join(screenshot.themes())}")
    unknown = [key for key in found.hidden if key not in entries.HIDEABLE]
    if unknown:
        raise UsageError(f"{unknown[0]} is no column to hide", hint=f"the columns are {', '.join(entries.HIDEABLE)}")
