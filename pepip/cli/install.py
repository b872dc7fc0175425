"""`pepip install` and `pepip pip sync`: the commands of uv's pip interface that install."""

from __future__ import annotations

import functools
import os

from pepip import paths
from pepip.cli import options, output, stdin, uv_options
from pepip.cli.stores import open_store
from pepip.uv import handover

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pepip.store.root import Store
    from pepip.uv.request import Request

_INSTALL = """\
Install packages into a virtual environment, each linked from the shared store.

The result is the environment that `uv pip install` would make. Versions that the store has are linked, and never
downloaded again. Other versions are stored once, for every project.
"""

_INSTALL_EXAMPLES = """\
examples:
  pepip install requests 'numpy<2'          into the active environment, the nearest .venv, or a new .venv here
  pepip install -r requirements.txt         also pyproject.toml and pylock.toml
  pepip install -e .                        this project itself, editable
  pepip install -U black --python 3.12      newest version, in an environment on Python 3.12
  pepip install torch --dry-run             list packages to link and to download
"""

_SYNC = """\
Make a virtual environment hold exactly the packages that requirement files list, as `uv pip sync` does.
"""

_SYNC_EXAMPLES = """\
examples:
  pepip pip sync requirements.txt           a file of all packages, as `pepip pip compile` writes it
  pepip pip sync pylock.toml
"""

# Options with which uv runs the command alone: it installs elsewhere, or only answers a question.
_ELSEWHERE_VALUES = ("-t/--target", "--prefix", "--root", "--python-platform", "--python-version", "--output-format")
_ELSEWHERE_FLAGS = ("--system", "--user", "--break-system-packages", "--check", "--show-settings")


def run(words: Sequence[str], *, title: str = "pepip install") -> int:
    """Run `pepip install` with the words that follow its name. Returns the exit code."""
    from pepip.errors import UsageError
    from pepip.uv.request import Request

    parser = options.Parser(title, description=_INSTALL, examples=_INSTALL_EXAMPLES)
    parser.add_argument("packages", metavar="PACKAGE", nargs="*", help="requirements: names, paths, URLs, git+…")
    add_list = functools.partial(parser.add_argument, action="append", default=[])
    kinds = "a requirements.txt, pyproject.toml or pylock.toml"
    add_list("-r", "--requirements", "--requirement", metavar="FILE", help=kinds)
    add_list("-e", "--editable", metavar="PATH", help="install a local project in editable mode")
    parser.add_argument("--no-deps", action="store_true", help="install only the named packages, no dependencies")
    _add_arguments(parser)
    arguments = parser.read_for_uv(words, ["pip", "install"])
    if is_elsewhere(arguments):
        return handover.become(["pip", "install", *words])
    options.apply_general_options(arguments)
    if not (
        arguments.packages or arguments.requirements or arguments.editable or "--group" in arguments.resolver_options
    ):
        raise UsageError("no packages given", hint=f"name them, such as `{title} requests`; `--help` shows more")
    _check_files([*arguments.requirements, *arguments.constraints])
    with stdin.as_file([*arguments.requirements, *arguments.constraints]) as files:
        request = Request(
            packages=tuple(arguments.packages),
            requirement_files=tuple(files[name] for name in arguments.requirements),
            constraint_files=tuple(files[name] for name in arguments.constraints),
            editables=tuple(arguments.editable),
            common_options=tuple(arguments.common_options),
            resolver_options=tuple(arguments.resolver_options),
            installer_options=tuple(arguments.installer_options),
            no_deps=arguments.no_deps,
        )
        return _install(arguments, request, ["install", *words])


def run_sync(words: Sequence[str]) -> int:
    """Run `pepip pip sync` with the words that follow its name. Returns the exit code."""
    from pepip.uv.request import Request

    parser = options.Parser("pepip pip sync", description=_SYNC, examples=_SYNC_EXAMPLES)
    parser.add_argument("requirements", metavar="FILE", nargs="+", help="a requirements.txt or pylock.toml")
    _add_arguments(parser)
    arguments = parser.read_for_uv(words, ["pip", "sync"])
    if is_elsewhere(arguments):
        return handover.become(["pip", "sync", *words])
    options.apply_general_options(arguments)
    _check_files([*arguments.requirements, *arguments.constraints])
    with stdin.as_file([*arguments.requirements, *arguments.constraints]) as files:
        request = Request(
            requirement_files=tuple(files[name] for name in arguments.requirements),
            constraint_files=tuple(files[name] for name in arguments.constraints),
            common_options=tuple(arguments.common_options),
            resolver_options=tuple(arguments.resolver_options),
            installer_options=tuple(arguments.installer_options),
            is_whole=True,
        )
        return _install(arguments, request, ["pip", "sync", *words])


def _add_arguments(parser: options.Parser) -> None:
    """Add the options that `install` and `sync` share."""
    constraints = "constrain versions by a requirements file"
    parser.add_argument(
        "-c", "--constraints", "--constraint", metavar="FILE", action="append", default=[], help=constraints
    )
    parser.add_argument("--venv", metavar="PATH", default="", help="the environment (the active or nearest one)")
    parser.add_argument("-p", "--python", metavar="X", default="", help="the Python that the environment must have")
    parser.add_argument("--compile-bytecode", action="store_true", help="compile modules now, not at first import")
    parser.add_argument("--dry-run", action="store_true", help="show the changes, and make none")
    options.add_options_for_uv_alone(parser, values=_ELSEWHERE_VALUES, flags=_ELSEWHERE_FLAGS)
    parser.add_uv_options(uv_options.PIP_OPTIONS)


def is_elsewhere(arguments: argparse.Namespace) -> bool:
    """Tell whether uv must run the command alone: its target is no environment, or it only answers a question."""
    from pepip.operations import venvs
    from pepip.uv import settings

    if arguments.elsewhere:
        return True
    if arguments.venv or venvs.environment_of(arguments.python):
        return False
    return (
        settings.is_on("UV_SYSTEM_PYTHON")
        or venvs.is_conda(dict(os.environ))
        or any(settings.values("system", "target", "prefix", "python"))
    )


def _install(arguments: argparse.Namespace, request: Request, words: Sequence[str]) -> int:
    from pepip.operations import install, venvs
    from pepip.uv import settings

    store = open_store()
    root = venvs.choose(arguments.venv, arguments.python, dict(os.environ), os.getcwd())
    name_environment(store, root, arguments)
    choice = install.InstallOptions(
        environment=root,
        python=arguments.python,
        compile_bytecode=arguments.compile_bytecode or settings.is_on("UV_COMPILE_BYTECODE"),
        dry_run=arguments.dry_run,
        words=tuple(words) if options.is_repeatable(arguments) else (),
    )
    operation = install.install(store, request, choice)
    summary = output.follow(operation, output.reporter(arguments))
    output.conclude(summary, arguments)
    return 0


def name_environment(store: Store, root: str, arguments: argparse.Namespace) -> None:
    """Print the name of the environment at `root`, as uv does. Print nothing if it is missing, or is `.venv` here."""
    from pepip.operations import venvs
    from pepip.uv import interpreter

    if arguments.verbosity < 0 or root == paths.absolute(".venv") or not interpreter.is_environment(root):
        return
    sentence = venvs.in_words(venvs.open_environment(root, store))
    if sentence:
        output.say(sentence)


def _check_files(files: Sequence[str]) -> None:
    from pepip.errors import UsageError

    for path in files:
        if path != "-" and "://" not in path and not os.path.exists(path):
            raise UsageError(f"the file {path} does not exist")
