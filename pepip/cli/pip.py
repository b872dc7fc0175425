"""`pepip pip`, and the commands of uv's pip interface that pepip also has at its top: they only look."""

from __future__ import annotations

import argparse
import os

from pepip.cli import options
from pepip.errors import UsageError
from pepip.uv import program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def run(words: Sequence[str]) -> int:
    """Run `pepip pip` with the words that follow: what changes an environment is pepip's, the rest uv's."""
    os.environ.pop("UV_PROJECT_ENVIRONMENT", None)  # uv's pip interface doesn't ask it either
    before, rest = options.split(words, values=options.GLOBAL_VALUES)
    command, after = rest[:1], rest[1:]
    if command == ["install"]:
        from pepip.cli import install

        return install.run([*before, *after], title="pepip pip install")
    if command == ["sync"]:
        from pepip.cli import install

        return install.run_sync([*before, *after])
    if command == ["uninstall"]:
        from pepip.cli import uninstall

        return uninstall.run([*before, *after], title="pepip pip uninstall")
    return program.become(["pip", *words])


def run_list(words: Sequence[str]) -> int:
    """Run `pepip list`."""
    return _look("list", words)


def run_freeze(words: Sequence[str]) -> int:
    """Run `pepip freeze`."""
    return _look("freeze", words)


def run_show(words: Sequence[str]) -> int:
    """Run `pepip show`."""
    return _look("show", words)


def run_check(words: Sequence[str]) -> int:
    """Run `pepip check`: whether the packages of an environment fit together."""
    return _look("check", words)


def _look(command: str, words: Sequence[str]) -> int:
    """Let uv show the environment that `pepip install` would install into.

    `--venv PATH` names it; uv's own options that choose another stay uv's.
    """
    parser = argparse.ArgumentParser(prog=f"pepip {command}", add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--venv")
    parser.add_argument("--directory")
    for option in ("-p/--python", "-t/--target", "--prefix", "--path"):
        parser.add_argument(*option.split("/"), dest="chosen")
    for option in ("-h/--help", "--system", "--no-system"):
        parser.add_argument(*option.split("/"), dest="chosen", action="store_true")
    try:
        arguments, _ = parser.parse_known_args(words)
    except argparse.ArgumentError as error:
        raise UsageError(str(error)) from error
    if arguments.chosen and arguments.venv is None:
        return program.become(["pip", command, *words])
    from pepip.operations import target
    from pepip.uv import interpreter

    folder = os.path.abspath(options.working_directory(arguments.directory))
    root = target.locate(arguments.venv or "", dict(os.environ), folder)
    is_there = arguments.venv is not None or os.path.isfile(f"{root}/pyvenv.cfg")
    chosen = ["--python", interpreter.executable(root)] if is_there else []
    return program.become(["pip", command, *chosen, *_without_venv(words)])


def _without_venv(words: Sequence[str]) -> list[str]:
    """Return the words without `--venv PATH`, which uv does not know."""
    kept = []
    remaining = iter(words)
    for word in remaining:
        if word == "--venv":
            next(remaining, None)
        elif not word.startswith("--venv="):
            kept.append(word)
    return kept
