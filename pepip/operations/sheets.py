"""A list as CSV, Markdown or JSON, for spreadsheets, pages and programs. Only `save` writes a file."""

from __future__ import annotations

import json
import os

from pepip.errors import PepipError, UsageError
from pepip.fast_namedtuple import NamedTuple
from pepip.host import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

CSV, MARKDOWN, JSON = "csv", "markdown", "json"
_SUFFIXES = {".csv": CSV, ".md": MARKDOWN, ".markdown": MARKDOWN, ".json": JSON}

_STARTS_A_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")  # the last four are the wide forms of the first four


class Sheet(NamedTuple):
    """A list: the keys of its columns, and a mapping for each row. JSON shows all keys of a row, not only columns."""

    columns: tuple[str, ...]
    rows: Sequence[Mapping[str, object]]

    def text(self, form: str) -> str:
        """Return the list as `CSV`, `MARKDOWN` or `JSON`, with a line break at its end."""
        if form == JSON:
            return json.dumps(list(self.rows), indent=2) + "\n"
        lines = [self.columns, *([_cell(row.get(key)) for key in self.columns] for row in self.rows)]
        return _csv(lines) if form == CSV else _markdown(lines)


def format_of(path: str) -> str:
    """Return the format that a file's extension stands for. Raises UsageError for any other extension."""
    form = _SUFFIXES.get(os.path.splitext(path)[1].lower())
    if form is None:
        raise UsageError(f"the format of {path} is not known", hint="let its name end in .csv, .md or .json")
    return form


def save(sheet: Sheet, path: str) -> None:
    """Write a list to a new file, in the format that its name stands for. After a PepipError there is no new file."""
    text = sheet.text(format_of(path))
    try:
        files.create(path, text.encode("utf-8", "replace"))
    except FileExistsError as error:
        raise UsageError(f"{path} is there already", hint="remove it first, or name another file") from error
    except OSError as error:
        raise PepipError(f"cannot write {path}: {error.strerror}") from error


def _cell(value: object) -> str | int | float:
    """Return a value as a cell: lists with semicolons between their items."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return value
    return "; ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _csv(lines: Iterable[Sequence[str | int | float]]) -> str:
    """Return lines as CSV (RFC 4180). A text that begins like a formula gets a quote, so no spreadsheet runs it.

    Numbers get none, not even negative ones.
    """
    import csv
    import io

    found = io.StringIO()
    csv.writer(found).writerows([_without_formula(cell) for cell in line] for line in lines)
    return found.getvalue()


def _without_formula(cell: str | int | float) -> str | int | float:
    if isinstance(cell, str) and cell.lstrip(" \x00\ufeff").startswith(_STARTS_A_FORMULA):
        return f"'{cell}"
    return cell


def _markdown(lines: Sequence[Sequence[str | int | float]]) -> str:
    """Return lines as a table of Markdown (GitHub's). Numbers are aligned to the right."""
    rows = [[_escaped(str(cell)) for cell in line] for line in lines]
    is_number = [
        len(lines) > 1 and all(not isinstance(line[place], str) for line in lines[1:])
        for place in range(len(rows[0]))
    ]
    rule = ["---:" if right else "---" for right in is_number]
    return "".join(f"| {' | '.join(row)} |\n" for row in [rows[0], rule, *rows[1:]])


def _escaped(text: str) -> str:
    """Return a text in which nothing is Markdown or HTML, on one line."""
    text = "".join(c if c.isprintable() else " " for c in text)
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{c}" if c in "\\`*_[]|~#!" else c for c in text)
