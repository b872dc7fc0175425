"""The command line's entry: which command runs, and what becomes of its errors."""

from __future__ import annotations

import argparse
import os
import signal
import sys

from pepip import __version__
from pepip.cli import install, output
from pepip.errors import PepipError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

_DESCRIPTION = """\
pepip keeps every package version once, in a shared store, and links it into each project's environment.
"""

_EXAMPLES = """\
examples:
  pepip install requests            install into .venv here, made if it is missing
  pepip install -r requirements.txt
  pepip install --help              all options, with more examples

The store is ~/.pepip, or the folder that PEPIP_HOME names.
"""


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints look like every other error of pepip."""

    def error(self, message: str) -> NoReturn:
        """Say one error and one hint, and exit with code 2."""
        output.say(f"error: {message}")
        output.say(f"hint: `{self.prog} --help` shows what there is")
        sys.exit(2)


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code: 0, 1 for a failure, 2 for a misuse, or uv's own."""
    parser = _Parser(
        prog="pepip",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("-V", "--version", action="version", version=f"pepip {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=_Parser)
    install.add_parser(commands)
    if not arguments:
        parser.print_help()
        return 2
    try:
        parsed = parser.parse_args(arguments)
        code: int = parsed.command(parsed)
    except PepipError as error:
        return output.fail(error)
    except BrokenPipeError:
        return _die_of_pipe()
    except OSError as error:
        return output.fail_in_system(error)
    except KeyboardInterrupt:
        output.say("interrupted")
        return 128 + signal.SIGINT
    return code


def _die_of_pipe() -> int:
    """End quietly when nobody reads the output any more."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    return 128 + 13
