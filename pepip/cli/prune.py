"""`pepip prune`: show the orphans, ask, and remove them."""

from __future__ import annotations

import re
import sys

from pepip import humanized
from pepip.cli import options, output, tables
from pepip.cli.stores import open_store
from pepip.errors import StoreError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pepip.operations import prune

_DESCRIPTION = """\
Remove entries that no environment links. First shows them, and asks.
"""

_EXAMPLES = """\
examples:
  pepip prune --dry-run                     show what would be removed, and what that frees
  pepip prune --yes --older-than 30d        only entries that were not linked for 30 days
  pepip prune --max-size 20GB               least recently linked first, until the store has this size
  pepip prune 'torch*' --keep 'torch==2.9*'
"""

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


def run(words: Sequence[str]) -> int:
    """Run the command with the words that follow its name. Returns the exit code."""
    from pepip.operations import prune

    parser = options.Parser("pepip prune", description=_DESCRIPTION, examples=_EXAMPLES)
    parser.add_argument("patterns", metavar="PATTERN", nargs="*", help="only entries that match, as shell patterns")
    parser.add_argument("--dry-run", action="store_true", help="show what would be removed, and change nothing")
    parser.add_argument("-y", "--yes", action="store_true", help="don't ask")
    parser.add_argument(
        "--older-than", metavar="AGE", default="0s", help="only entries not linked for this time: 12h, 30d, 8w"
    )
    parser.add_argument("--max-size", metavar="SIZE", help="stop when the store has this size: 20GB")
    parser.add_argument("--keep", metavar="PATTERN", action="append", default=[], help="keep entries that match")
    arguments = parser.read(words)
    options.take_effect(arguments)
    choice = prune.PruneOptions(
        patterns=tuple(arguments.patterns),
        keep=tuple(arguments.keep),
        older_than_seconds=_seconds(arguments.older_than),
        max_bytes=-1 if arguments.max_size is None else _bytes(arguments.max_size),
    )
    store = open_store()
    if not store.exists():
        raise StoreError(f"there is no store at {store.root}")
    preview = prune.preview(store, choice)
    if arguments.dry_run:
        if arguments.json:
            output.write_json(_document(preview))
        else:
            _show(preview, would=True)
        return 0
    if preview.blocked:
        raise StoreError(preview.blocked, hint=preview.hint)
    if not arguments.yes:
        if not sys.stdin.isatty() or arguments.json:
            raise UsageError(
                "prune asks before it removes, and there is no terminal",
                hint="--yes removes without asking; --dry-run only shows",
            )
        _show(preview, would=True)
        if not preview.orphans and not preview.freed_bytes:
            return 0
        if not output.confirm("Remove them?", default=False):
            output.say("Nothing was removed")
            return 1
        choice = choice._replace(only=frozenset(orphan.stored.id for orphan in preview.orphans))
    done = output.follow(prune.prune(store, choice), output.reporter(arguments))
    if arguments.json:
        output.write_json(_document(done))
    else:
        _show(done, would=False)
    return 0


def _show(preview: prune.PrunePreview, *, would: bool) -> None:
    if preview.orphans and would:
        rows = [
            (
                orphan.stored.name,
                orphan.stored.version,
                orphan.stored.bucket,
                humanized.size(orphan.allocated_bytes),
                tables.when(max(orphan.stored.last_linked_at, orphan.stored.stored_at)),
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
    for environment in preview.found:
        output.say(f"kept: the entries of {environment}, which was not registered")
    for orphan in preview.refused:
        output.say(f"left: {orphan.stored.id} belongs to another user")
    if preview.leased:
        output.say(f"kept: {humanized.count(len(preview.leased), 'entry', 'entries')} with leases of readers")
    if preview.blocked:
        output.say(f"nothing can be removed: {preview.blocked}")
        output.say(preview.hint)
        return
    if not preview.orphans and not preview.freed_bytes:
        nothing = "Nothing would be removed" if would else "Nothing was removed"
        output.say(nothing if preview.refused else "Nothing to prune")
        return
    removed = "environments of deleted scripts"
    if preview.orphans:
        removed = humanized.count(len(preview.orphans), "entry", "entries")
    verb, freed = ("Would remove", "free") if would else ("Removed", "freed")
    output.say(f"{verb} {removed}, and {freed} {humanized.size(preview.freed_bytes)}")
    if preview.shared_bytes:
        output.say(
            f"uv's cache has hard links to {humanized.size(preview.shared_bytes)} of these files: "
            "`uv cache prune` can free that space"
        )


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
        "unreachable": [
            {
                "environment": known.environment,
                "reason": known.reason,
                "entries": None if known.entries is None else sorted(known.entries),
            }
            for known in preview.unreachable
        ],
        "gone": [known.environment for known in preview.gone],
        "found": preview.found,
        "blocked": preview.blocked,
        "refused": [orphan.stored.id for orphan in preview.refused],
        "leased": sorted(preview.leased),
    }


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw])", text.strip().lower())
    if not match:
        raise UsageError(f"{text!r} is not an age", hint="write a number and s, m, h, d or w, such as 30d")
    return float(match[1]) * _UNITS[match[2]]


def _bytes(text: str) -> int:
    size_bytes = humanized.parse_size(text)
    if size_bytes is None:
        raise UsageError(f"{text!r} is not a size", hint="write a number and kB, MB, GB or TB, such as 20GB")
    return int(size_bytes)
