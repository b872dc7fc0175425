"""Changing single values in a TOML text. All other lines stay as they are, with their comments."""

from __future__ import annotations

import json

from pepip import toml
from pepip.fast_namedtuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class _Statement(NamedTuple):
    """A key with its value, a table's header, a comment or an empty line: its text, and the document that it holds.

    `table` is the table that it belongs to, empty before the first header. A header belongs to its own table.
    """

    text: str
    table: tuple[str, ...]
    document: dict[str, Any]

    @property
    def is_header(self) -> bool:
        return self.text.lstrip().startswith("[")


def changed(text: str, keys: tuple[str, ...], value: str | bool | list[str] | None) -> str:
    """Return a TOML text in which a key has this value. With None, the text lacks the key.

    `keys` are the key itself, or the key of a table and a key in it. All other values in that table must be texts.
    Raises ValueError if the text is no TOML, or if it can't be changed in this way.
    """
    *table, key = keys
    statements = list(_statements(text))
    places = [number for number, item in enumerate(statements) if _holds(item, tuple(table), key)]
    if places:
        statements[places[0]] = _changed(statements[places[0]], tuple(table), key, value)
    elif value is not None:
        _add(statements, tuple(table), key, value)
    after = "".join(item.text for item in statements)
    if _without(toml.loads(after), keys) != _without(toml.loads(text), keys) or _at(toml.loads(after), keys) != value:
        raise ValueError(f"{'.'.join(keys)} is written in an unusual way")
    return after


def _statements(text: str) -> Iterator[_Statement]:
    """Yield the statements of a text. A statement ends with the first line with which it is complete."""
    lines = [f"{line}\n" for line in text.removesuffix("\n").split("\n")] if text else []
    table: tuple[str, ...] = ()
    statement = ""
    for line in lines:
        statement += line
        try:
            document = toml.loads(statement)
        except ValueError:
            continue  # an array or a text goes on in the next line
        found = _Statement(statement, table, document)
        if found.is_header:
            table = _path(document)
            found = found._replace(table=table)
        yield found
        statement = ""
    if statement:
        raise ValueError("its last statement is not complete")


def _path(document: dict[str, Any]) -> tuple[str, ...]:
    for key, inner in document.items():
        return (key, *(_path(inner) if isinstance(inner, dict) else ()))
    return ()


def _holds(statement: _Statement, table: tuple[str, ...], key: str) -> bool:
    """Tell whether a statement gives a value to a key: in its table, or above it, as `table.key` or `table = {…}`."""
    if statement.is_header:
        return False
    if statement.table == table:
        return key in statement.document
    return not statement.table and key in _inner(statement, table)


def _inner(statement: _Statement, table: tuple[str, ...]) -> dict[str, Any]:
    inner = statement.document.get(table[0]) if table else None
    return inner if isinstance(inner, dict) else {}


def _names(statement: _Statement, table: tuple[str, ...]) -> bool:
    return bool(table) and table[0] in statement.document


def _changed(statement: _Statement, table: tuple[str, ...], key: str, value: object) -> _Statement:
    comment = _comment(statement)
    if statement.table != table:
        rows = [(*table, *item) for item in {**_inner(statement, table), key: value}.items() if item[1] is not None]
        texts = [_row(row, "" if number else comment) for number, row in enumerate(rows)]
        return statement._replace(text="".join(texts))
    return statement._replace(text="" if value is None else _row((key, value), comment))


def _comment(statement: _Statement) -> str:
    """Return the comment at the end of a statement of one line, with the blanks before it. Empty if there is none."""
    line = statement.text.rstrip("\r\n")
    for place in [number for number, character in enumerate(line) if character == "#"] if "\n" not in line else ():
        try:
            toml.loads(line[:place])
        except ValueError:
            continue  # this character is part of a text
        return line[len(line[:place].rstrip()) :]
    return ""


def _add(statements: list[_Statement], table: tuple[str, ...], key: str, value: object) -> None:
    """Add a key: behind the last one of its table, or else in a new table at the end of the text."""
    new = _Statement(_row((key, value)), table, {})
    there = [number for number, item in enumerate(statements) if item.table == table and item.document]
    above = [number for number, item in enumerate(statements) if not item.table and _names(item, table)]
    if there:
        statements.insert(there[-1] + 1, new)
    elif above:
        statements[above[-1]] = _changed(statements[above[-1]], table, key, value)
    elif table:
        statements.append(new._replace(text=f"\n[{_shown(table[0])}]\n{new.text}"))
    else:
        place = next((number for number, item in enumerate(statements) if item.is_header), len(statements))
        while place and place < len(statements) and statements[place - 1].text.strip():
            place -= 1  # the comments above a header belong to it
        statements.insert(place, new)


def _row(words: tuple[object, ...], comment: str = "") -> str:
    """Return a line of TOML from keys and a value. TOML writes texts as JSON does, but without DEL (0x7F)."""
    *keys, value = words
    written = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return f"{'.'.join(_shown(str(key)) for key in keys)} = {written}{comment}\n"


def _shown(key: str) -> str:
    is_bare = key.isascii() and key.replace("_", "").replace("-", "").isalnum()
    return key if is_bare else json.dumps(key, ensure_ascii=False).replace("\x7f", "\\u007f")


def _at(document: dict[str, Any], keys: tuple[str, ...]) -> object:
    *table, key = keys
    for name in table:
        document = document.get(name, {})
    return document.get(key)


def _without(document: dict[str, Any], keys: tuple[str, ...]) -> str:
    """Return the words of a document that lacks a key, and the key's table if nothing else is in it."""
    *table, key = keys
    inner = document
    for name in table:
        inner = inner.get(name, {})
    inner.pop(key, None)
    return repr(sorted((name, held) for name, held in document.items() if held or name not in table))
