"""`pepip store`: show, fill, check and repair the store."""

from __future__ import annotations

import os
import sys

from pepip import humanized, paths
from pepip.cli import lists, options, output, tables, uv_options
from pepip.cli.stores import open_store
from pepip.errors import StoreError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pepip.operations import entry_details

_SORTS = ("size", "name", "projects", "stored", "used", "version", "python", "state")

_HELP = """\
Inspect and maintain the store.

commands:
  list      entries with their size, projects and state
  show      everything about one distribution
  add       store packages without a project
  remove    remove one entry
  verify    check every file against its hash
  repair    repair damaged entries and environments
  path      print the path of the store
  init      make the store, for you or for a group
  publish   copy entries to a layer, for others to link
  clean     remove the store, with all entries

`pepip store COMMAND --help` shows a command's options."""


def run(words: Sequence[str]) -> int:
    """Run one of the commands of `pepip store`. Returns the exit code."""
    from pepip.cli import store_setup

    commands = {
        "list": _list,
        "show": _show,
        "add": _add,
        "remove": _remove,
        "verify": _verify,
        "repair": _repair,
        "path": _path,
        "init": store_setup.run_init,
        "publish": store_setup.run_publish,
        "clean": store_setup.run_clean,
    }
    before, rest = uv_options.split(words, values=uv_options.GLOBAL_VALUES)
    if not rest and any(word in {"-h", "--help"} for word in before):
        sys.stdout.write(_HELP + "\n")
        return 0
    if not rest or rest[0] not in commands:
        problem = f"there is no command `store {rest[0]}`" if rest else "no command of `store` given"
        raise UsageError(problem, hint=f"one of {', '.join(commands)}; `pepip store --help`")
    return commands[rest[0]]([*before, *rest[1:]])


def _list(words: Sequence[str]) -> int:
    from pepip.operations import census, inventory, savings
    from pepip.store import listing
    from pepip.store.scan_cache import ScanCache

    parser = options.Parser("pepip store list", description="List the entries of the store and its layers.")
    parser.add_argument(
        "patterns", metavar="PATTERN", nargs="*", help="only entries that match: shell patterns, or ids"
    )
    parser.add_argument("--orphans", action="store_true", help="only entries that no environment links")
    parser.add_argument("--sort", choices=_SORTS, default="name")
    lists.add_options(parser)
    arguments = parser.read(words)
    options.apply_general_options(arguments)
    lists.check(arguments)
    store = open_store()
    memory = ScanCache(paths.cache(store.root))
    with_layers = not arguments.orphans  # orphans are entries of this store alone
    seen = census.take(store, memory=memory, with_layers=with_layers)
    users = seen.users()
    patterns = arguments.patterns or ["*"]
    chosen = [item for item in (*seen.stored, *seen.layered) if listing.matches(item, patterns)]
    if arguments.orphans:
        chosen = [item for item in chosen if item.id not in users]
    else:
        chosen.sort(key=lambda item: (item.name, item.version))
    weights = savings.sizes(store, chosen, memory)
    memory.save()
    if arguments.filter is not None or arguments.sort != "name" or arguments.reverse:
        chosen = lists.entries(store, seen, chosen, weights, arguments)
    documents = [inventory.entry(store, item, weights[item.id], users.get(item.id, ())) for item in chosen]
    if lists.write(inventory.sheet_of_entries(documents), arguments):
        return 0
    rows = [
        (
            item.name,
            item.version,
            item.bucket,
            humanized.size(weights[item.id]),
            str(len(users.get(item.id, ()))),
            inventory.state_of(item, users.get(item.id, ())),
            humanized.day(item.stored_at),
            humanized.day(item.last_used_at),
            *([item.layer or "own"] if store.layers else ()),
        )
        for item in chosen
    ]
    titles = ("name", "version", "bucket", "size", "projects", "state", "stored", "last used", "store")
    tables.show(titles if store.layers else titles[:-1], rows, right=(3, 4))
    for root in ("", *(layer.root for layer in store.layers)):
        here = [item for item in chosen if item.layer == root]
        total = humanized.size(sum(weights[item.id] for item in here))
        if here:
            output.say(f"{humanized.count(len(here), 'entry', 'entries')}, {total}, in {root or store.root}")
        elif not root:
            output.say(f"No entries in {store.root}")
    return 0


