"""`pepip adopt`: link environments that other tools made, or only show the space that this would free."""

from __future__ import annotations

import os
import sys

from pepip import humanized
from pepip.cli import adoption_text, options, output
from pepip.cli.stores import open_store
from pepip.errors import UsageError, VenvError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pepip.operations.adoption.adopt import Adopted
    from pepip.operations.adoption.freed_space import Freed
    from pepip.operations.adoption.preview import AdoptionPreview, FoundVenv, Selection
    from pepip.store.root import Store

_DESCRIPTION = """\
Link the environments below folders, whichever tool made them, so that each wheel is on disk once. The command
first shows their packages and the space that links would free, and asks. `pepip eject` takes the links back.
"""


def run(words: Sequence[str]) -> int:
    """Run `pepip adopt`. Returns the exit code: 1 if an environment could not be adopted, or the user declines."""
    from pepip.operations.adoption import preview, survey_cache

    arguments = _parse(words)
    store = open_store()
    memory = survey_cache.load(store)
    choice = preview.Selection(tuple(arguments.package), tuple(arguments.exclude))
    reporter = output.reporter(arguments, is_quiet=arguments.json)
    seen = output.follow(preview.preview(store, _folders(arguments), memory, choice), reporter)
    memory.save()
    if arguments.dry_run and arguments.json:
        output.write_json(_document(seen))
        return 0
    if not arguments.json:
        command = _command(words) if arguments.dry_run else ""
        is_complete = arguments.verbosity > 0
        adoption_text.show(seen, command=command, is_complete=is_complete, looked_in_tool_folders=arguments.known)
    if arguments.dry_run:
        return 0
    if not arguments.yes and not _agrees(seen, arguments):
        return 1
    return _adopt(store, seen, choice, arguments)


def _agrees(seen: AdoptionPreview, arguments: argparse.Namespace) -> bool:
    """Ask whether to go on. Raises UsageError if the user can't be asked."""
    if not seen.linkable:
        return True
    if arguments.json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("adopt asks before it links, and it can't ask here", hint="`--yes` links without asking")
    return output.confirm("Link them?", default=False)


def _adopt(store: Store, seen: AdoptionPreview, choice: Selection, arguments: argparse.Namespace) -> int:
    from pepip.operations.adoption import adopt
    from pepip.operations.adoption.freed_space import Freed

    if not seen.linkable:
        done: list[Adopted] = []
    else:
        reporter = output.reporter(arguments, is_quiet=arguments.json)
        done = output.follow(adopt.adopt(store, seen, choice), reporter)
    freed = sum((item.freed for item in done), Freed())
    linked = sum(len(item.linked) for item in done)
    if arguments.json:
        output.write_json(
            {
                "environments": [_outcome(item) for item in done],
                "freed_bytes": freed.size_bytes,
                "freed_inodes": freed.inodes,
            }
        )
    else:
        for item in done:
            _tell(item, seen)
        if not linked and seen.linkable:
            output.say("Nothing was linked")
        elif linked:
            places = humanized.count(sum(bool(item.linked) for item in done), "environment")
            output.say(f"Linked {humanized.count(linked, 'package')} in {places}: {_gain(freed)}")
    return 1 if any(item.failure for item in done) else 0


def _gain(freed: Freed) -> str:
    """Return in words the space that was freed. Packages that only one environment has take more than before."""
    if freed.size_bytes < 0:
        return (
            f"this takes {humanized.size(-freed.size_bytes)} more, until other environments share the same packages"
        )
    return f"{humanized.size(freed.size_bytes)} and {humanized.count(max(0, freed.inodes), 'inode')} were freed"


def _tell(item: Adopted, seen: AdoptionPreview) -> None:
    """Report results that the preview could not show: failures, and distributions that stay for a new reason."""
    if item.failure:
        extent = "was adopted only in part" if item.linked else "was not adopted"
        output.fail(VenvError(f"{adoption_text.short(item.environment)} {extent}: {item.failure}"))
    (venv,) = (venv for venv in seen.venvs if venv.environment == item.environment)
    known = {copy.name for copy in venv.survey.copies if copy.reason}
    place = adoption_text.short(item.environment)
    reasons: dict[str, list[str]] = {}
    for kept in item.kept:
        if kept.name not in known:
            reason = f"{kept.reason}{adoption_text.listed(kept.changed)}"
            reasons.setdefault(reason, []).append(f"{kept.name} {kept.version}")
    for reason, concerned in reasons.items():
        verb = "stays" if len(concerned) == 1 else "stay"
        output.say(f"{place}: {humanized.listed(concerned)} {verb}: {reason}")


def _command(words: Sequence[str]) -> str:
    """Return the command that adopts the environments which a dry run with these words lists."""
    import shlex

    return shlex.join(["pepip", "adopt", *(word for word in words if word not in {"--dry-run", "-v", "--verbose"})])


def _outcome(item: Adopted) -> dict[str, object]:
    return {
        "environment": item.environment,
        "linked": [{"name": name, "version": version} for name, version in item.linked],
        "kept": [
            {"name": kept.name, "version": kept.version, "reason": kept.reason, "changed": list(kept.changed)}
            for kept in item.kept
        ],
        "freed_bytes": item.freed.size_bytes,
        "freed_inodes": item.freed.inodes,
        "failure": item.failure,
    }


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = options.Parser("pepip adopt", description=_DESCRIPTION)
    parser.add_argument(
        "folders", metavar="FOLDER", nargs="*", help="the folders to search (without --known: the current one)"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="only show the packages to link, and the space that this would free"
    )
    parser.add_argument("-y", "--yes", action="store_true", help="link without asking")
    parser.add_argument(
        "--known",
        action="store_true",
        help="look where tools keep their environments, and in FOLDERs if any are named",
    )
    parser.add_argument("--package", metavar="NAME", action="append", default=[], help="link only this package")
    parser.add_argument(
        "--exclude", metavar="GLOB", action="append", default=[], help="leave out these packages or environments"
    )
    arguments = parser.read(words)
    options.apply_general_options(arguments)
    return arguments


def _folders(arguments: argparse.Namespace) -> list[str]:
    """Return the folders to search. Raises UsageError if one does not exist."""
    named: list[str] = list(arguments.folders)
    for folder in named:
        if not os.path.isdir(folder):
            raise UsageError(f"the folder {folder} does not exist")
    if arguments.known:
        from pepip.operations.adoption import tool_folders

        named += tool_folders.known(os.environ)
        if not arguments.folders:
            return named
    return named or [os.getcwd()]


def _document(seen: AdoptionPreview) -> dict[str, object]:
    """Return the JSON document of a preview."""
    total = seen.freed_space.total
    return {
        "environments": [_environment(item, seen) for item in seen.venvs],
        "conda": seen.conda,
        "other_folders": seen.other_folders,
        "unreadable": seen.unreadable,
        "redirects": [item._asdict() for item in seen.redirects],
        "closed": seen.closed,
        "lost_to_others": list(seen.lost_to_others),
        "freed_bytes": total.size_bytes,
        "freed_inodes": total.inodes,
        "copied_bytes": seen.freed_space.copied_bytes,
        "shared_wheels": seen.freed_space.shared,
        "is_hashed": False,
    }


def _environment(item: FoundVenv, seen: AdoptionPreview) -> dict[str, object]:
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
