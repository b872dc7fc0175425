"""`pepip pip`, and the commands `list`, `freeze`, `show` and `check` of uv's pip interface, which only read."""

from __future__ import annotations

import argparse
import os
import sys

from pepip.cli import options, pip_aliases, uv_options
from pepip.cli.stores import open_store
from pepip.errors import UsageError
from pepip.paths import expand_user
from pepip.uv import handover

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def run(words: Sequence[str]) -> int:
    """Run `pepip pip` with the words that follow. pepip runs the commands that change an environment, uv the rest."""
    os.environ.pop("UV_PROJECT_ENVIRONMENT", None)  # uv's pip interface ignores it, too
    words = pip_aliases.translated(words)
    before, rest = uv_options.split(words, values=uv_options.GLOBAL_VALUES)
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
    if not command and {"-V", "--version"} & set(words):
        return _version()
    if command == ["help"]:
        return run([*after[:1], "--help"])
    if command == ["cache"]:
        return _cache(after)
    if command and command[0] in pip_aliases.PIP_ALONE:
        return _become_pip(words)
    if command and command[0] in _LOOKING:
        complete_interrupted(_root_of(_read(command[0], [*before, *after])))
    return handover.become(["pip", *words])


def _version() -> int:
    from pepip import __version__
    from pepip.uv import versions

    sys.stdout.write(f"pepip {__version__}, with the pip interface of uv {versions.of_uv()}\n")
    return 0


def _cache(words: Sequence[str]) -> int:
    """Run `pip cache`. uv's cache and the store take the place of pip's cache."""
    meant = {"dir": ["cache", "dir"], "purge": ["cache", "clean"]}
    if words and words[0] in meant:
        return handover.become(meant[words[0]])
    raise UsageError(
        "uv does not use pip's cache",
        hint="`pepip store list` lists the entries; `pepip pip cache purge` empties uv's cache",
    )


def _become_pip(words: Sequence[str]) -> int:
    """Let pip itself run a command that uv lacks, on the environment that `pepip pip` would use."""
    from pepip.operations import venvs

    root = venvs.locate("", dict(os.environ), os.getcwd())
    chosen = ["--python", root] if os.path.isfile(f"{root}/pyvenv.cfg") and "--python" not in words else []
    return handover.become(["tool", "run", "--quiet", "pip", *chosen, *words])


_LOOKING = {"list", "freeze", "show", "check", "tree"}
"""The commands of uv's pip interface that show an environment's content."""


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

    `--venv PATH` names it. If uv's own options choose another environment, uv handles them.
    """
    arguments = _read(command, words)
    root = _root_of(arguments)
    complete_interrupted(root)
    if arguments.chosen and arguments.venv is None:
        return handover.become(["pip", command, *words])
    from pepip.uv import interpreter

    is_there = arguments.venv is not None or os.path.isfile(f"{root}/pyvenv.cfg")
    chosen = ["--python", interpreter.executable(root)] if is_there else []
    return handover.become(["pip", command, *chosen, *_without_venv(words)])


def _read(command: str, words: Sequence[str]) -> argparse.Namespace:
    """Read the options that choose an environment or another folder. Raises UsageError."""
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
    """Return the environment that uv will show. Empty if the options choose a folder that is no environment."""
    from pepip.operations import venvs

    folder = os.path.abspath(options.working_directory(arguments.directory))
    if arguments.venv is None and arguments.elsewhere:
        return ""
    if arguments.venv is None and arguments.python:
        return venvs.environment_of(os.path.join(folder, expand_user(arguments.python, os.environ)))
    return venvs.locate(arguments.venv or "", dict(os.environ), folder)


def complete_interrupted(root: str) -> None:
    """Complete or take back the change of a killed run, so that uv shows the true state.

    Prints a warning if the change was taken back, or if neither can be done. Raises VenvError if `layout_check` does.
    """
    from pepip.environment import journal, layout_check

    if root:
        layout_check.check(root)
    if not root or not journal.is_unfinished(root):
        return
    from pepip.cli import output
    from pepip.errors import PepipError
    from pepip.operations import recover

    reporter = output.Reporter(verbosity=0)
    try:
        sentence = recover.complete_interrupted(open_store(), root)
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
