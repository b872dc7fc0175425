"""The command line's entry: which command runs, and what becomes of its errors."""

from __future__ import annotations

import os
import signal
import sys

from pepip import __version__
from pepip.cli import install, output
from pepip.errors import PepipError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_HELP = """\
pepip {version}: every package version once, in a shared store, linked into each project's environment

usage: pepip COMMAND [OPTION ...]

commands:
  install    install packages into a virtual environment, linked from the store

options:
  -h, --help       show this help; `pepip COMMAND --help` shows a command's own
  -V, --version    show the version

examples:
  pepip install requests 'numpy<2'      install into .venv here, made if it is missing
  pepip install -r requirements.txt     also pyproject.toml and pylock.toml
  pepip install -e .                    this project itself, editable

The store is ~/.pepip, or the folder that PEPIP_HOME names."""

_COMMANDS = {"install": install.run}


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code: 0, 1 for a failure, 2 for a misuse, or uv's own."""
    if not arguments:
        output.say(_usage())
        return 2
    first, *rest = arguments
    if first in {"-h", "--help", "help"}:
        sys.stdout.write(_usage() + "\n")
        return 0
    try:
        command = _COMMANDS.get(first)
        if command is None:
            raise UsageError(f"there is no command {first!r}", hint="`pepip --help` shows what there is")
        return command(rest)
    except PepipError as error:
        return output.fail(error)
    except BrokenPipeError:
        return _die_of_pipe()
    except OSError as error:
        return output.fail_in_system(error)
    except KeyboardInterrupt:
        output.say("interrupted")
        return 128 + signal.SIGINT


def _usage() -> str:
    return _HELP.format(version=__version__)


def _die_of_pipe() -> int:
    """End quietly when nobody reads the output any more."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    return 128 + 13
