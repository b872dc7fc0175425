"""`pepip projects` and `pepip uses`: the environments, and the distributions that each one links."""

from __future__ import annotations

import os
import sys

from pepip import humanized, paths
from pepip.cli import lists, options, output, tables, uv_options
from pepip.cli.stores import open_store
from pepip.environment import purposes
from pepip.errors import StoreError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pepip.model import Installed
    from pepip.operations.savings import VenvShare
    from pepip.store.root import Store
    from pepip.store.scan_cache import ScanCache

_SORTS = ("alone", "own", "name", "packages", "used", "state", "path", "python")

_DESCRIPTION = """\
List the environments of projects, scripts and tools that link the store, or show some of them.

`pepip projects scan DIR…` registers environments that were moved, copied or restored. `pepip projects forget PATH`
takes an environment out of the registry.
"""


def run(words: Sequence[str]) -> int:
    """Run `pepip projects`, or its `forget` or `scan`. Returns the exit code."""
    before, rest = uv_options.split(words, values=uv_options.GLOBAL_VALUES)
    if rest[:1] == ["forget"]:
        return _forget([*before, *rest[1:]])
    if rest[:1] == ["scan"]:
        return _scan([*before, *rest[1:]])
    from pepip.operations import inventory, savings
    from pepip.store.scan_cache import ScanCache

    parser = options.Parser("pepip projects", description=_DESCRIPTION)
    parser.add_argument("places", metavar="PATH", nargs="*", help="environments, projects, scripts or tools")
    parser.add_argument("--kind", choices=purposes.KINDS, help="only the environments of this kind")
    parser.add_argument("--sort", choices=_SORTS, help="the order; by path if none is given")
    lists.add_options(parser)
    arguments = parser.read(words)
    options.apply_general_options(arguments)
    lists.check(arguments)
    store = open_store()
    memory = ScanCache(paths.cache(store.root))
    shares = savings.shares(store, memory)
    memory.save()
    if arguments.places:
        shares = _called(shares, arguments.places)
    if arguments.kind:
        shares = [item for item in shares if item.known.purpose.kind == arguments.kind]
    if arguments.filter is not None or arguments.sort or arguments.reverse:
        shares = lists.shares(store, shares, arguments)
    if arguments.json and not arguments.output:
        output.write_json([inventory.environment(item) for item in shares])
        return 0
    if lists.write(inventory.sheet_of_environments(shares), arguments):
        return 0
    if arguments.places:
        for item in shares:
            _describe(item)
        return 0
    _show(shares)
    return 0


def _called(shares: Sequence[VenvShare], places: Sequence[str]) -> list[VenvShare]:
    """Return the environments that have these names. Raises StoreError for a name that none has."""
    chosen: dict[str, VenvShare] = {}
    for place in places:
        found = {item.known.environment: item for item in shares if item.known.is_called(place, os.getcwd())}
        if not found:
            raise StoreError(
                f"no environment at {paths.absolute(place)} links the store",
                hint="`pepip projects scan DIR` finds environments that were moved",
            )
        chosen |= found
    return list(chosen.values())


def _show(shares: Sequence[VenvShare]) -> None:
    """Print a row for each environment, and the reason for each state that is not `ok`."""
    rows = [
        (
            item.known.name,
            item.known.purpose.kind,
            item.known.python,
            str(len(item.known.packages)),
            humanized.size(item.alone_bytes),
            humanized.size(item.own_bytes),
            item.known.state,
            str(_count_unlinked(item) or ""),
        )
        for item in shares
    ]
    tables.show(
        ("environment", "kind", "python", "packages", "without pepip", "now", "state", "not linked"),
        rows,
        right=(3, 4, 5, 7),
    )
    for item in shares:
        if item.known.reason:
            output.say(f"{item.known.name}: {item.known.reason}")


def _count_unlinked(item: VenvShare) -> int:
    return sum(not package.store_id for package in item.known.packages)


def _origin(package: Installed) -> str:
    """Return, in words, where a distribution's files come from."""
    if package.source_id:
        return f"{package.source_id} ({package.mode})"
    return package.entry_id or "private copy"


def _describe(item: VenvShare) -> None:
    known = item.known
    tables.say(f"{known.name}  Python {known.python}  {known.state}{': ' if known.reason else ''}{known.reason}")
    if known.name != known.environment:
        tables.say(f"  {known.purpose.kind}, in {known.environment}")
    tables.say(f"  {humanized.size(item.own_bytes)} now, {humanized.size(item.alone_bytes)} without pepip")
    rows = [(package.name, package.version, _origin(package)) for package in known.packages]
    tables.show(("name", "version", "from"), rows)