def _show(words: Sequence[str]) -> int:
    from pepip.operations import entry_details, inventory, savings

    parser = options.Parser("pepip store show", description="Show everything about one distribution.")
    parser.add_argument("name", metavar="NAME[==VERSION]")
    parser.add_argument("--files", action="store_true", help="its folders and files, the largest first")
    arguments = parser.read(words)
    options.apply_general_options(arguments)
    name, _, version = arguments.name.partition("==")
    store = open_store()
    if arguments.files:
        from pepip.cli import store_files

        return store_files.show(store, name, version, is_json=arguments.json)
    found = entry_details.show(store, name, version)
    if not found:
        raise StoreError(f"the store has no {arguments.name}", hint="`pepip store list` lists its entries")
    weights = savings.sizes(store, [item.stored for item in found])
    if arguments.json:
        documents = [
            {
                **inventory.entry(
                    store, item.stored, weights[item.stored.id], [user.environment for user in item.users]
                ),
                "identity": item.stored.identity,
                "path": item.stored.path,
                "summary": item.summary,
                "dependencies": list(item.dependencies),
                "dependants": list(item.dependants),
                "scripts": list(item.scripts),
                "linked_whole": list(item.entry.directories),
                "opened": list(item.entry.opened),
                "namespaces": list(item.entry.namespaces),
                "unfolded": {user.environment: list(user.unfolded) for user in item.users if user.unfolded},
                "shared_with": {user.environment: user.unfolded for user in item.users if user.unfolded},
                "why_opened": item.opened,
            }
            for item in found
        ]
        output.write_json(documents)
        return 0
    for item in found:
        _describe(item, weights[item.stored.id])
    return 0


def _describe(item: entry_details.Details, size_bytes: int) -> None:
    stored, entry = item.stored, item.entry
    tables.say(f"{stored.name} {stored.version}  {item.summary}")
    tables.say(f"  entry       {stored.id}")
    if stored.layer:
        tables.say(f"  store       the layer {stored.layer}")
    tables.say(f"  size        {humanized.size(size_bytes)}, {humanized.count(stored.file_count, 'file')}")
    tables.say(f"  from        {stored.origin}")
    tables.say(f"  identity    {stored.identity}")
    tables.say(f"  stored      {humanized.day(stored.stored_at)}, last linked {humanized.day(stored.last_linked_at)}")
    tables.say(f"  linked by   {humanized.count(len(item.users), 'environment')}")
    for user in item.users:
        tables.say(f"    {user.environment}")
        for folder, others in user.unfolded.items():
            holders = " and ".join(others) or "the environment"
            verb = "have" if len(others) > 1 else "has"
            tables.say(f"      {folder} is a real folder there: {holders} {verb} files in it, too")
    for title, values in (
        ("needs", item.dependencies),
        ("needed by", item.dependants),
        ("scripts", item.scripts),
        ("as one link", entry.directories),
    ):
        if values:
            tables.say(f"  {title:<12}{', '.join(values)}")
    for folder, reason in item.opened.items():
        tables.say(f"  opened      {folder}: {reason}")


def _add(words: Sequence[str]) -> int:
    from pepip.operations import store_add
    from pepip.uv.request import Request

    parser = options.Parser("pepip store add", description="Store packages, without a project that links them.")
    parser.add_argument("packages", metavar="REQUIREMENT", nargs="*")
    parser.add_argument("-r", "--requirements", "--requirement", metavar="FILE", action="append", default=[])
    parser.add_argument("-p", "--python", metavar="X", default="", help="the Python that the packages are for")
    parser.add_uv_options(uv_options.PIP_OPTIONS)
    arguments = parser.read(words)
    options.apply_general_options(arguments)
    if not (arguments.packages or arguments.requirements or "--group" in arguments.resolver_options):
        raise UsageError("no packages given", hint="name them, such as `pepip store add torch --python 3.12`")
    request = Request(
        packages=tuple(arguments.packages),
        requirement_files=tuple(arguments.requirements),
        common_options=tuple(arguments.common_options),
        resolver_options=tuple(arguments.resolver_options),
        installer_options=tuple(arguments.installer_options),
    )
    filled = output.follow(store_add.add(open_store(), request, arguments.python), output.reporter(arguments))
    if arguments.json:
        output.write_json(
            {
                "stored": [{"name": item.name, "version": item.version, "entry": item.id} for item in filled.stored],
                "reused": [{"name": item.name, "version": item.version, "entry": item.id} for item in filled.reused],
                "unshared": filled.unshared,
            }
        )
        return 0
    for item in filled.stored:
        output.say(f" + {item.name}=={item.version}")
    for name in filled.unshared:
        output.Reporter(verbosity=arguments.verbosity).warn(f"{name} was not stored: it can't be shared")
    output.say(output.added("Stored", len(filled.stored), present=len(filled.reused)))
    return 0


def _remove(words: Sequence[str]) -> int:
    from pepip.operations import store_remove, undo

    parser = options.Parser("pepip store remove", description="Remove one entry from the store.")
    parser.add_argument("entry", metavar="ENTRY", help="NAME==VERSION, or BUCKET/NAME-VERSION")
    parser.add_argument("--force", action="store_true", help="also an entry that environments link: this breaks them")
    parser.add_argument("--trash", action="store_true", help="keep it in the trash, for `pepip prune --undo`")
    arguments = parser.read(words)
    options.apply_general_options(arguments)
    keep_seconds = undo.wanted_trash_seconds(os.environ) if arguments.trash else 0.0
    outcome = store_remove.remove(open_store(), arguments.entry, force=arguments.force, keep_seconds=keep_seconds)
    if arguments.json:
        output.write_json(
            {"removed": outcome.entry_id, "freed_bytes": outcome.freed_bytes, "broken": list(outcome.broken)}
        )
        return 0
    for environment in outcome.broken:
        output.Reporter(verbosity=arguments.verbosity).warn(f"{environment} linked this entry, and is broken now")
    if keep_seconds:
        output.say(f"Removed {outcome.entry_id}. It stays in the trash for {humanized.duration(keep_seconds)}:")
        output.say("`pepip prune --undo` brings it back")
        return 0
    output.say(f"Removed {outcome.entry_id}, and freed {humanized.size(outcome.freed_bytes)}")
    return 0


