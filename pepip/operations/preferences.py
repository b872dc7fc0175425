"""The user's settings of the app, in a TOML file. pepip changes single values in it, and leaves the rest as it is.

If the file can't be read, the defaults hold, and pepip never overwrites it.
"""

from __future__ import annotations

import math
import os

from pepip import humanized
from pepip.errors import PepipError, UsageError
from pepip.fast_namedtuple import NamedTuple
from pepip.host import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, TypeAlias

    _Value: TypeAlias = str | bool | list[str]

_HEAD = "# `pepip settings` and `pepip ui` change single values here. All else stays as it is.\n"
_OLD_HEAD = "# Written whole by `pepip settings` and `pepip ui`: comments are not kept.\n"
_MOST_BYTES = 1 << 16
_FILTER = "filter."


class Preferences(NamedTuple):
    """The settings. `theme` is empty for the app's own. `hidden` are keys of columns of the list of entries.

    `filters` maps names to lines of a filter. `trash` is the time for which the trash keeps removed entries, such
    as `7d`; `0` for not at all, empty for the default. Without `bell`, no bell tells the end of a long job. `more`
    has settings of another version of pepip that are a text, a number, or true or false.
    """

    theme: str = ""
    hidden: tuple[str, ...] = ()
    filters: dict[str, str] = {}  # noqa: RUF012 - never changed
    trash: str = ""
    bell: bool = True
    more: dict[str, Any] = {}  # noqa: RUF012 - never changed

    def expanded(self, line: str) -> str:
        """Return a filter line with the line of each named filter in the place of `@name`."""
        return " ".join(self.filters.get(word[1:], word) if word[:1] == "@" else word for word in line.split())


def path() -> str:
    """Return the path of the file, which need not exist. The system's rules for a user's settings give its folder."""
    import platformdirs

    return os.path.join(platformdirs.user_config_dir("pepip", appauthor=False), "settings.toml")


def read(place: str = "") -> Preferences:
    """Return the settings in the file at `place`, by default `path()`. Raises UsageError if they can't be read."""
    place = place or path()
    try:
        content = files.read_regular(place, most_bytes=_MOST_BYTES, follows=True)
    except FileNotFoundError:
        return Preferences()
    except OSError as error:
        raise _unreadable(place, error.strerror or str(error)) from error
    except ValueError as error:
        raise _unreadable(place, str(error)) from error
    from pepip import toml

    try:
        document = toml.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise _unreadable(place, str(error)) from error
    return _checked(place, document)


def _checked(place: str, document: dict[str, Any]) -> Preferences:
    theme, hidden, filters, trash, bell = (document.pop(key, default) for key, default in _DEFAULTS.items())
    if not isinstance(theme, str):
        raise _unreadable(place, "`theme` is not a string")
    if not isinstance(hidden, list) or not all(isinstance(key, str) for key in hidden):
        raise _unreadable(place, "`hidden` is not a list of strings")
    if not isinstance(filters, dict) or not all(isinstance(line, str) for line in filters.values()):
        raise _unreadable(place, "`filters` is not a table of strings")
    if not isinstance(trash, str) or (trash and seconds_of(trash) is None):
        raise _unreadable(place, '`trash` is not a time such as "7d"')
    if not isinstance(bell, bool):
        raise _unreadable(place, "`bell` is neither true nor false")
    return Preferences(theme, tuple(hidden), filters, trash, bell, dict(filter(_is_plain, document.items())))


def _is_plain(item: tuple[str, object]) -> bool:
    return isinstance(item[1], str | int) or (isinstance(item[1], float) and math.isfinite(item[1]))


_DEFAULTS: Mapping[str, Any] = {"theme": "", "hidden": [], "filters": {}, "trash": "", "bell": True}


def seconds_of(trash: str) -> float | None:
    """Return the setting `trash` in seconds; None if it is no time."""
    return 0.0 if trash == "0" else humanized.parse_age(trash)


def _unreadable(place: str, reason: str) -> UsageError:
    return UsageError(
        f"the settings in {place} can't be read: {reason}",
        hint="fix the file or remove it; the defaults hold now",
    )


