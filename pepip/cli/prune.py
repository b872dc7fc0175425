"""`pepip prune`: show the orphans, ask, and remove them."""

from __future__ import annotations

import os
import sys
import time

from pepip import humanized, paths
from pepip.cli import options, output, tables
from pepip.cli.stores import open_store
from pepip.errors import NoStoreError, StoreError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pepip.operations import prune
    from pepip.operations.census import Census
    from pepip.store.root import Store

_DESCRIPTION = """\
Remove entries that no environment links. pepip shows them first, and asks. If at least a fifth of the disk is free,
the trash keeps them for a day, and --undo brings them back. `pepip settings trash=7d` sets another time. With --yes,
--now or --max-size, their space is free at once.
"""

_EXAMPLES = """\
examples:
  pepip prune --dry-run                     show the entries to remove, and the space that this frees
  pepip prune --yes --older-than 30d        only entries that were not linked for 30 days
  pepip prune --max-size 20GB               least recently linked first, until the store has this size
  pepip prune 'torch*' --keep 'torch==2.9*'
  pepip prune --undo                        bring back the entries that the last prune removed
"""


def run(words: Sequence[str]) -> int:
    """Run the command with the words that follow its name. Returns the exit code."""
    from pepip.operations import census, prune

    arguments = _parser().read(words)
    options.apply_general_options(arguments)
    choice = prune.PruneOptions(
        patterns=tuple(arguments.patterns),
        keep=tuple(arguments.keep),
        older_than_seconds=_seconds(arguments.older_than),
        max_bytes=-1 if arguments.max_size is None else _bytes(arguments.max_size),
        with_cache=arguments.uv_cache,
    )
    store = open_store()
    if not store.exists():
        raise NoStoreError(store.root)
    if arguments.undo:
        return _undo(store, arguments)
    seen = census.take(store)
    choice = choice._replace(
        keep_seconds=_keep_seconds(store, arguments),
        environments=tuple(root for name in arguments.environment for root in _environments(seen, name)),
    )
    choice = choice._replace(identities=prune.identities_of(choice.environments))
    if arguments.trash:
        _refuse_other_disks(store, choice.environments)
    preview = prune.preview(store, choice, seen)
    if arguments.dry_run:
        if arguments.json:
            output.write_json(_document(preview))
        else:
            _show(preview, would=True)
        return 0
    if preview.blocked:
        raise StoreError(preview.blocked, hint=preview.hint)
    if not arguments.yes:
        refusal = _ask(preview, arguments)
        if refusal is not None:
            return refusal
        choice = choice._replace(only=frozenset(orphan.stored.id for orphan in preview.orphans))
    done = output.follow(prune.prune(store, choice), output.reporter(arguments))
    if arguments.json:
        output.write_json(_document(done))
    else:
        _show(done, would=False)
    return 0


def _parser() -> options.Parser:
    parser = options.Parser("pepip prune", description=_DESCRIPTION, examples=_EXAMPLES)
    parser.add_argument("patterns", metavar="PATTERN", nargs="*", help="only entries that match, as shell patterns")
    parser.add_argument("--dry-run", action="store_true", help="list the entries to remove, and remove none")
    parser.add_argument("-y", "--yes", action="store_true", help="don't ask")
    parser.add_argument(
        "--older-than", metavar="AGE", default="0s", help="only entries not linked for this time: 12h, 30d, 8w"
    )
    parser.add_argument("--max-size", metavar="SIZE", help="stop when the store has this size: 20GB")
    parser.add_argument("--keep", metavar="PATTERN", action="append", default=[], help="keep entries that match")
    parser.add_argument(
        "--environment",
        metavar="PATH",
        action="append",
        default=[],
        help="also remove the environment of this path, project or script, and the entries that only it links",
    )
    parser.add_argument("--uv-cache", action="store_true", help="also remove these packages from uv's cache")
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--now", action="store_true", help="free the space at once, and empty the trash")
    place.add_argument("--trash", action="store_true", help="keep the removed entries in the trash, for --undo")
    place.add_argument("--undo", action="store_true", help="bring back the entries of the last prune from the trash")
    return parser


