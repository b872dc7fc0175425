"""`pepip run`: the project's environment brought up to date, and then uv runs the command."""

from __future__ import annotations

import os

from pepip.cli import options, output, project
from pepip.uv import program

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

_VALUES = ("--env-file", "-w/--with", "--with-editable", "--with-requirements")
_FLAGS = ("-m/--module", "-s/--script", "--gui-script", "--no-env-file", "--no-sync", "--isolated", "--no-project")


def run(words: Sequence[str]) -> int:
    """Run the command with the words that follow its name. Becomes uv in the end; returns on Windows alone."""
    parser = project.parser_of("pepip run", _DESCRIPTION, _EXAMPLES, json=False)
    parser.add_argument("--exact", action="store_true", help="remove what the project does not ask for, too")
    parser.add_argument("command", metavar="COMMAND", nargs="*", help="a command of the environment, or a script")
    for option in _VALUES:
        parser.add_argument(*option.split("/"), dest="of_uv", metavar="X", action="append")
    for option in _FLAGS:
        name = option.rpartition("--")[2].replace("-", "_")
        parser.add_argument(*option.split("/"), dest=name, action="store_true")
    options.add_elsewhere(parser, values=("--python-platform",), flags=("--show-settings",))
    parser.add_uv_options(options.PROJECT_OPTIONS)
    of_run, command = options.split(words, values=parser.options_with_value())
    arguments = parser.read_for_uv(of_run, ["run"], rest=command)
    command = command[1:] if command[:1] == ["--"] else command
    folder, variables = os.getcwd(), dict(os.environ)
    options.take_effect(arguments)
    _complete_interrupted(arguments)
    is_settled = not _runs_outside_of_project(arguments, command) and _bring_up_to_date(arguments, ["run", *of_run])
    if is_settled and (command[:1] == ["-"] or "://" in "".join(command[:1])):
        is_settled = False  # the script may have metadata of its own, which only uv will see
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    return program.become(["run", *(["--no-sync"] if is_settled else []), *words])


def _complete_interrupted(arguments: argparse.Namespace) -> None:
    """Complete what a killed run began in the environment that uv may run the command in."""
    from pepip.cli import pip
    from pepip.operations import target

    if not arguments.isolated:
        pip.complete_interrupted(target.locate("", dict(os.environ), os.getcwd()))


def _bring_up_to_date(arguments: argparse.Namespace, words: Sequence[str]) -> bool:
    """Sync the project's environment. Returns False where uv can't say how: it will then say why not.

    `words` are those of the command line that decide on it.
    """
    from pepip.errors import UvError
    from pepip.operations import project as projects
    from pepip.paths import default_home
    from pepip.store.home import Store

    request = project.request_of(arguments)
    if not arguments.exact:
        request = request._replace(syncing=(*request.syncing, "--inexact"))
    choice = projects.Options(
        compile_bytecode=project.compiles(arguments),
        words=tuple(words) if options.is_repeatable(arguments) else (),
    )
    reporter = output.reporter(arguments)
    is_decided = False
    try:
        for step in projects.sync(Store(default_home(os.environ)), request, choice):
            if isinstance(step, projects.Outcome):
                reporter.close()
                output.conclude(step.summary, arguments, only_changes=True)
            elif step.phase != "warning" or is_decided:  # uv says its own warnings again
                is_decided = is_decided or step.phase != "resolve"
                reporter.show(step)
    except UvError:
        if is_decided:
            raise
        return False
    finally:
        reporter.close()
    return True


def _runs_outside_of_project(arguments: argparse.Namespace, command: Sequence[str]) -> bool:
    """Tell whether `uv run` would leave the project's environment alone, or find none."""
    from pepip.uv import settings

    return (
        bool(arguments.no_project or arguments.isolated or arguments.no_sync or arguments.elsewhere)
        or any(map(settings.is_on, ("UV_NO_SYNC", "UV_ISOLATED", "UV_NO_PROJECT")))
        or (bool(command) and not arguments.module and _has_inline_metadata(arguments, command[0]))
        or not settings.project_folder()
    )


def _has_inline_metadata(arguments: argparse.Namespace, path: str) -> bool:
    """Tell whether uv takes a file for a script, and it has inline metadata (PEP 723)."""
    is_script = arguments.script or arguments.gui_script or path.endswith((".py", ".pyw"))
    if not is_script or not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return any(line.rstrip() == b"# /// script" for line in file)
