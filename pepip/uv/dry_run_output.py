"""Reading the changes that uv announces for an environment, from its JSON and from its text.

The JSON of `uv pip install`, `uv pip sync` and `uv sync` (since 0.13.0 at the latest) names each change with its
version. Only the text has the URL that a distribution comes from. So pepip reads both, and both must list the same
changes. `uv pip uninstall` prints only text, which ends in a count.
"""

from __future__ import annotations

import re

from pepip.fast_namedtuple import NamedTuple
from pepip.names import normalize_name
from pepip.uv import versions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


class Change(NamedTuple):
    """One line of uv's plan.

    `version` may be empty for a distribution from a URL. `url` is empty for one from an index.
    """

    name: str
    version: str
    url: str


class Changes(NamedTuple):
    """The distributions that uv would remove from an environment and add to it, and the sentences of its warnings."""

    removed: tuple[Change, ...]
    added: tuple[Change, ...]
    warnings: tuple[str, ...] = ()

    @property
    def are_none(self) -> bool:
        """Whether the environment would stay as it is."""
        return not (self.removed or self.added)


_LINE = r"^ ([+~-]) ([A-Za-z0-9._-]+)(?:==(\S+)| @ (\S+))?(?: \(from (.+)\))?$"
_COUNT = r"^Would uninstall (\d+) packages?$"
_NOTHING = "Would make no changes"
_SIGNS = {"installed": "+", "uninstalled": "-", "reinstalled": "~"}


def read(changes: Sequence[dict[str, Any]], text: str) -> Changes:
    """Return the changes of a report: `changes` from its JSON, and the `text` that uv wrote to stderr.

    Raises UnreadableAnswerError if either can't be read, or if they list different changes.
    """
    with versions.readable():
        reported = [
            (_SIGNS[change["action"]], normalize_name(change["name"]), change.get("version") or "", "")
            for change in changes
        ]
        pairs = zip(sorted(reported, key=_place), sorted(_rows(text), key=_place), strict=True)
        merged = [_merged(*pair) for pair in pairs]
    return _changes(merged, text)


def read_removals(text: str) -> tuple[Change, ...]:
    """Return the removals that `uv pip uninstall --dry-run` announces on stderr.

    Raises UnreadableAnswerError if they can't be read, or if their number differs from the count.
    """
    rows = _rows(text)
    counted = re.search(_COUNT, text, re.MULTILINE)
    count = int(counted[1]) if counted else 0
    if len(rows) != count or (not counted and _NOTHING not in text) or any(row[0] != "-" for row in rows):
        raise versions.unreadable()
    return _changes(rows, text).removed


_Row = tuple[str, str, str, str]
"""A change: its sign, normalized name, version and URL. The version or the URL may be empty."""


def _rows(text: str) -> list[_Row]:
    """Return the changes that a text lists, one per line."""
    rows = []
    for line in text.splitlines():
        match = re.match(_LINE, line)
        if match:
            sign, name, version, url, origin = match.groups()
            rows.append((sign, normalize_name(name), version or "", url or origin or ""))
    return rows


def _place(row: _Row) -> tuple[str, str]:
    """Return the sort key of a row: without the version, which the text lacks for a distribution from a URL."""
    return row[1], row[0]


def _merged(reported: _Row, told: _Row) -> _Row:
    """Return the change that a row of the JSON and a row of the text describe.

    Raises ValueError if the rows differ, or if they have neither a version nor a URL.
    """
    sign, name, version, _ = reported
    if told[:2] != (sign, name) or told[2] not in {"", version} or not (version or told[3]):
        raise ValueError(f"{reported} in the JSON is {told} in the text")
    return sign, name, version, told[3]


def _changes(rows: Sequence[_Row], text: str) -> Changes:
    warnings = [
        line.removeprefix("warning: ")
        for line in text.splitlines()
        if line.startswith(("warning: ", "No requirements found")) and "--output-format json" not in line
    ]
    removed = [Change(name, version, url) for sign, name, version, url in rows if sign in "-~"]
    added = [Change(name, version, url) for sign, name, version, url in rows if sign in "+~"]
    return Changes(tuple(removed), tuple(added), tuple(warnings))
