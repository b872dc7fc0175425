"""`pepip upgrade`: packages in one project or in many environments at once, each in its own way."""

from __future__ import annotations

import os

from pepip import humanized, paths
from pepip.cli import options, output
from pepip.cli.stores import open_store
from pepip.errors import StoreError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pepip.operations.census import KnownVenv
    from pepip.operations.reporting import Summary
    from pepip.operations.upgrades import Preview, Result, Target, Targets, UpgradePlan

_DESCRIPTION = """\
Upgrade packages in many environments at once: in the project here, in those named, or in all that have them.

Each environment is upgraded in its own way: a project with a pyproject.toml as by `pepip sync --upgrade-package`, a
script with inline metadata by `pepip sync --script`, a tool as a whole by `pepip tool upgrade`, any other environment
as by `pepip install --upgrade`. If one of them fails, the others are upgraded all the same.
"""

_EXAMPLES = """\
examples:
  pepip upgrade numpy                                       in the project here
  pepip upgrade numpy --projects --dry-run                  the changes in all environments that have it
  pepip upgrade 'urllib3<3' idna --projects ~/code/api ruff in a project and a tool
"""

ALL = "all"


def run(words: Sequence[str]) -> int:
    """Run `pepip upgrade`. Returns 0, or 1 if the upgrade of any environment failed."""
    from pepip.operations import census, upgrades
    from pepip.store.scan_cache import ScanCache

    parser = options.Parser("pepip upgrade", description=_DESCRIPTION, examples=_EXAMPLES)
    parser.add_argument(
        "packages",
        metavar="NAME",
        nargs="*",
        help="names, maybe with a specifier: 'numpy<3'; by default all packages",
    )
    parser.add_argument(
        "--projects",
        metavar="PATH",
        action="append",
        default=[],
        help="environments, projects, scripts and tools; without a PATH, or with `all`: all that have the packages",
    )
    parser.add_argument("--dry-run", action="store_true", help="show the changes, and make none")
    arguments = parser.read(_apart(words))
    options.apply_general_options(arguments)
    store, folder = open_store(), os.getcwd()
    memory = ScanCache(paths.cache(store.root))
    seen = census.take(store, memory=memory)
    memory.save()
    wanted = [] if ALL in arguments.projects else arguments.projects or [_here()]
    meant = upgrades.targets(seen, arguments.packages, wanted, folder)
    if not meant.chosen and not meant.skipped:
        wanted_packages = humanized.listed(arguments.packages) or "any package"
        raise StoreError(f"no environment has {wanted_packages}", hint="`pepip projects` lists the environments")
    reporter = output.reporter(arguments)
    if arguments.dry_run:
        plan = output.follow(upgrades.preview(store, meant), reporter)
        _conclude_plan(plan, is_json=arguments.json, verbosity=arguments.verbosity)
        return 1 if any(item.failure for item in plan.previews) else 0
    results = output.follow(upgrades.upgrade_all(store, meant.chosen), reporter)
    _conclude(results, meant, is_json=arguments.json, verbosity=arguments.verbosity)
    return 1 if any(item.failure for item in results) else 0


def _apart(words: Sequence[str]) -> list[str]:
    """Return the words with each path after `--projects` as a value of its own, up to the next option."""
    found: list[str] = []
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if word != "--projects":
            found.append(word)
            continue
        start = position
        while position < len(words) and not words[position].startswith("-"):
            found.append(f"--projects={words[position]}")
            position += 1
        if position == start:
            found.append(f"--projects={ALL}")
    return found


def _here() -> str:
    """Return the environment of the project here."""
    from pepip.operations import venvs

    root = venvs.locate("", dict(os.environ), os.getcwd())
    if not os.path.isfile(f"{root}/pyvenv.cfg"):
        raise UsageError("there is no environment here", hint="name others by --projects PATH, or all by --projects")
    return root


def _conclude_plan(plan: UpgradePlan, *, is_json: bool, verbosity: int) -> None:
    downloads = plan.downloads
    if is_json:
        output.write_json(
            {
                "dry_run": True,
                "environments": [
                    _document(item.target, item.summary, item.failure) | {"unmet": _unmet(item)}
                    for item in plan.previews
                ],
                "skipped": _skipped(plan.skipped),
                "downloads": len(downloads),
                "download_bytes": sum(downloads.values()),
            }
        )
        return
    for item in plan.previews:
        _say(item.target, item.summary, item.failure, verbosity)
        for need in item.broken:
            output.Reporter(verbosity=verbosity).warn(
                f"{need.name} {need.version} there needs {need.requirement}, and would get {need.found or 'none'}"
            )
    _say_skipped(plan.skipped, verbosity)
    changing = sum(item.has_work for item in plan.previews)
    size = f" ({humanized.size(sum(downloads.values()))})" if any(downloads.values()) else ""
    failed = sum(bool(item.failure) for item in plan.previews)
    _close(f"Would upgrade {humanized.count(changing, 'environment')}: {len(downloads)} to download{size}", failed)


def _conclude(results: Sequence[Result], meant: Targets, *, is_json: bool, verbosity: int) -> None:
    if is_json:
        output.write_json(
            {
                "dry_run": False,
                "environments": [
                    _document(item.target, item.summary, item.failure.message if item.failure else "")
                    for item in results
                ],
                "skipped": _skipped(meant.skipped),
            }
        )
        return
    for item in results:
        _say(item.target, item.summary, "", verbosity)
        if item.failure:
            output.fail(item.failure)
    _say_skipped(meant.skipped, verbosity)
    changed = [item.summary for item in results if item.summary and (item.summary.linked or item.summary.private)]
    downloaded = sum(len(summary.downloaded) for summary in changed)
    local = sum(len(summary.local) for summary in changed)
    failed = sum(bool(item.failure) for item in results)
    told = f"{downloaded} downloaded" + (f", {local} from local files" if local else "")
    _close(f"Upgraded {humanized.count(len(changed), 'environment')}: {told}", failed)


def _say(target: Target, summary: Summary | None, failure: str, verbosity: int) -> None:
    """Print the changes to one environment below its name."""
    from pepip.operations.upgrades import WAYS

    if verbosity < 0:
        return
    output.say(f"{target.known.name}  ({WAYS[target.way]})")
    if failure:
        output.fail(StoreError(failure))
    if summary is not None:
        output.say_changes(summary)
        if not (summary.linked or summary.removed or summary.private):
            output.say("   nothing to do")


def _say_skipped(skipped: Sequence[tuple[KnownVenv, str]], verbosity: int) -> None:
    for known, reason in skipped if verbosity >= 0 else ():
        output.say(f"{known.name}  left alone: {reason}")


def _close(sentence: str, failed: int) -> None:
    output.say(f"{sentence}, {failed} failed" if failed else sentence)


def _document(target: Target, summary: Summary | None, failure: str) -> dict[str, object]:
    known = target.known
    return {
        "environment": target.environment,
        "kind": known.purpose.kind,
        "called": known.name,
        "packages": list(target.requirements),
        "way": target.way,
        "failure": failure or None,
        "change": output.document(summary) if summary else None,
    }


def _unmet(item: Preview) -> dict[str, object]:
    return {need.name: need.requirement for need in item.broken}


def _skipped(skipped: Sequence[tuple[KnownVenv, str]]) -> list[dict[str, str]]:
    return [{"environment": known.environment, "called": known.name, "reason": reason} for known, reason in skipped]
