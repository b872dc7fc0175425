"""`pepip store init`, `publish` and `clean`: make a store, fill a layer, and remove a store."""

from __future__ import annotations

import sys

from pepip import humanized
from pepip.cli import options, output
from pepip.cli.stores import open_store
from pepip.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def run_init(words: Sequence[str]) -> int:
    """Run `pepip store init`. Returns the exit code."""
    from pepip.operations import store_init
    from pepip.store import leases

    parser = options.Parser(
        "pepip store init", description="Make the store, or correct the modes of an existing one."
    )
    parser.add_argument("--shared", metavar="GROUP", default="", help="let the members of a group write to the store")
    parser.add_argument(
        "--trust",
        metavar="members|owner|USER",
        action="append",
        default=[],
        help="the users whose entries each member links, besides the member's own. owner (the default): the store's "
        "owner and root; USER: also this user; members: all members. Can be repeated",
    )
    parser.add_argument(
        "--layer", action="store_true", help="make the store a layer, which others link; prune it by age or by leases"
    )
    parser.add_argument(
        "--lease-days",
        metavar="N",
        type=int,
        default=0,
        help="let all users who can reach the layer note which entries they link; a note counts for N days",
    )
    arguments = parser.read(words)
    options.apply_general_options(arguments)
    is_possible = 0 <= arguments.lease_days <= leases.MOST_DAYS
    if not is_possible or (arguments.lease_days and not arguments.layer):
        raise UsageError(f"--lease-days needs --layer, and a number from 1 to {leases.MOST_DAYS}")
    days = arguments.lease_days
    policy = leases.Policy(takes_leases=days > 0, days=days or leases.DAYS) if arguments.layer else None
    made = store_init.initialize(open_store(), group=arguments.shared, trusted=arguments.trust, layer=policy)
    code = 1 if made.open_entries else 0
    if arguments.json:
        output.write_json(made._asdict())
        return code
    if made.group:
        output.say(f"{made.home} is shared by {made.group}: members link {made.trust}")
    else:
        output.say(f"{made.home} is a store for one user")
    if made.is_layer:
        days = humanized.count(made.lease_days, "day")
        said = f"leases count for {days}" if made.lease_days else "it takes no leases"
        output.say(f"It is a layer that others may link: {said}")
    if made.open_entries:
        listed = humanized.listed(list(made.open_entries), most=5)
        sentence = f"other users can still write files of {listed}"
        output.Reporter(verbosity=arguments.verbosity).warn(
            f"{sentence}: `pepip store repair`, by their owner or root, replaces them"
        )
    return code


def run_publish(words: Sequence[str]) -> int:
    """Run `pepip store publish`. Returns the exit code."""
    from pepip.operations import store_publish

    parser = options.Parser("pepip store publish", description="Copy entries to a layer that others link.")
    parser.add_argument("patterns", metavar="NAME", nargs="+", help="names, or shell patterns such as 'torch==2.9*'")
    parser.add_argument("--to", metavar="LAYER", required=True, help="the layer's folder; a missing one is made")
    arguments = parser.read(words)
    options.apply_general_options(arguments)
    operation = store_publish.publish_to(open_store(), arguments.patterns, arguments.to)
    done = output.follow(operation, output.reporter(arguments))
    if arguments.json:
        output.write_json({"layer": done.layer, "published": list(done.published), "present": list(done.present)})
        return 0
    for entry_id in done.published:
        output.say(f" + {entry_id}")
    output.say(output.added("Published", len(done.published), present=len(done.present), to=f" to {done.layer}"))
    return 0


def run_clean(words: Sequence[str]) -> int:
    """Run `pepip store clean`. Returns the exit code."""
    from pepip.operations import store_clean

    parser = options.Parser("pepip store clean", description="Remove the whole store, with all entries.")
    parser.add_argument("-y", "--yes", action="store_true", help="don't ask")
    parser.add_argument("--dry-run", action="store_true", help="show the consequences, and remove nothing")
    arguments = parser.read(words)
    options.apply_general_options(arguments)
    store = open_store()
    preview = store_clean.preview(store)
    reporter = output.Reporter(verbosity=arguments.verbosity)
    for environment in preview.broken:
        reporter.warn(f"{environment} links this store, and will be broken")
    for name in preview.left:
        reporter.warn(f"{store.root}/{name} is not part of the store, and stays")
    if not arguments.dry_run:
        if not arguments.yes and not sys.stdin.isatty():
            raise UsageError(
                "store clean asks before it removes, and there is no terminal",
                hint="--yes removes without asking; --dry-run only shows",
            )
        if not (
            arguments.yes
            or output.confirm(
                f"Remove {store.root} with {humanized.count(preview.entries, 'entry', 'entries')}?", default=False
            )
        ):
            return 1
        output.follow(store_clean.clean(store), output.reporter(arguments))
    if arguments.json:
        output.write_json({"home": store.root, "dry_run": arguments.dry_run, **preview._asdict()})
        return 0
    said = "Would remove" if arguments.dry_run else "Removed"
    output.say(f"{said} {store.root} with {humanized.count(preview.entries, 'entry', 'entries')}")
    return 0