def _ask(preview: prune.PrunePreview, arguments: argparse.Namespace) -> int | None:
    """Show the preview, and ask. Return None if the user agrees, otherwise the exit code.

    Raises UsageError if there is no terminal, or with `--json`.
    """
    if not sys.stdin.isatty() or arguments.json:
        obstacle = "--json allows no question" if arguments.json else "there is no terminal"
        raise UsageError(
            f"prune asks before it removes, and {obstacle}",
            hint="--yes removes without asking; --dry-run only shows",
        )
    _show(preview, would=True)
    if not (preview.orphans or preview.freed_bytes or preview.trashed_bytes):
        return 0
    if not output.confirm("Remove them?", default=False):
        output.say("Nothing was removed")
        return 1
    return None


def _keep_seconds(store: Store, arguments: argparse.Namespace) -> float:
    """Return for how many seconds the trash keeps the removed entries, 0 if their space is to be free at once.

    `--now`, `--yes`, `--dry-run` and `--max-size` ask for the space at once. `--trash` overrides the last three, and
    can't be combined with `--now`.

    Raises UsageError if `--trash` is given and the trash is off.
    """
    from pepip.operations import undo

    if arguments.trash:
        return undo.wanted_trash_seconds(os.environ)
    is_for_room = arguments.now or arguments.yes or arguments.dry_run or arguments.max_size is not None
    return 0.0 if is_for_room else undo.default_trash_seconds(store, os.environ)


def _environments(seen: Census, name: str) -> list[str]:
    """Return the environments that `name` means (see `is_called`), or else its real path alone."""
    called = [item.environment for item in seen.projects if item.is_called(name, os.getcwd())]
    return called or [paths.real(name)]


def _refuse_other_disks(store: Store, environments: Sequence[str]) -> None:
    """Raise UsageError if an environment is on another disk than the store: the trash can't keep it."""
    device = os.stat(store.root).st_dev
    for root in environments:
        if os.path.isdir(root) and os.stat(root).st_dev != device:
            raise UsageError(
                f"the trash can't keep {root}, which is on another disk than the store",
                hint="--now removes it for good",
            )


def _undo(store: Store, arguments: argparse.Namespace) -> int:
    from pepip.operations import undo

    chosen = [*arguments.patterns, *arguments.keep, *arguments.environment]
    if chosen or arguments.uv_cache or arguments.max_size is not None or arguments.older_than != "0s":
        raise UsageError("--undo brings back all that the last prune removed", hint="`pepip prune --undo` alone")
    if arguments.dry_run:
        grave = undo.last(store)
        done = undo.Undone(grave.entry_ids, grave.environments, (), grave.removed_at)
    else:
        done = output.follow(undo.undo(store), output.reporter(arguments))
    if arguments.json:
        output.write_json(
            {
                "restored": list(done.entry_ids),
                "environments": list(done.environments),
                "replaced": list(done.taken),
                "removed_at": int(done.removed_at),
            }
        )
        return 0
    for name in (*done.environments, *done.entry_ids):
        tables.say(name)
    for name in done.taken:
        output.say(f"{name} was not brought back: it was made again meanwhile")
    verb = "Would bring back" if arguments.dry_run else "Brought back"
    environments = f" and {humanized.count(len(done.environments), 'environment')}" if done.environments else ""
    output.say(f"{verb} {humanized.count(len(done.entry_ids), 'entry', 'entries')}{environments}")
    return 0


