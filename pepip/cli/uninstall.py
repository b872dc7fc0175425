"""`pepip uninstall`: remove packages from an environment; the store keeps them."""

from __future__ import annotations

import os
import sys

from pepip.cli import install, options, output, stdin, uv_options
from pepip.cli.stores import open_store
from pepip.uv import handover

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pepip.store.root import Store
    from pepip.uv.request import Request

_DESCRIPTION = """\
Remove packages from a virtual environment: their links, scripts, data files and metadata.

The store keeps the packages, for other projects and for the next install.
"""

_EXAMPLES = """\
examples:
  pepip uninstall requests                  asks first, on a terminal
  pepip uninstall -y -r requirements.txt
"""


def run(words: Sequence[str], *, title: str = "pepip uninstall") -> int:
    """Run the command with the words that follow its name. Returns the exit code."""
    from pepip.errors import UsageError
    from pepip.operations import venvs
    from pepip.uv.request import Request

    parser = options.Parser(title, description=_DESCRIPTION, examples=_EXAMPLES)
    parser.add_argument("packages", metavar="PACKAGE", nargs="*", help="names of packages")
    parser.add_argument("-r", "--requirements", "--requirement", metavar="FILE", action="append", default=[])
    parser.add_argument("-y", "--yes", action="store_true", help="don't ask")
    parser.add_argument("--venv", metavar="PATH", default="", help="the environment (the active or nearest one)")
    parser.add_argument("-p", "--python", metavar="X", default="", help="an environment, its interpreter or version")
    parser.add_argument("--dry-run", action="store_true", help="list the packages to remove, and remove none")
    elsewhere = ("-t/--target", "--prefix")
    options.add_options_for_uv_alone(parser, values=elsewhere, flags=("--system", "--break-system-packages"))
    parser.add_uv_options(uv_options.COMMON_PIP_OPTIONS)
    arguments = parser.read_for_uv(words, ["pip", "uninstall"])
    if install.is_elsewhere(arguments):
        return handover.become(["pip", "uninstall", *words])
    options.apply_general_options(arguments)
    if not arguments.packages and not arguments.requirements:
        raise UsageError("no packages given", hint=f"name them, such as `{title} requests`; `--help` shows more")
    store = open_store()
    root = venvs.choose(arguments.venv, arguments.python, dict(os.environ), os.getcwd())
    with stdin.as_file(arguments.requirements) as files:
        request = Request(
            packages=tuple(arguments.packages),
            requirement_files=tuple(files[name] for name in arguments.requirements),
            common_options=tuple(arguments.common_options),
        )
        return _uninstall(store, root, request, arguments)


def _uninstall(store: Store, root: str, request: Request, arguments: argparse.Namespace) -> int:
    from pepip.operations import uninstall
    from pepip.operations.reporting import Summary

    install.name_environment(store, root, arguments)
    removal = uninstall.preview(store, root, request)
    reporter = output.Reporter(verbosity=arguments.verbosity)
    for name in removal.absent:
        reporter.warn(f"skipping {name}: it is not installed")
    if not removal.removed:
        reporter.warn("no packages to uninstall")
    pairs = tuple((change.name, change.version) for change in removal.removed)
    summary = Summary(root, arguments.dry_run, removed=pairs)
    if removal.removed and not arguments.dry_run:
        if not arguments.yes and not arguments.json and sys.stdin.isatty() and sys.stderr.isatty():
            from pepip.operations import needs

            for name, version in pairs:
                output.say(f" - {name}{'==' + version if version else ''}")
            for need in needs.broken_by_removal(store, root, {name for name, _ in pairs}):
                reporter.warn(f"{need.name} {need.version} stays, and needs {need.requirement}")
            if not output.confirm(f"Remove from {root}?"):
                output.say("Nothing was removed")
                return 1
        summary = output.follow(uninstall.uninstall(store, root, request, removal), output.reporter(arguments))
    if removal.removed or arguments.json:
        output.conclude(summary, arguments)
    return 0
