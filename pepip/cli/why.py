"""`pepip why`: the reasons why environments have a package, and the packages that only it needs."""

from __future__ import annotations

import os
import sys

from pepip import humanized, paths
from pepip.cli import options, output, tables
from pepip.cli.stores import open_store
from pepip.errors import StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pepip.operations.why import Line, Reason

_DESCRIPTION = """\
Show which packages need a package, up to the requirements of the project itself, and which packages it needs.

The answer is about the environments as they are, with the markers of their own Python. By default it covers all
environments that have the package. Environments with the same answer are shown together.
"""

_EXAMPLES = """\
examples:
  pepip why idna
  pepip why 'numpy==2.0.2' --project ~/code/api
  pepip why urllib3 --json
"""


def run(words: Sequence[str]) -> int:
    """Run `pepip why`. Returns 0 if an environment has the distribution, 1 if none has it."""
    from pepip.operations import census, why
    from pepip.store.scan_cache import ScanCache

    parser = options.Parser("pepip why", description=_DESCRIPTION, examples=_EXAMPLES)
    parser.add_argument("name", metavar="NAME[==VERSION]")
    arguments = parser.read(words)
    named, arguments.project = arguments.project, None
    options.apply_general_options(arguments)
    name, _, version = arguments.name.partition("==")
    store = open_store()
    memory = ScanCache(paths.cache(store.root))
    seen = census.take(store, memory=memory)
    memory.save()
    meant = [known for known in seen.projects if named is None or known.is_called(named, os.getcwd())]
    if named is not None and not meant:
        raise StoreError(f"no environment at {named} links the store", hint="`pepip projects` lists those that do")
    reasons = list(why.why(store, name, meant, version=version))
    if arguments.json:
        output.write_json([_document(reason) for reason in reasons])
        return 0 if reasons else 1
    if not reasons:
        sys.stderr.write(output.printable(f"no environment has {arguments.name}") + "\n")
        return 1
    for number, group in enumerate(why.groups(reasons)):
        if number:
            tables.say("")
        _describe(group)
    return 0


def _describe(group: Sequence[Reason]) -> None:
    """Print the answer for environments in which it is the same."""
    first = group[0]
    tables.stress(f"{first.name} {first.version}")
    names = humanized.listed([reason.known.name for reason in group], most=4)
    tables.say(f"  in {names}")
    _show("needed by", first.up)
    _show("needs", first.down)
    if first.unneeded:
        tables.say(f"  only it needs: {', '.join(first.unneeded)}")


def _show(title: str, lines: Sequence[Line]) -> None:
    if lines:
        tables.say(f"  {title}")
    for line in lines:
        tables.say(f"    {'  ' * line.depth}{line.words}")


def _document(reason: Reason) -> dict[str, object]:
    return {
        "environment": reason.known.environment,
        "kind": reason.known.purpose.kind,
        "called": reason.known.name,
        "name": reason.name,
        "version": reason.version,
        "needed_by": [_line(line) for line in reason.up],
        "needs": [_line(line) for line in reason.down],
        "unneeded_without": list(reason.unneeded),
    }


def _line(line: Line) -> dict[str, object]:
    return {
        "depth": line.depth,
        "name": line.name or None,
        "version": line.version or None,
        "requirement": line.requirement or None,
        "place": line.place or None,
        "is_again": line.is_again,
    }