def _show(preview: prune.PrunePreview, *, would: bool) -> None:
    if preview.orphans and would:
        rows = [
            (
                orphan.stored.name,
                orphan.stored.version,
                orphan.stored.bucket,
                humanized.size(orphan.allocated_bytes),
                humanized.day(orphan.stored.last_used_at),
            )
            for orphan in preview.orphans
        ]
        tables.show(("name", "version", "bucket", "size", "last linked"), rows, right=(3,))
    for known in preview.gone:
        output.say(
            f"gone: {known.environment} ({known.reason}); entries that only this environment linked are unused"
        )
    for known in preview.unreachable:
        kept = "all entries" if known.entries is None else humanized.count(len(known.entries), "entry", "entries")
        output.say(f"kept: {kept} of {known.environment}, which is unreachable: {known.reason}")
    for environment in preview.unregistered:
        output.say(f"kept: the entries of {environment}, which was not registered")
    if preview.refused:
        from pepip.operations import prune

        for orphan in preview.refused:
            output.say(f"kept: {orphan.stored.id} {prune.refusal(orphan)}")
    if preview.leased:
        output.say(f"kept: {humanized.count(len(preview.leased), 'entry', 'entries')} for which readers have leases")
    if preview.blocked:
        output.say(f"nothing can be removed: {preview.blocked}")
        output.say(preview.hint)
        return
    if not (preview.orphans or preview.freed_bytes or preview.trashed_bytes):
        nothing = "Nothing would be removed" if would else "Nothing was removed"
        output.say(nothing if preview.refused else "Nothing to prune")
        return
    removed = "the entries in the trash" if preview.emptied_bytes else "environments"
    if preview.orphans:
        removed = humanized.count(len(preview.orphans), "entry", "entries")
    verb, freed = ("Would remove", "free") if would else ("Removed", "freed")
    output.say(f"{verb} {removed}, and {freed} {humanized.size(preview.freed_bytes)}")
    if would and preview.emptied_bytes:
        size = humanized.size(preview.emptied_bytes)
        output.say(f"{size} of that are in the trash now: `--undo` can't bring them back afterwards")
    if preview.kept_until:
        left = humanized.duration(preview.kept_until - time.time() + 1)
        output.say(
            f"{humanized.size(preview.trashed_bytes)} {'would stay' if would else 'stay'} in the trash for {left}: "
            "`pepip prune --undo` brings it back, `pepip prune --now` frees the space"
        )
    if preview.shared_bytes and (would or preview.orphans):
        how = "--uv-cache" if would else f"`uv cache clean {' '.join(_names_of(preview))}`"
        output.say(
            f"uv's cache has hard links to {humanized.size(preview.shared_bytes)} of these files: "
            f"{how} frees that, too"
        )


def _names_of(preview: prune.PrunePreview) -> list[str]:
    names = sorted({orphan.stored.name for orphan in preview.orphans})
    return names if len(names) <= _MOST_NAMES else ["NAME …"]


_MOST_NAMES = 6


def _document(preview: prune.PrunePreview) -> dict[str, object]:
    return {
        "orphans": [
            {
                "name": orphan.stored.name,
                "version": orphan.stored.version,
                "bucket": orphan.stored.bucket,
                "size_bytes": orphan.allocated_bytes,
                "last_linked_at": orphan.stored.last_linked_at,
                "entry": orphan.stored.id,
            }
            for orphan in preview.orphans
        ],
        "freed_bytes": preview.freed_bytes,
        "shared_bytes": preview.shared_bytes,
        "trashed_bytes": preview.trashed_bytes,
        "emptied_bytes": preview.emptied_bytes,
        "kept_until": preview.kept_until,
        "unreachable": [
            {
                "environment": known.environment,
                "reason": known.reason,
                "entries": None if known.entries is None else sorted(known.entries),
            }
            for known in preview.unreachable
        ],
        "gone": [known.environment for known in preview.gone],
        "found": preview.unregistered,
        "blocked": preview.blocked,
        "refused": [orphan.stored.id for orphan in preview.refused],
        "leased": sorted(preview.leased),
    }


def _seconds(text: str) -> float:
    seconds = humanized.parse_age(text)
    if seconds is None:
        raise UsageError(f"{text!r} is not an age", hint="write a number and s, m, h, d or w, such as 30d")
    return seconds


def _bytes(text: str) -> int:
    size_bytes = humanized.parse_size(text)
    if size_bytes is None:
        raise UsageError(f"{text!r} is not a size", hint="write a number and kB, MB, GB or TB, such as 20GB")
    return int(size_bytes)
