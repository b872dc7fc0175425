"""`pepip eject`: give environments real files in place of all links."""

from __future__ import annotations

import os
import sys

from pepip import humanized
from pepip.cli import adoption_text, options, output, tables
from pepip.cli.stores import open_store
from pepip.errors import PepipError, UsageError, VenvError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pepip.operations.adoption.eject import Ejected, Linking
    from pepip.store.root import Store

_DESCRIPTION = """\
Replace all links of environments by real files. They then need neither the store nor pepip.

A FOLDER is an environment, a project, or a folder with environments below it. For the last kind, pepip
first shows the environments, and asks. `pepip adopt` links them again.
"""


def run(words: Sequence[str]) -> int:
    """Run `pepip eject`. Returns the exit code: not 0 after a failure, or if the user declines."""
    parser = options.Parser("pepip eject", description=_DESCRIPTION)
    parser.add_argument(
        "folders", metavar="FOLDER", nargs="*", help="the environments (the active one, or the nearest .venv)"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="only show the environments, and the space to be taken"
    )
    parser.add_argument("-y", "--yes", action="store_true", help="eject without asking")
    arguments = parser.read(words)
    options.apply_general_options(arguments)
    store = open_store()
    named, searched = _places(arguments.folders or [""])
    found = _find(store, searched, arguments)
    roots = list(dict.fromkeys([*named, *(item.environment for item in found)]))
    if searched or arguments.dry_run:
        from pepip.operations.adoption import eject

        seen = [eject.linking(store, root) for root in roots]
        if arguments.dry_run and arguments.json:
            output.write_json({"environments": [item._asdict() for item in seen]})
            return 0
        if not arguments.json:
            _show(seen)
        if arguments.dry_run:
            return 0
        if roots and not arguments.yes and not _agrees(arguments):
            return 1
    return carry_out(store, roots, arguments)


def _places(folders: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the environments that a user names, and the folders to search.

    Raises VenvError if a place is neither.
    """
    from pepip.operations import compare, venvs

    named, searched = [], []
    for folder in folders:
        place = venvs.locate(folder, dict(os.environ), os.getcwd())
        try:
            named.append(compare.environment_at(place)[0])
        except VenvError:
            if not folder or not os.path.isdir(place):
                raise
            searched.append(place)
    return named, searched


def _find(store: Store, folders: Sequence[str], arguments: argparse.Namespace) -> list[Linking]:
    """Return the environments below folders that link the store. Raises VenvError if there is none in a folder."""
    from pepip.operations.adoption import eject

    found = []
    for folder in folders:
        reporter = output.reporter(arguments, is_quiet=arguments.json)
        inside = output.follow(eject.find(store, folder), reporter)
        if not inside:
            raise VenvError(f"no environment below {folder} links the store")
        found += inside
    return found


def _show(seen: Sequence[Linking]) -> None:
    rows = [
        (adoption_text.short(item.environment), str(item.packages), humanized.size(item.size_bytes)) for item in seen
    ]
    tables.show(("environment", "packages", "would take"), rows, right=(1, 2), shortened=0)
    links = "links" if len(seen) == 1 else "link"
    packages = humanized.count(sum(item.packages for item in seen), "package")
    size = humanized.size(sum(item.size_bytes for item in seen))
    tables.say(f"{humanized.count(len(seen), 'environment')} {links} {packages}. Real files would take up to {size}.")


def _agrees(arguments: argparse.Namespace) -> bool:
    """Ask whether to go on. Raises UsageError if the user can't be asked."""
    if arguments.json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        sentence = "eject asks before it changes environments that it found, and it can't ask here"
        raise UsageError(sentence, hint="`--yes` ejects without asking")
    return output.confirm("Eject them?", default=False)


def carry_out(store: Store, roots: Sequence[str], arguments: argparse.Namespace) -> int:
    """Eject environments one after the other, and print the results. If one fails, the others are still ejected.

    Returns the exit code, that of the first failure if there is one.
    """
    from pepip.operations.adoption import eject

    done: list[Ejected] = []
    exit_code = 0
    for root in roots:
        try:
            done.append(output.follow(eject.eject(store, root), output.reporter(arguments, is_quiet=arguments.json)))
        except (PepipError, OSError) as error:
            tell = output.fail(error) if isinstance(error, PepipError) else output.fail_in_system(error)
            exit_code = exit_code or tell
            continue
        exit_code = exit_code or (1 if done[-1].lost else 0)
        if not arguments.json:
            _tell(done[-1])
    if arguments.json:
        output.write_json({"environments": [_outcome(item) for item in done]})
    return exit_code


def _tell(item: Ejected) -> None:
    if item.distributions:
        count = humanized.count(len(item.distributions), "package")
        output.say(f"{item.environment} has real files now: {count}")
    if item.lost:
        names = humanized.listed([name for name, _ in item.lost], most=5)
        output.fail(
            PepipError(
                f"{names} left {item.environment}: the store has lost the files, and they can't be fetched",
                hint="install what is missing from its original source",
            )
        )
    elif not item.distributions:
        output.say(f"Nothing to do: {item.environment} links nothing")


def _outcome(item: Ejected) -> dict[str, object]:
    distributions = [{"name": name, "version": version} for name, version in item.distributions]
    lost = [{"name": name, "version": version} for name, version in item.lost]
    return {"environment": item.environment, "distributions": distributions, "lost": lost}
