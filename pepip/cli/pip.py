"""`pepip pip`, and the commands of uv's pip interface that pepip also has at its top: they only look."""

from __future__ import annotations

import os

from pepip.cli import options
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


_CHOOSES = ("-p", "--python", "--system", "-t", "--target", "--prefix", "--no-system", "--help", "-h", "--path")


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
    kept: list[str] = []
    named = ""
    remaining = iter(words)
    for word in remaining:
        if word == "--venv":
            named = next(remaining, "")
        elif word.startswith("--venv="):
            named = word.partition("=")[2]
        else:
            kept.append(word)
    if any(word.partition("=")[0] in _CHOOSES for word in kept):
        return program.become(["pip", command, *kept])
    from pepip.operations import target
    from pepip.uv import interpreter

    root = target.locate(named, dict(os.environ), os.getcwd())
    chosen = ["--python", interpreter.executable(root)] if named or os.path.isfile(f"{root}/pyvenv.cfg") else []
    return program.become(["pip", command, *chosen, *kept])
