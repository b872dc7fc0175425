"""Options and commands of pip that uv does not have, for people with `alias pip='pepip pip'`.

Options without meaning for uv are dropped. Options with another name in uv are renamed. For a command that uv lacks,
uv fetches pip, and pip works on the environment. Source: the documentation of pip 26.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

PIP_ALONE = frozenset(("download", "wheel", "config", "hash", "index", "inspect", "debug", "search", "lock"))
"""The commands that pip itself runs."""

_IGNORED_FLAGS = frozenset(
    (
        "--no-input", "--no-warn-script-location", "--no-warn-conflicts", "--no-python-version-warning",
        "--disable-pip-version-check", "--use-pep517", "--require-virtualenv", "--require-venv", "--no-clean",
        "--debug",
    )
)  # fmt: skip
"""Flags to drop: uv asks nothing and works on virtual environments anyway; the rest concern only pip itself."""

_IGNORED_VALUES = frozenset(("--root-user-action", "--progress-bar", "--exists-action", "--log", "--log-file"))

_RENAMED = {
    "install": {"-I": "--reinstall", "--ignore-installed": "--reinstall"},
    "list": {"-o": "--outdated", "-e": "--editable", "-l": "", "--local": ""},
    "freeze": {"-l": "", "--local": "", "--all": ""},
}
"""By command: uv's name for an option, empty if uv does the same without it."""

_VARIABLES = {"--timeout": "UV_HTTP_TIMEOUT", "--default-timeout": "UV_HTTP_TIMEOUT", "--retries": "UV_HTTP_RETRIES"}
"""Options that are environment variables in uv."""


def translated(words: Sequence[str]) -> list[str]:
    """Return the words of a pip command as uv and pepip know them. Some options become environment variables."""
    command = ""
    found: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            return [*found, word, *rest]
        name, equals, value = word.partition("=")
        if word in _IGNORED_FLAGS:
            continue
        if name in _IGNORED_VALUES or name in _VARIABLES:
            value = value if equals else next(rest, "")
            if name in _VARIABLES:
                os.environ.setdefault(_VARIABLES[name], value)
            continue
        command = command or ("" if word.startswith("-") else word)
        shown = _RENAMED.get(command, {}).get(word, word)
        found += [shown] if shown else []
    return found
