"""`pepip pip`, and the commands of uv's pip interface that pepip also has at its top: they only look."""

from __future__ import annotations

import argparse
import os

from pepip.cli import options
from pepip.errors import UsageError
from pepip.paths import expand_user
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
    if command and command[0] in _LOOKING:
        complete_interrupted(_root_of(_read(command[0], [*before, *after])))
    return program.become(["pip", *words])


_LOOKING = {"list", "freeze", "show", "check", "tree"}
"""The commands of uv's pip interface that tell what an environment holds."""


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
    arguments = _read(command, words)
    root = _root_of(arguments)
    complete_interrupted(root)
    if arguments.chosen and arguments.venv is None:
        return program.become(["pip", command, *words])
    from pepip.uv import interpreter

    is_there = arguments.venv is not None or os.path.isfile(f"{root}/pyvenv.cfg")
    chosen = ["--python", interpreter.executable(root)] if is_there else []
    return program.become(["pip", command, *chosen, *_without_venv(words)])


def _read(command: str, words: Sequence[str]) -> argparse.Namespace:
    """Read the options that choose an environment, or another place. Raises UsageError."""
    parser = argparse.ArgumentParser(prog=f"pepip {command}", add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--venv")
    parser.add_argument("--directory")
    parser.add_argument("-p", "--python")
    for option in ("-t/--target", "--prefix", "--path"):
        parser.add_argument(*option.split("/"), dest="elsewhere")
    for option in ("-h/--help", "--system", "--no-system"):
        parser.add_argument(*option.split("/"), dest="elsewhere", action="store_true")
    try:
        arguments, _ = parser.parse_known_args(words)
    except argparse.ArgumentError as error:
        raise UsageError(str(error)) from error
    arguments.chosen = arguments.elsewhere or arguments.python
    return arguments


def _root_of(arguments: argparse.Namespace) -> str:
    """Return the environment that is looked at, empty if it is none that pepip links."""
    from pepip.operations import target

    folder = os.path.abspath(options.working_directory(arguments.directory))
    if arguments.venv is None and arguments.elsewhere:
        return ""
    if arguments.venv is None and arguments.python:
        return target.environment_of(os.path.join(folder, expand_user(arguments.python, os.environ)))
    return target.locate(arguments.venv or "", dict(os.environ), folder)


def complete_interrupted(root: str) -> None:
    """Complete what a killed run began, so that what is shown is what is there; say so where that fails."""
    from pepip.environment import journal, readable

    if root:
        readable.check(root)
    if not root or not journal.is_interrupted(root):
        return
    from pepip.cli import output
    from pepip.errors import PepipError
    from pepip.operations import recover
    from pepip.paths import default_home
    from pepip.store.home import Store

    reporter = output.Reporter(verbosity=0)
    try:
        sentence = recover.complete_interrupted(Store(default_home(os.environ)), root)
    except PepipError as error:
        sentence = error.message
    except OSError as error:
        sentence = f"a change to {root} was interrupted: {error.strerror}: {error.filename}"
    if sentence:
        reporter.warn(sentence)


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
