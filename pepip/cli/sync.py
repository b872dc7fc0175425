"""`pepip sync`, `add` and `remove`: projects with a `pyproject.toml` and a `uv.lock`, and scripts."""

from __future__ import annotations

import os

from pepip.cli import options, output, stdin, uv_options
from pepip.cli.stores import open_store
from pepip.uv import handover, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pepip.uv.request import ProjectRequest

_SYNC = """\
Bring a project's lock and environment up to date, and link each package from the shared store.

The result is the environment that `uv sync` would make; uv writes `uv.lock`. With `--script`, pepip syncs the
environment that uv keeps for the script in its cache.
"""

_SYNC_EXAMPLES = """\
examples:
  pepip sync                                the project here, with its development dependencies
  pepip sync --extra plot --no-dev          one extra, and nothing for development
  pepip sync --locked                       fail if uv.lock is not up to date
  pepip sync --all-packages                 every member of the workspace
  pepip sync --script plot.py               a script with inline metadata
"""

_ADD = """\
Add dependencies to `pyproject.toml` and `uv.lock`, and link them into the project's environment.
"""

_ADD_EXAMPLES = """\
examples:
  pepip add 'httpx>=0.27'
  pepip add --dev pytest                    for development
  pepip add --optional plot matplotlib      for the extra `plot`
  pepip add git+https://host/project.git --tag v1
"""

_REMOVE = """\
Remove dependencies from `pyproject.toml` and `uv.lock`, and from the project's environment.
"""

_REMOVE_EXAMPLES = """\
examples:
  pepip remove httpx
  pepip remove --dev pytest
"""


def run_sync(words: Sequence[str]) -> int:
    """Run `pepip sync` with the words that follow its name. Returns the exit code."""
    from pepip.operations import project

    parser = parser_of("pepip sync", _SYNC, _SYNC_EXAMPLES)
    parser.add_argument(
        "--inexact", "--no-exact", action="store_true", help="keep packages that the project does not need"
    )
    parser.add_argument(
        "--exact", action="store_true", help="remove packages that the project does not need (the default)"
    )
    parser.add_argument("--dry-run", action="store_true", help="show the changes, and make none")
    parser.add_argument(
        "--output-format", choices=("text", "json"), help="`json`: print the JSON document of `uv sync`"
    )
    parser.add_argument(
        "--script", metavar="FILE", default="", help="sync the environment of a script with inline metadata (PEP 723)"
    )
    answers = ("--check", "--no-check", "--show-settings", "--isolated")
    options.add_options_for_uv_alone(parser, values=("--python-platform",), flags=answers)
    parser.add_uv_options(uv_options.PROJECT_OPTIONS)
    arguments = parser.read_for_uv(words, ["sync"])
    is_active_script = arguments.script and "--active" in arguments.sync_options
    if arguments.elsewhere or (arguments.frozen and arguments.locked) or is_active_script:
        return handover.become(["sync", *words])
    options.apply_general_options(arguments)
    request = request_of(arguments)
    if arguments.script:
        settings.include_script(os.path.abspath(arguments.script))
        request = request._replace(script=arguments.script)
    if arguments.inexact:
        request = request._replace(sync_options=(*request.sync_options, "--inexact"))
    choice = project.ProjectOptions(
        compile_bytecode=compiles(arguments),
        dry_run=arguments.dry_run,
        words=("sync", *words) if options.is_repeatable(arguments) else (),
    )
    wants_uvs_document = arguments.output_format == "json"
    operation = project.sync(open_store(), request, choice)
    outcome = output.follow(operation, output.reporter(arguments, is_quiet=wants_uvs_document))
    if wants_uvs_document:
        output.write_json(outcome.document)
    else:
        output.conclude(outcome.summary, arguments)
    return 0


def run_add(words: Sequence[str]) -> int:
    """Run `pepip add` with the words that follow its name. Returns the exit code."""
    from pepip.operations import project

    parser = parser_of("pepip add", _ADD, _ADD_EXAMPLES)
    parser.add_argument("packages", metavar="PACKAGE", nargs="*", help="requirements: names, paths, URLs, git+…")
    parser.add_argument("-r", "--requirements", "--requirement", metavar="FILE", action="append", default=[])
    parser.add_argument("-c", "--constraints", "--constraint", metavar="FILE", action="append", default=[])
    _add_kinds(parser)
    for option in (*("-m/--marker", "--bounds", "--rev", "--tag", "--branch", "--extra"),):
        parser.add_argument(*option.split("/"), dest="of_uv", metavar="X")
    for option in (
        *("--editable", "--no-editable", "--raw", "--raw-sources", "--lfs", "--no-lfs", "--workspace"),
        "--no-workspace",
    ):
        parser.add_argument(option, dest="of_uv", action="store_true")
    parser.add_uv_options(uv_options.LOCK_OPTIONS)
    arguments = parser.read_for_uv(words, ["add"])
    if _is_for_uv_alone(arguments):
        return handover.become(["add", *words])
    options.apply_general_options(arguments)
    request = _edited_request(arguments)
    selection = ["--dev"] if arguments.dev else ["--no-dev"]
    if arguments.group:
        selection = ["--group", arguments.group]
    elif arguments.optional:
        selection = ["--extra", arguments.optional, "--no-dev"]
    request = request._replace(
        selection_options=(*request.selection_options, *selection), sync_options=(*request.sync_options, "--inexact")
    )
    with stdin.as_file([*arguments.requirements, *arguments.constraints]) as files:
        kept = [files.get(word, word) for word in _words_of_uv(words)]
        operation = project.add(open_store(), kept, arguments.package or "", request)
        output.conclude(output.follow(operation, output.reporter(arguments)).summary, arguments)
    return 0


