"""What people type who have `alias pip='pepip pip'`: the words of pip that uv has not.

An option that means nothing here is left out, and one that uv names otherwise is renamed. A command that uv lacks is
pip's own: uv fetches pip, which then works on the environment. Source: the documentation of pip 26.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

PIP_ALONE = frozenset(("download", "wheel", "config", "hash", "index", "inspect", "debug", "search", "lock"))
"""The commands for which pip itself is run."""

_IGNORED_FLAGS = frozenset(
    (
        "--no-input", "--no-warn-script-location", "--no-warn-conflicts", "--no-python-version-warning",
        "--disable-pip-version-check", "--use-pep517", "--require-virtualenv", "--require-venv", "--no-clean",
        "--debug",
    )
)  # fmt: skip
"""uv asks nothing, and works on virtual environments; the rest is how pip itself works."""

_IGNORED_VALUES = frozenset(("--root-user-action", "--progress-bar", "--exists-action", "--log", "--log-file"))

_RENAMED = {
    "install": {"-I": "--reinstall", "--ignore-installed": "--reinstall"},
    "list": {"-o": "--outdated", "-e": "--editable", "-l": "", "--local": ""},
    "freeze": {"-l": "", "--local": "", "--all": ""},
}
"""By command: what uv calls an option; empty where uv does the same without it."""

_VARIABLES = {"--timeout": "UV_HTTP_TIMEOUT", "--default-timeout": "UV_HTTP_TIMEOUT", "--retries": "UV_HTTP_RETRIES"}
"""Options that are variables with uv."""


def translated(words: Sequence[str]) -> list[str]:
    """Return the words of a command of pip as uv and pepip know them. Some become variables of uv, which are set."""
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