def write(settings: Preferences, place: str = "") -> None:
    """Write these settings into the file, in one step. Its other settings and its comments stay.

    Raises UsageError if the present file can't be read, if a text can't be written as UTF-8, or if a setting is
    written there in a way that pepip can't change. Raises PepipError if the file can't be written.
    """
    place = place or path()
    before = read(place)
    present, wanted = _values(before), _values(settings)
    rows: dict[tuple[str, ...], _Value | None] = {
        (key,): None if value == _DEFAULTS[key] else value for key, value in wanted.items() if value != present[key]
    }
    for name in sorted(before.filters.keys() | settings.filters.keys()):
        if before.filters.get(name) != settings.filters.get(name):
            rows["filters", name] = settings.filters.get(name)
    try:
        os.makedirs(os.path.dirname(place), mode=0o700, exist_ok=True)
        files.write_whole(os.path.realpath(place), _text(place, rows).encode())
    except UnicodeEncodeError as error:
        raise UsageError("a setting has a character that can't be written as UTF-8") from error
    except OSError as error:
        raise PepipError(f"cannot write {place}: {error.strerror}") from error


def _values(settings: Preferences) -> dict[str, _Value]:
    return {
        "theme": settings.theme,
        "hidden": list(settings.hidden),
        "trash": settings.trash,
        "bell": settings.bell,
    }


def _text(place: str, rows: Mapping[tuple[str, ...], _Value | None]) -> str:
    """Return the text of the file at `place` with other values in these rows, None for no value."""
    import tomlkit

    try:
        text = files.read_regular(place, most_bytes=_MOST_BYTES, follows=True).decode()
    except FileNotFoundError:
        text = ""
    if not text or text.startswith(_OLD_HEAD):
        text = _HEAD + text.removeprefix(_OLD_HEAD)
    document = tomlkit.parse(text)
    for (*tables, key), value in rows.items():
        table: dict[str, Any] = document
        for name in tables:
            table = table.setdefault(name, tomlkit.table())
        if value is None:
            table.pop(key, None)
        else:
            table[key] = value
    return tomlkit.dumps(document)


def changed(settings: Preferences, words: Sequence[str]) -> Preferences:
    """Return the settings with each `key=value` of the words. An empty value removes the setting.

    Keys are `theme`, `hidden` (columns with commas between them), `trash` (a time), `bell` (`on` or `off`) and
    `filter.NAME`. Raises UsageError for others.
    """
    filters = dict(settings.filters)
    for word in words:
        key, is_given, value = word.partition("=")
        name = key.removeprefix(_FILTER)
        if not is_given:
            raise UsageError(
                f"{word} gives no value to a setting", hint="write KEY=VALUE, such as theme=nord or filter.big='>1GB'"
            )
        if key == "theme":
            settings = settings._replace(theme=value)
        elif key == "hidden":
            settings = settings._replace(hidden=tuple(item for item in value.split(",") if item))
        elif key == "trash":
            if value and seconds_of(value) is None:
                raise UsageError(
                    f"trash: {value!r} is not a time", hint="write a number and s, m, h, d or w, such as 7d; or 0"
                )
            settings = settings._replace(trash=value)
        elif key == "bell":
            if value not in {"", "on", "off"}:
                raise UsageError(f"bell: {value!r} is neither on nor off", hint="write bell=on or bell=off")
            settings = settings._replace(bell=value != "off")
        elif name != key and name and not set(name) & set(" @="):
            filters.pop(name, None)
            if value.strip():
                filters[name] = " ".join(value.split())
        else:
            raise UsageError(f"there is no setting {key}", hint=f"the settings are {_KEYS}")
    return settings._replace(filters=filters)


_KEYS = "theme, hidden, trash, bell, and filter.NAME (NAME has no blank and no @)"


def words_of(before: Preferences, after: Preferences) -> list[str]:
    """Return the words with which `changed` turns `before` into `after`."""
    words = [f"theme={after.theme}"] if before.theme != after.theme else []
    words += [f"hidden={','.join(after.hidden)}"] if before.hidden != after.hidden else []
    words += [f"trash={after.trash}"] if before.trash != after.trash else []
    words += [f"bell={'on' if after.bell else 'off'}"] if before.bell != after.bell else []
    for name in sorted(before.filters.keys() | after.filters.keys()):
        if before.filters.get(name, "") != after.filters.get(name, ""):
            words.append(f"{_FILTER}{name}={after.filters.get(name, '')}")
    return words