def _verify(words: Sequence[str]) -> int:
    from pepip.operations import verify

    parser = options.Parser("pepip store verify", description="Check every file of the store against its hash.")
    parser.add_argument("patterns", metavar="PATTERN", nargs="*", help="names, as shell patterns")
    arguments = parser.read(words)
    options.apply_general_options(arguments)
    verdict = output.follow(verify.verify(open_store(), arguments.patterns), output.reporter(arguments))
    if arguments.json:
        rows = {
            title: [
                {
                    "entry": finding.stored.id,
                    "flaws": [{"kind": flaw.kind, "path": flaw.path} for flaw in finding.flaws],
                }
                for finding in findings
            ]
            for title, findings in (("damaged", verdict.findings), ("unproven", verdict.unproven))
        }
        output.write_json({"checked": verdict.checked, **rows})
        return 1 if verdict.findings or verdict.unproven else 0
    for finding in (*verdict.findings, *verdict.unproven):
        tables.say(finding.stored.id)
        for flaw in finding.flaws:
            tables.say(f"  {flaw.words:<16} {flaw.path}")
    checked = humanized.count(verdict.checked, "entry", "entries")
    problems = [f"{len(verdict.findings)} damaged"] if verdict.findings else []
    hint = "`pepip store repair` repairs damaged entries"
    if all(finding.stored.layer for finding in verdict.findings):
        hint = "`pepip store repair` stores them in your own store; only the owner of a layer can repair it"
    if verdict.unproven:
        is_one = len(verdict.unproven) == 1
        words = "differs from its RECORD, and was" if is_one else "differ from their RECORD, and were"
        problems.append(f"{len(verdict.unproven)} {words} not read before")
        hint = "`pepip store repair` settles it: it fetches the wheel again, and compares"
        if all(finding.stored.layer for finding in verdict.unproven):
            hint = "only the owner of the layer can settle it, by `pepip store repair` there"
    if problems:
        raise StoreError(f"{checked} checked, {'; '.join(problems)}", hint=hint)
    intact = "all intact" if verdict.checked > 1 else "intact"
    output.say(f"{checked} checked, {intact}" if verdict.checked else "Nothing to check")
    return 0


def _repair(words: Sequence[str]) -> int:
    from pepip.operations import verify
    from pepip.uv.request import Request

    parser = options.Parser("pepip store repair", description="Repair damaged entries and environments.")
    parser.add_argument("patterns", metavar="PATTERN", nargs="*", help="names, as shell patterns")
    parser.add_uv_options(uv_options.COMMON_PIP_OPTIONS)
    arguments = parser.read(words)
    options.apply_general_options(arguments)
    request = Request(common_options=tuple(arguments.common_options))
    repaired = output.follow(verify.repair(open_store(), request, arguments.patterns), output.reporter(arguments))
    code = 1 if repaired.failed or repaired.unproven else 0
    if arguments.json:
        output.write_json(
            {
                "repaired": repaired.entries,
                "failed": [{"entry": entry_id, "reason": reason} for entry_id, reason in repaired.failed],
                "healed": repaired.environments,
                "left": repaired.left,
                "layered": list(repaired.layered),
                "unproven": list(repaired.unproven),
            }
        )
        return code
    for entry_id in repaired.entries:
        output.say(f"Repaired {entry_id}")
    for environment in repaired.environments:
        output.say(f"Repaired {environment}")
    for entry_id in repaired.layered:
        output.say(f"Left {entry_id}, which is damaged: the layer's owner can repair it")
    for environment in repaired.left:
        output.say(f"Left {environment}, which you may not change: its owner can run `pepip store repair`, too")
    for entry_id, reason in repaired.failed:
        output.fail(StoreError(f"{entry_id} could not be repaired: {reason}"))
    if any(reason.startswith("uv ") for _, reason in repaired.failed):
        output.say(
            "If uv lacks an index, add --index URL or --find-links DIR, or run this in the project that names it"
        )
    if not any(repaired):
        output.say("Nothing to repair")
    return code


def _path(words: Sequence[str]) -> int:
    parser = options.Parser("pepip store path", description="Print the path of the store.")
    arguments = parser.read(words)
    root = open_store().root
    if arguments.json:
        output.write_json({"path": root})
    else:
        sys.stdout.write(root + "\n")
    return 0
