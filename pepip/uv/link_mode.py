"""The link mode that an option, a variable or a settings file names: the way to make files in an environment.

pepip asks uv for the mode only if a settings file may name one, or if pepip does not know the word in the option or
variable.
"""

from __future__ import annotations

import os

from pepip.uv import arguments, process, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

PIP = ("pip", "install", "nothing")
PROJECT = ("sync",)
TOOL = ("tool", "install", "nothing")
"""Commands of uv that read different settings: those of its pip interface, of a project, and of tools."""

_OWN_FILES = ("clone", "copy", "hardlink")
_LINKS = "symlink"
_SYNONYMS = {"reflink": "clone"}


def chosen(options: Sequence[str], command: Sequence[str], *, script: str = "") -> str:
    """Return the link mode that gives an environment files of its own; empty if the environment gets links.

    `options` are the options of the command. uv reads its settings as for `command`, one of PIP, PROJECT and TOOL.
    Those in the metadata of a `script` count, too. Raises UvError with uv's message if uv does not know the
    mode.
    """
    told = next(arguments.values_of(options, "--link-mode"), "") or os.environ.get("UV_LINK_MODE", "")
    if told in _OWN_FILES:
        return told
    if told == _LINKS:
        return ""
    named = set() if told else {str(value) for value in settings.values("link-mode")}
    if not told and not named:
        return ""
    of_script = ["--script", script] if script else []
    found = _ask([*command, *(["--link-mode", told] if told else [*_settings_options(options), *of_script])])
    is_meant = told or found in {_SYNONYMS.get(name, name) for name in named}
    return found if is_meant and found in _OWN_FILES else ""


def _settings_options(options: Sequence[str]) -> list[str]:
    """Return the options that say which settings files uv reads."""
    files = [word for path in arguments.values_of(options, "--config-file") for word in ("--config-file", path)]
    return [*files, *(word for word in options if word == "--no-config")]


def _ask(words: Sequence[str]) -> str:
    """Return the link mode that uv would use, empty if uv does not show it."""
    import re

    shown = process.run([*words, "--show-settings", "--color", "never"]).stdout
    match = re.search(r"^\s*link_mode: (?:Some\(\s*)?(\w+),$", shown, re.MULTILINE)
    return match[1].lower() if match else ""
