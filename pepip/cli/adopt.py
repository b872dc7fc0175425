"""`pepip adopt`: what environments of other tools hold, and what sharing would free."""

from __future__ import annotations

import contextlib
import os

from pepip import paths, sizes
from pepip.cli import options, output, tables
from pepip.cli.store import open_store
from pepip.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pepip.operations.adoption.preview import Preview, Sighting
    from pepip.store.home import Store
    from pepip.store.memory import Memory

_DESCRIPTION = """\
Show what the environments below folders hold, whichever tool made them, and what would be free if each wheel were
on disk once. Linking them is not possible yet: `--dry-run` must be given, and nothing is changed.
"""


def run(words: Sequence[str]) -> int:
    """Run `pepip adopt`. Returns the exit code."""
    from pepip.operations.adoption import preview

    arguments = _parse(words)
    if not arguments.dry_run:
        raise UsageError("adopt can only show yet", hint="`--dry-run` shows what would be linked, and freed")
    store = open_store()
    memory = _memory(store)
    choice = preview.Choice(tuple(arguments.package), tuple(arguments.exclude))
    seen = output.follow(
        preview.preview(store, _folders(arguments), memory, choice),
        output.reporter(arguments, is_quiet=arguments.json),
    )
    memory.save()
    if arguments.json:
        output.write_json(_document(seen))
        return 0
    _show(seen)
    return 0


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = options.Parser("pepip adopt", description=_DESCRIPTION)
    parser.add_argument("folders", metavar="FOLDER", nargs="*", help="where to look (the current folder)")
    parser.add_argument(
        "--dry-run", action="store_true", help="only show what would be linked, and what would be free"
    )
    parser.add_argument("--known", action="store_true", help="also where tools keep their environments")
    parser.add_argument("--package", metavar="NAME", action="append", default=[], help="only this distribution")
    parser.add_argument(
        "--exclude", metavar="GLOB", action="append", default=[], help="not these distributions or environments"
    )
    arguments = parser.read(words)
    options.take_effect(arguments)
    return arguments


def _folders(arguments: argparse.Namespace) -> list[str]:
    """Return the folders to look in. Raises UsageError if one is not there."""
    named: list[str] = list(arguments.folders)
    for folder in named:
        if not os.path.isdir(folder):
            raise UsageError(f"the folder {folder} does not exist")
    if arguments.known:
        from pepip.operations.adoption import places

        named += places.known(os.environ)
        if not arguments.folders:
            return named
    return named or [os.getcwd()]


def _memory(store: Store) -> Memory:
    """Return what was seen before. Who has no store yet gets none by looking: it lies in the user's cache then."""
    from pepip.store.memory import Memory

    cache = paths.user_folder(os.environ, "XDG_CACHE_HOME", ".cache")
    if store.exists() or not cache:
        return Memory(paths.cache(store.home))
    with contextlib.suppress(OSError):
        os.makedirs(f"{cache}/pepip", mode=0o700, exist_ok=True)
    return Memory(f"{cache}/pepip")


def _show(seen: Preview) -> None:
    """Show a preview to people: a table, what stays and why, and the sums."""
    rows = [
        (
            item.environment,
            item.tool,
            item.python,
            str(len(item.survey.copies) + item.survey.linked),
            sizes.human(item.survey.allocated_bytes),
            str(0 if item.reason else sum(not copy.reason for copy in item.survey.copies)),
            sizes.human(seen.freed_by(item).size_bytes),
        )
        for item in seen.sightings
    ]
    if not rows:
        output.say("no environment was found" if not seen.conda else "only environments of conda were found")
    else:
        columns = ("environment", "made by", "python", "packages", "on disk", "to link", "would free")
        tables.show(columns, rows, right=(3, 4, 5, 6))
    for item in seen.sightings:
        _explain(item)
    for root in seen.conda:
        tables.say(f"{root}: an environment of conda, left alone")
    for folder in seen.unreadable:
        output.say(f"{folder} could not be read")
    total = seen.reckoning.total
    if rows:
        linked = sum(not copy.reason for item in seen.sightings if not item.reason for copy in item.survey.copies)
        tables.say(
            f"{sizes.count(len(rows), 'environment')}: linking {sizes.count(linked, 'package')} would free "
            f"{sizes.human(total.size_bytes)} and {sizes.count(total.inodes, 'inode')}, before hashing; "
            f"{sizes.count(seen.reckoning.shared, 'wheel')} {'is' if seen.reckoning.shared == 1 else 'are'} the same "
            "in several"
        )
        if seen.reckoning.copied_bytes:
            tables.say(f"the store is on another disk, which would get {sizes.human(seen.reckoning.copied_bytes)}")


def _explain(item: Sighting) -> None:
    """Say what of an environment stays its own, and why."""
    if item.reason:
        tables.say(f"{item.environment}: stays as it is: {item.reason}")
        return
    if item.processes:
        shown = ", ".join(f"{process.name} ({process.number})" for process in item.processes[:3])
        tables.say(f"{item.environment}: in use by {shown}, which would go on working")
    for copy in item.survey.copies:
        if copy.reason:
            files = ", ".join(copy.changed[:3]) + (f" and {len(copy.changed) - 3} more" if copy.changed[3:] else "")
            tables.say(f"{item.environment}: {copy.name} {copy.version} stays: {copy.reason}{files and ': ' + files}")


def _document(seen: Preview) -> dict[str, object]:
    """Return the JSON document of a preview."""
    total = seen.reckoning.total
    return {
        "environments": [_environment(item, seen) for item in seen.sightings],
        "conda": seen.conda,
        "unreadable": seen.unreadable,
        "freed_bytes": total.size_bytes,
        "freed_inodes": total.inodes,
        "copied_bytes": seen.reckoning.copied_bytes,
        "shared_wheels": seen.reckoning.shared,
        "is_hashed": False,
    }


def _environment(item: Sighting, seen: Preview) -> dict[str, object]:
    freed = seen.freed_by(item)
    return {
        "environment": item.environment,
        "tool": item.tool,
        "python": item.python,
        "reason": item.reason,
        "processes": [{"number": process.number, "name": process.name} for process in item.processes],
        "allocated_bytes": item.survey.allocated_bytes,
        "inodes": item.survey.inode_count,
        "bytecode_bytes": item.survey.bytecode_bytes,
        "linked_packages": item.survey.linked,
        "freed_bytes": freed.size_bytes,
        "freed_inodes": freed.inodes,
        "packages": [
            {
                "name": copy.name,
                "version": copy.version,
                "would_link": not (copy.reason or item.reason),
                "reason": copy.reason or item.reason,
                "changed": list(copy.changed),
                "allocated_bytes": copy.size_bytes,
            }
            for copy in item.survey.copies
        ],
    }
