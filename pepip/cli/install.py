"""`pepip install`."""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import sys

from pepip.cli import options, output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_DESCRIPTION = """\
Install packages into a virtual environment, each linked from the shared store.

The environment ends as `uv pip install` would leave it. A version that the store has is linked and never
downloaded again; what it lacks is stored once, for every project.
"""

_EXAMPLES = """\
examples:
  pepip install requests 'numpy<2'          into .venv here, made if it is missing
  pepip install -r requirements.txt         also pyproject.toml and pylock.toml
  pepip install -e .                        this project itself, editable
  pepip install -U black --python 3.12      newest version, in an environment on Python 3.12
  pepip install torch --dry-run             only say what would be linked and downloaded
"""


def _parser() -> argparse.ArgumentParser:
    parser = options.Parser(
        prog="pepip install",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("packages", metavar="PACKAGE", nargs="*", help="requirements: names, paths, URLs, git+…")
    add_list = functools.partial(parser.add_argument, action="append", default=[])
    kinds = "a requirements.txt, pyproject.toml or pylock.toml"
    add_list("-r", "--requirements", "--requirement", metavar="FILE", help=kinds)
    add_list("-c", "--constraints", "--constraint", metavar="FILE", help="constrain versions by a requirements file")
    add_list("-e", "--editable", metavar="PATH", help="install a local project so that its files stay where they are")
    parser.add_argument("--venv", metavar="PATH", default="", help="the environment (the active one, or .venv)")
    parser.add_argument("-p", "--python", metavar="X", default="", help="the Python for a new environment")
    parser.add_argument("--no-deps", action="store_true", help="install only what is named, no dependencies")
    parser.add_argument("--compile-bytecode", action="store_true", help="compile modules now, not at first import")
    parser.add_argument("--dry-run", action="store_true", help="say what would happen and change nothing")
    parser.add_argument("--json", action="store_true", help="write one JSON document to stdout")
    parser.add_argument("-q", "--quiet", action="count", default=0, help="say errors only")
    parser.add_argument("-v", "--verbose", action="count", default=0, help="say every step")
    for option in ("-t/--target", "--prefix", "--root", "--python-platform", "--python-version"):
        parser.add_argument(*option.split("/"), dest="elsewhere", metavar="PATH", help=argparse.SUPPRESS)
    for option in ("--system", "--user"):
        parser.add_argument(option, dest="elsewhere", action="store_const", const=option, help=argparse.SUPPRESS)
    options.add_uv_options(parser)
    return parser


def run(words: Sequence[str]) -> int:
    """Run the command with the words that follow its name. Returns the exit code."""
    from pepip.errors import UsageError
    from pepip.model import Request, Summary
    from pepip.operations import install, target
    from pepip.store.home import Store, default_home

    arguments = _parser().parse_intermixed_args(words)
    if arguments.elsewhere:
        raise UsageError(
            "pepip links into virtual environments only",
            hint="for another place or platform (--system, --target, --python-platform, …) use `uv pip install`",
        )
    for path in [*arguments.requirements, *arguments.constraints]:
        if path != "-" and "://" not in path and not os.path.exists(path):
            raise UsageError(f"the file {path} does not exist")
    if not (arguments.packages or arguments.requirements or arguments.editable or "--group" in arguments.resolving):
        raise UsageError("nothing to install is named", hint="`pepip install --help` shows examples")
    variables = dict(os.environ)
    compiles = arguments.compile_bytecode or variables.get("UV_COMPILE_BYTECODE", "").lower() in {
        "1",
        "true",
        "yes",
    }
    verbosity = arguments.verbose - arguments.quiet
    with _requirements_from_stdin(arguments.requirements) as requirement_files:
        request = Request(
            packages=tuple(arguments.packages),
            requirement_files=requirement_files,
            constraint_files=tuple(arguments.constraints),
            editables=tuple(arguments.editable),
            everywhere=tuple(arguments.everywhere),
            resolving=tuple(arguments.resolving),
            installing=tuple(arguments.installing),
            no_deps=arguments.no_deps,
        )
        choice = install.Options(
            environment=target.locate(arguments.venv, variables, os.getcwd()),
            python=arguments.python,
            compile_bytecode=compiles,
            dry_run=arguments.dry_run,
        )
        reporter = output.reporter(verbosity=-1 if arguments.json else verbosity)
        summary: Summary | None = None
        try:
            for step in install.install(Store(default_home(variables)), request, choice):
                if isinstance(step, Summary):
                    summary = step
                else:
                    reporter.show(step)
        finally:
            reporter.close()
    assert summary is not None
    if arguments.json:
        import json

        json.dump(output.document(summary), sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        output.summarize(summary, verbosity=verbosity)
    return 0


@contextlib.contextmanager
def _requirements_from_stdin(files: list[str]) -> Iterator[tuple[str, ...]]:
    """Yield the requirement files, with `-` replaced by a file that holds what stdin says.

    uv is asked more than once, and stdin can be read only once.
    """
    if "-" not in files:
        yield tuple(files)
        return
    import tempfile

    with tempfile.TemporaryDirectory(prefix="pepip-") as folder:
        path = f"{folder}/requirements.txt"
        with open(path, "w", encoding="utf-8") as file:
            file.write(sys.stdin.read())
        yield tuple(path if name == "-" else name for name in files)
