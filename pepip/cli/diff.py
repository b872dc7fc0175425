"""`pepip diff`: the distributions in which two environments differ, or an environment and its lock."""

from __future__ import annotations

import os

from pepip import humanized, paths
from pepip.cli import options, output, tables
from pepip.cli.stores import open_store
from pepip.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pepip.operations.compare import Comparison, Side

_DESCRIPTION = """\
Compare the packages of two environments, or of a project's environment with its lock. Nothing is changed.

The exit code is 0 if they are the same, and 1 if they differ, as with `diff`.
"""

_EXAMPLES = """\
examples:
  pepip diff ~/code/api ~/code/site
  pepip diff --lock                     the project here, with its uv.lock as it is
"""


def run(words: Sequence[str]) -> int:
    """Run `pepip diff`. Returns 0 if the sides are the same, 1 if they differ."""
    from pepip.operations import compare

    parser = options.Parser("pepip diff", description=_DESCRIPTION, examples=_EXAMPLES)
    parser.add_argument("paths", metavar="PATH", nargs="*", help="two environments or projects; only one with --lock")
    parser.add_argument("--lock", action="store_true", help="compare with the uv.lock of the project")
    arguments = parser.read(words)
    options.apply_general_options(arguments)
    if len(arguments.paths) not in ({0, 1} if arguments.lock else {2}):
        raise UsageError(
            "--lock takes one project at most" if arguments.lock else "name two environments or projects",
            hint="pepip diff A B, or pepip diff --lock [PROJECT]",
        )
    store = open_store()
    if arguments.lock:
        environment, folder = compare.environment_at(paths.absolute("".join(arguments.paths) or os.curdir))
        os.chdir(folder)
        os.environ.pop("UV_PROJECT", None)
        os.environ["UV_PROJECT_ENVIRONMENT"] = environment  # uv plans for this one, whatever its name is
        found = output.follow(compare.with_lock(store, environment), output.reporter(arguments))
    else:
        left, right = (compare.environment_at(paths.absolute(path))[0] for path in arguments.paths)
        found = compare.environments(store, left, right)
    if arguments.json:
        output.write_json(_document(found))
    else:
        _show(found)
    return 1 if found.differences else 0


def _show(found: Comparison) -> None:
    rows = [(item.name, item.left or "-", item.right or "-", item.kind) for item in found.differences]
    if rows:
        tables.show(("name", "left", "right", ""), rows)
    output.say(f"left:  {_called(found.left)}")
    output.say(f"right: {_called(found.right)}")
    differ = humanized.count(len(found.differences), "distribution differs", "distributions differ")
    output.say(f"{differ}, {found.same:,} are the same")


def _called(side: Side) -> str:
    return f"{side.name}, Python {side.python or 'unknown'}"


def _document(found: Comparison) -> dict[str, object]:
    return {
        "left": {"name": found.left.name, "python": found.left.python},
        "right": {"name": found.right.name, "python": found.right.python},
        "differences": [{**item._asdict(), "kind": item.kind} for item in found.differences],
        "same": found.same,
    }
