"""`pepip detach` and `attach`: replace links by private copies, and copies by links."""

from __future__ import annotations

import os
import sys

from pepip import humanized
from pepip.cli import eject, options, output
from pepip.cli.stores import open_store
from pepip.errors import UsageError, VenvError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_DETACH = """\
Replace the links of a package by a writable copy, to patch or debug it. Other environments stay as they are.
"""

_ATTACH = """\
Link packages of an environment from the store again, if the store holds the very same wheels.
"""


def run(words: Sequence[str]) -> int:
    """Run `pepip detach`. Returns the exit code."""
    from pepip.operations import detach, venvs

    parser = options.Parser("pepip detach", description=_DETACH)
    parser.add_argument("names", metavar="NAME", nargs="*")
    parser.add_argument("--all", action="store_true", help="all packages, as `pepip eject` does")
    parser.add_argument("--venv", metavar="PATH", default="", help="the environment (the active or nearest one)")
    arguments = parser.read(words)
    options.apply_general_options(arguments)
    if bool(arguments.names) == arguments.all:
        raise UsageError("detach needs either the NAME of a distribution or --all")
    root = venvs.locate(arguments.venv, dict(os.environ), os.getcwd())
    if arguments.all:
        return eject.carry_out(open_store(), [root], arguments)
    done = detach.detach(open_store(), root, arguments.names)
    if arguments.json:
        output.write_json([{"name": item.name, "version": item.version} for item in done])
        return 0
    for item in done:
        output.say(f"{item.name} {item.version} has real files now, in {item.site_packages}")
    return 0


def run_attach(words: Sequence[str]) -> int:
    """Run `pepip attach`. Returns the exit code."""
    from pepip.operations import detach, venvs

    parser = options.Parser("pepip attach", description=_ATTACH)
    parser.add_argument("names", metavar="NAME", nargs="+")
    parser.add_argument("--venv", metavar="PATH", default="", help="the environment (the active or nearest one)")
    parser.add_argument(
        "--force", action="store_true", help="also link packages with changed files: the changes are lost"
    )
    arguments = parser.read(words)
    options.apply_general_options(arguments)
    root = venvs.locate(arguments.venv, dict(os.environ), os.getcwd())
    store = open_store()
    for name in () if arguments.force else arguments.names:
        changed = detach.changed_files(store, root, name)
        if changed and not (_can_ask(arguments.json) and _agrees(name, changed)):
            raise VenvError(
                f"{name} has changed files: {humanized.listed(changed)}",
                hint="`--force` links it, and drops the changes",
            )
    done = detach.attach(store, root, arguments.names)
    if arguments.json:
        output.write_json([{"name": item.name, "version": item.version, "changed": item.changed} for item in done])
        return 0
    for item in done:
        output.say(f"{item.name} {item.version} is linked from the store")
    return 0


def _can_ask(is_json: bool) -> bool:
    return not is_json and sys.stdin.isatty() and sys.stderr.isatty()


def _agrees(name: str, changed: list[str]) -> bool:
    for path in changed:
        output.say(f"  {path}")
    return output.confirm(f"These files of {name} were changed. Lose the changes?", default=False)
