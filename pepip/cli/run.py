"""`pepip run`: the project's environment brought up to date, and then uv runs the command."""

from __future__ import annotations

import os

from pepip.cli import options, output, project

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

_DESCRIPTION = """\
Run a command in the project's environment, brought up to date first.

The command is started by uv, with all that `uv run` offers; its exit code and signals are pepip's. What `--with`
asks for, and scripts with inline metadata (PEP 723), get the environments that uv makes for them.
"""

_EXAMPLES = """\
examples:
  pepip run pytest -x
  pepip run python -c 'import requests'
  pepip run --with rich script.py
"""

_VALUES = ("--env-file", "-w/--with", "--with-editable", "--with-requirements", "--python-platform")
_FLAGS = ("-m/--module", "-s/--script", "--gui-script", "--no-env-file", "--no-sync", "--isolated", "--no-project")


def run(words: Sequence[str]) -> int:
    """Run `pepip run` with the words that follow its name. Returns the exit code, or becomes uv."""
    from pepip.errors import UsageError, UvError
    from pepip.operations import project as projects
    from pepip.store.home import Store, default_home
    from pepip.uv import program

    parser = project.parser_of("pepip run", _DESCRIPTION, _EXAMPLES)
    parser.add_argument("--exact", action="store_true", help="remove what the project does not ask for, too")
    parser.add_argument("command", metavar="COMMAND", nargs="*", help="a command of the environment, or a script")
    for option in _VALUES:
        parser.add_argument(*option.split("/"), dest="of_uv", metavar="X", action="append")
    for option in _FLAGS:
        parser.add_argument(
            *option.split("/"), dest=option.rpartition("--")[2].replace("-", "_"), action="store_true"
        )
    parser.add_uv_options(options.PROJECT_OPTIONS)
    of_run, command = options.split(words, values=parser.options_with_value())
    try:
        arguments = parser.read(of_run)
    except UsageError:
        return program.become(["run", *words])  # an option of a newer uv, or none: uv has the last word
    if _runs_outside_of_project(arguments, command):
        return program.become(["run", *words])
    before = os.getcwd()
    options.take_effect(arguments)
    request = project.request_of(arguments)
    if not arguments.exact:
        request = request._replace(syncing=(*request.syncing, "--inexact"))
    reporter = output.reporter(arguments)
    choice = projects.Options(compile_bytecode=project.compiles(arguments))
    has_begun = False
    try:
        for step in projects.sync(Store(default_home(os.environ)), request, choice):
            if isinstance(step, projects.Outcome):
                output.conclude(step.summary, arguments, only_changes=True)
            elif step.phase != "warning" or has_begun:  # uv says its own warnings again
                has_begun = has_begun or step.phase != "resolve"
                reporter.show(step)
    except UvError:
        if has_begun:
            raise
        os.chdir(before)
        return program.become(["run", *words])  # no project, or none that can be synced: uv says so
    finally:
        reporter.close()
    os.chdir(before)
    is_settled = command[0] not in {"-"} and "://" not in command[0]
    return program.become(["run", *(["--no-sync"] if is_settled else []), *words])


def _runs_outside_of_project(arguments: argparse.Namespace, command: Sequence[str]) -> bool:
    """Tell whether `uv run` would leave the project's environment alone, or find none."""
    from pepip.uv import settings

    if arguments.no_project or arguments.isolated or arguments.no_sync or not command:
        return True
    if any(map(settings.is_on, ("UV_NO_SYNC", "UV_ISOLATED", "UV_NO_PROJECT"))):
        return True
    folder = os.path.abspath(arguments.directory or os.environ.get("UV_WORKING_DIR") or os.curdir)
    return (not arguments.module and _has_inline_metadata(os.path.join(folder, command[0]))) or not _is_in_project(
        os.path.join(folder, arguments.project or os.environ.get("UV_PROJECT") or os.curdir)
    )


def _is_in_project(folder: str) -> bool:
    current = os.path.abspath(folder)
    while not os.path.isfile(f"{current}/pyproject.toml"):
        parent = os.path.dirname(current)
        if parent == current:
            return False
        current = parent
    return True


def _has_inline_metadata(path: str) -> bool:
    """Tell whether a file is a script with inline metadata (PEP 723)."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return any(line.rstrip() == b"# /// script" for line in file)
