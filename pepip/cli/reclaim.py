"""`pepip reclaim`: the space that can be freed, in bundles, and the bundles that free a wanted size."""

from __future__ import annotations

import os
import shlex

from pepip import humanized
from pepip.cli import options, output, tables
from pepip.cli.stores import open_store
from pepip.errors import NoStoreError, StoreError, UsageError
from pepip.tui import formatting

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pepip.operations.adoption.preview import AdoptionPreview
    from pepip.operations.reclaim import Bundle, Choice, Reclaimable
    from pepip.store.root import Store

_DESCRIPTION = """\
List the space that can be freed, in bundles, each with its size and its cost. With --free, pick the
bundles that free this size with the least loss. Changes nothing without --yes.
"""

_EXAMPLES = """\
examples:
  pepip reclaim                             everything that can be freed
  pepip reclaim --idle 30d --look ~/code    count environments as idle after 30 days; also look for
                                            environments that are not shared yet
  pepip reclaim --free 5GB                  pick bundles that free 5 GB with the least loss
  pepip reclaim --free 5GB --yes            pick these bundles, and remove them
"""


def run(words: Sequence[str]) -> int:
    """Run the command with the words that follow its name. Returns the exit code."""
    from pepip.operations import census, prune, reclaim

    parser = options.Parser("pepip reclaim", description=_DESCRIPTION, examples=_EXAMPLES)
    parser.add_argument("--free", metavar="SIZE", help="pick bundles that free this size: 5GB")
    parser.add_argument(
        "--idle",
        metavar="AGE",
        default="90d",
        help="count an environment as idle if not used for this time, such as 30d (default 90d)",
    )
    parser.add_argument(
        "--uv-cache",
        action="store_true",
        help="with --free, remove the packages from uv's cache in any case, not only if needed for the size",
    )
    parser.add_argument(
        "--look", metavar="DIR", action="append", default=[], help="look there for environments not shared yet"
    )
    parser.add_argument("-y", "--yes", action="store_true", help="remove the bundles that --free picks")
    arguments = parser.read(words)
    options.apply_general_options(arguments)
    idle_seconds = humanized.parse_age(arguments.idle)
    target_bytes = humanized.parse_size(arguments.free) if arguments.free else 0.0
    if idle_seconds is None:
        raise UsageError(f"{arguments.idle!r} is not an age", hint="write a number and s, m, h, d or w, such as 30d")
    if target_bytes is None:
        raise UsageError(f"{arguments.free!r} is not a size", hint="write a number and kB, MB, GB or TB, such as 5GB")
    if arguments.yes and not arguments.free:
        raise UsageError("--yes needs --free, which picks the bundles", hint="add --free 5GB, or use `pepip prune`")
    store = open_store()
    if not store.exists():
        raise NoStoreError(store.root)
    unshared = _unshared(store, arguments) if arguments.look else None
    found = reclaim.find(store, census.take(store), idle_seconds=idle_seconds, unshared=unshared)
    choice = None
    if arguments.free:
        choice = reclaim.pick(store, found, target_bytes, with_cache=arguments.uv_cache)
    freed = reclaim.measure(store, found, choice).freed_bytes if choice else 0
    if arguments.yes and choice and freed < target_bytes:
        raise StoreError(
            f"the bundles that --free may pick free {humanized.size(freed)} together, "
            f"less than {humanized.size(int(target_bytes))}",
            hint="nothing was removed; `pepip reclaim` lists all bundles, also those that --free never picks",
        )
    if arguments.yes and choice:
        done = output.follow(prune.prune(store, reclaim.options_of(found, choice)), output.reporter(arguments))
        freed = done.freed_bytes
    if arguments.json:
        output.write_json(_document(found, choice, freed, command_of(found, choice) if choice else ""))
        return 0
    if arguments.yes:
        output.say(f"Freed {humanized.size(freed)}")
        return 0
    _show(found, choice)
    if choice:
        output.say(f"This command would free {humanized.size(freed)}:")
        output.say(f"  {command_of(found, choice)}")
        if freed < target_bytes:
            output.say(f"That is less than {humanized.size(int(target_bytes))}, but --free picks no other bundle")
    return 0


def _unshared(store: Store, arguments: argparse.Namespace) -> AdoptionPreview:
    from pepip.operations.adoption import preview, survey_cache

    for folder in arguments.look:
        if not os.path.isdir(folder):
            raise UsageError(f"there is no folder {folder}")
    memory = survey_cache.load(store)
    seen = output.follow(preview.preview(store, arguments.look, memory), output.reporter(arguments))
    memory.save()
    return seen


def _show(found: Reclaimable, choice: Choice | None) -> None:
    rows = [
        (
            "x" if choice and bundle.key in choice.keys else "",
            humanized.size(bundle.freed_bytes),
            bundle.title,
            formatting.short_path(bundle.environment),
            bundle.loss,
        )
        for bundle in found.bundles
    ]
    titles = ("pick", "frees", "bundle", "environment", "cost")
    if rows and choice:
        tables.show(titles, rows, right=(1,))
    elif rows:
        tables.show(titles[1:], [row[1:] for row in rows], right=(0,))
    if found.preview.blocked:
        output.say(f"nothing can be removed: {found.preview.blocked}")
        output.say(found.preview.hint)
    elif not rows:
        output.say("Nothing can be freed: environments that are in use link all entries")
    if found.preview.shared_bytes:
        output.say(
            f"{humanized.size(found.preview.shared_bytes)} of unused entries stay on disk while uv's cache has "
            "the same files: `pepip prune --uv-cache` removes them there, too"
        )


def command_of(found: Reclaimable, choice: Choice) -> str:
    """Return the command that removes the chosen bundles and frees their space at once."""
    from pepip.operations import reclaim

    given = reclaim.options_of(found, choice)
    words = ["pepip", "prune", "--yes"]
    words += [word for root in given.environments for word in ("--environment", root)]
    words += ["--uv-cache"] if given.with_cache else []
    return shlex.join(words)


def _document(found: Reclaimable, choice: Choice | None, freed_bytes: int, command: str) -> dict[str, object]:
    return {
        "bundles": [_row(bundle, choice) for bundle in found.bundles],
        "freed_bytes": freed_bytes,
        "uv_cache_bytes": found.preview.shared_bytes,
        "command": command,
        "blocked": found.preview.blocked,
    }


def _row(bundle: Bundle, choice: Choice | None) -> dict[str, object]:
    return {
        "kind": bundle.kind,
        "title": bundle.title,
        "freed_bytes": bundle.freed_bytes,
        "cost": bundle.loss,
        "loss": bundle.loss_rank,
        "entries": sorted(bundle.entry_ids),
        "environment": bundle.environment,
        "command": shlex.join(["pepip", *bundle.words]) if bundle.words else "",
        "picked": bool(choice and bundle.key in choice.keys),
    }