def _forget(words: Sequence[str]) -> int:
    from pepip.operations import scan

    parser = options.Parser("pepip projects forget", description="Take an environment out of the registry.")
    parser.add_argument("path", metavar="PATH", help="the environment, its project, or its file in the registry")
    arguments = parser.read(words)
    options.apply_general_options(arguments)
    path = paths.absolute(arguments.path)
    found = scan.forget(open_store(), path)
    if not found:
        raise StoreError(f"{path} is not registered", hint="`pepip projects` lists the registered environments")
    if arguments.json:
        output.write_json({"forgotten": [item.environment or item.file for item in found]})
        return 0
    for item in found:
        output.say(
            f"Forgot {item.environment or item.file}: entries that only this environment linked are unused now"
        )
    return 0


def _scan(words: Sequence[str]) -> int:
    from pepip.operations import scan

    parser = options.Parser(
        "pepip projects scan", description="Register the environments that link the store, below these folders."
    )
    parser.add_argument("folders", metavar="DIR", nargs="+")
    arguments = parser.read(words)
    options.apply_general_options(arguments)
    for folder in arguments.folders:
        if not os.path.isdir(folder):
            raise UsageError(f"the folder {folder} does not exist")
    found = output.follow(scan.scan(open_store(), arguments.folders), output.Reporter(verbosity=-1)).found
    if arguments.json:
        output.write_json([{"environment": item.environment, "was_known": item.was_known} for item in found])
        return 0
    for item in found:
        links = humanized.count(len(item.entries), "entry", "entries")
        output.say(f"{'known' if item.was_known else 'found'}: {item.environment}, {links}")
    if not found:
        output.say("No environment there links the store")
        return 0
    verb = "links" if len(found) == 1 else "link"
    new = sum(not item.was_known for item in found)
    output.say(f"{humanized.count(len(found), 'environment')} {verb} the store, {new} not known before")
    return 0


def run_uses(words: Sequence[str]) -> int:
    """Run `pepip uses`. Returns 0 if an environment has the distribution, 1 if none has it."""
    from pepip.operations import inventory, uses
    from pepip.store.scan_cache import ScanCache

    parser = options.Parser("pepip uses", description="List the environments that have a distribution.")
    parser.add_argument("requirement", metavar="NAME[SPECIFIER]", nargs="?", help="for example 'urllib3<2.5'")
    parser.add_argument(
        "--several", action="store_true", help="list the packages that environments have in several versions"
    )
    arguments = parser.read(words)
    options.apply_general_options(arguments)
    if arguments.several == bool(arguments.requirement):
        raise UsageError("name a package, or give --several", hint="`pepip uses --help` explains both")
    store = open_store()
    memory = ScanCache(paths.cache(store.root))
    if arguments.several:
        return _show_several(store, memory, is_json=arguments.json)
    found = uses.uses(store, arguments.requirement, memory)
    memory.save()
    if arguments.json:
        output.write_json(
            [
                {
                    "environment": use.environment,
                    "kind": use.purpose.kind,
                    "called": use.purpose.name or use.environment,
                    "name": use.package.name,
                    "version": use.package.version,
                    "entry": use.package.store_id or None,
                    "store": paths.layer_of(use.package.store_id) or store.root if use.package.store_id else None,
                    "link_mode": inventory.link_mode(use.package),
                    "state": use.state,
                }
                for use in found
            ]
        )
        return 0 if found else 1
    rows = [
        (use.purpose.name or use.environment, use.package.version, _origin(use.package), use.state) for use in found
    ]
    if found:
        tables.show(("environment", "version", "from", "state"), rows)
    else:
        sys.stderr.write(f"no environment has {arguments.requirement}\n")
    return 0 if found else 1


def _show_several(store: Store, memory: ScanCache, *, is_json: bool) -> int:
    """Print the packages that environments have in several versions. Returns 0."""
    from pepip.operations import census, side_by_side

    found = side_by_side.several(census.take(store, memory=memory).projects)
    memory.save()
    if is_json:
        output.write_json(
            [
                {
                    "name": row.name,
                    "versions": [
                        {"version": version, "environments": [known.environment for known in users]}
                        for version, users in row.versions.items()
                    ],
                }
                for row in found
            ]
        )
        return 0
    rows = [
        (row.name, version, str(len(users)), humanized.listed([known.name for known in users]))
        for row in found
        for version, users in row.versions.items()
    ]
    tables.show(("package", "version", "environments", ""), rows, right=(2,))
    return 0
