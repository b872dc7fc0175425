"""`pepip ui`: the app in the terminal."""

from __future__ import annotations

import os
import re
import sys

from pepip.cli import options, output
from pepip.cli.stores import open_store
from pepip.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_DESCRIPTION = """\
Manage the store on the whole terminal, with keys and mouse. Shows which packages fill the disk, which projects link
them, and the savings. Installs, syncs, upgrades, prunes, verifies and repairs.
"""

_EXAMPLES = """\
examples:
  pepip ui
  pepip ui --screen projects
  pepip ui --screenshot store.svg --size 120x36
"""

_SCREENS = ("store", "projects", "savings", "activity", "versions")


def run(words: Sequence[str]) -> int:
    """Run the command with the words that follow its name. Returns the exit code."""
    parser = options.Parser("pepip ui", description=_DESCRIPTION, examples=_EXAMPLES, json=False)
    parser.add_argument("--screen", choices=_SCREENS, default="store", help="the screen to begin with")
    parser.add_argument("--theme", metavar="X", default="", help="the colours: textual-dark, ansi-dark, nord, …")
    parser.add_argument("--screenshot", metavar="FILE.svg", help="write a picture and exit; needs no terminal")
    parser.add_argument("--size", metavar="WxH", default="120x36", help="the picture's columns and rows (120x36)")
    arguments = parser.read(words)
    options.apply_general_options(arguments)
    size = _size(arguments.size)
    if arguments.theme:
        _check_theme(arguments.theme)
    if arguments.screenshot:
        from pepip.tui import screenshot

        svg = screenshot.take(open_store(), pane=arguments.screen, size=size, theme=arguments.theme)
        with open(arguments.screenshot, "w", encoding="utf-8") as file:
            file.write(svg)
        output.say(f"Wrote {arguments.screenshot}")
        return 0
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)) or os.environ.get("TERM") == "dumb":
        raise UsageError(
            "`pepip ui` needs a terminal", hint="`--screenshot FILE.svg` needs none; `pepip store list` writes text"
        )
    from pepip.tui import start

    return start.run(open_store(), pane=arguments.screen, theme=arguments.theme)


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{2,3})x(\d{2,3})", text)
    if not match:
        raise UsageError(f"{text!r} is not a size", hint="write columns and rows, such as 120x36")
    return int(match[1]), int(match[2])


def _check_theme(name: str) -> None:
    from pepip.tui import screenshot

    if name not in screenshot.themes():
        raise UsageError(f"there is no theme {name}", hint=f"one of {', '.join(screenshot.themes())}")