def run_remove(words: Sequence[str]) -> int:
    """Run `pepip remove` with the words that follow its name. Returns the exit code."""
    from pepip.operations import project

    parser = parser_of("pepip remove", _REMOVE, _REMOVE_EXAMPLES)
    parser.add_argument("packages", metavar="PACKAGE", nargs="*", help="names")
    _add_kinds(parser)
    parser.add_uv_options(uv_options.LOCK_OPTIONS)
    arguments = parser.read_for_uv(words, ["remove"])
    if _is_for_uv_alone(arguments):
        return handover.become(["remove", *words])
    options.apply_general_options(arguments)
    operation = project.remove(open_store(), _words_of_uv(words), _edited_request(arguments))
    output.conclude(output.follow(operation, output.reporter(arguments)).summary, arguments)
    return 0


def parser_of(title: str, description: str, examples: str, *, json: bool = True) -> options.Parser:
    """Return a parser with the options that all commands on a project share."""
    parser = options.Parser(title, description=description, examples=examples, json=json)
    parser.add_argument("-p", "--python", metavar="X", default="", help="the Python of the environment")
    parser.add_argument("--locked", action="store_true", help="fail if uv.lock is not up to date")
    parser.add_argument("--frozen", action="store_true", help="take uv.lock as it is")
    parser.add_argument("--compile-bytecode", action="store_true", help="compile modules now, not at first import")
    return parser


def _add_kinds(parser: options.Parser) -> None:
    """Add the options that `add` and `remove` share: the kind of the dependencies, and whether a sync follows."""
    parser.add_argument("--dev", action="store_true", help="development dependencies")
    parser.add_argument("--group", metavar="X", help="dependencies of this group")
    parser.add_argument("--optional", metavar="X", help="dependencies of this extra")
    parser.add_argument("--package", metavar="X", help="dependencies of this member of the workspace")
    parser.add_argument("--script", metavar="FILE", help="dependencies of a script with inline metadata (PEP 723)")
    parser.add_argument("--no-sync", action="store_true", help="leave the environment as it is")


def _is_for_uv_alone(arguments: argparse.Namespace) -> bool:
    """Tell whether uv alone makes an edit, because pepip need not sync the project's environment after it."""
    return bool(
        arguments.script
        or arguments.no_sync
        or arguments.frozen
        or settings.is_on("UV_NO_SYNC")
        or settings.is_on("UV_FROZEN")
    )


def _words_of_uv(words: Sequence[str]) -> list[str]:
    """Return the words for `uv add` or `uv remove`, without the options of pepip and of a sync.

    pepip calls uv with `--no-sync`, and syncs by itself. `--directory`, `--project` and `--color` have already taken
    effect.
    """
    table = uv_options.LOCK_OPTIONS
    of_sync = [option for option in table if option.group == "sync_options" and "--active" not in option.names]
    flags = {"--json", "--no-progress", *(name for item in of_sync if not item.takes_value for name in item.names)}
    values = {
        "--directory",
        "--project",
        "--color",
        *(name for item in of_sync if item.takes_value for name in item.names),
    }
    kept = []
    remaining = iter(words)
    for word in remaining:
        if word == "--":
            kept += [word, *remaining]
        elif word in values:
            next(remaining, None)
        elif word not in flags and word.partition("=")[0] not in values:
            kept.append(word)
    return kept


def request_of(arguments: argparse.Namespace) -> ProjectRequest:
    """Return the request that a project command's arguments describe."""
    from pepip.uv.request import ProjectRequest

    modes = [mode for mode in ("frozen", "locked") if getattr(arguments, mode)]
    return ProjectRequest(
        common_options=tuple(arguments.common_options),
        build_options=tuple(arguments.build_options),
        resolver_options=tuple(arguments.resolver_options),
        selection_options=tuple(getattr(arguments, "selection_options", ())),
        sync_options=tuple(arguments.sync_options),
        reinstall_options=tuple(arguments.reinstall_options),
        lock_mode=next(iter(modes), ""),
        python=arguments.python,
    )


def _edited_request(arguments: argparse.Namespace) -> ProjectRequest:
    """Return the request for the sync after an edit. The edit has resolved the requirements already."""
    request = request_of(arguments)._replace(resolver_options=())
    return request._replace(selection_options=("--package", arguments.package)) if arguments.package else request


def compiles(arguments: argparse.Namespace) -> bool:
    """Tell whether bytecode must be compiled."""
    return bool(arguments.compile_bytecode) or settings.is_on("UV_COMPILE_BYTECODE")
