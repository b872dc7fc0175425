"""The preview of `pepip adopt` as text: the environments, the packages that stay as they are, the space to be freed.

The sum comes after the tables, because only the last lines of a long text are still on the screen.
"""

from __future__ import annotations

import os

from pepip import humanized, paths
from pepip.cli import tables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pepip.operations.adoption.preview import AdoptionPreview

_MOST_ROWS = 20
_MOST_REDIRECTS = 3


def show(seen: AdoptionPreview, *, command: str, is_complete: bool, looked_in_tool_folders: bool) -> None:
    """Print a preview. `command` is the command that adopts its environments, empty if this run adopts them itself.

    Without `is_complete`, only the environments that would free most are listed, and the packages that stay are
    grouped by their reasons. With `looked_in_tool_folders`, the folders of tools were searched.
    """
    if seen.venvs:
        _show_environments(seen, is_complete=is_complete)
        if is_complete:
            _show_each_that_stays(seen)
        else:
            _show_reasons(seen)
    for item in seen.venvs:
        if item.processes and not item.reason:
            shown = ", ".join(f"{process.name} ({process.number})" for process in item.processes[:3])
            tables.say(f"{short(item.environment)} is in use by {shown}, which would go on working.")
    _show_redirects(seen, is_complete=is_complete)
    if seen.lost_to_others:
        lost = humanized.listed(list(map(short, seen.lost_to_others)))
        tables.say(
            f"Other users can't enter {short(seen.closed)}, where the store is. They could no longer use the "
            f"packages of {lost}. PEPIP_HOME sets a store for all."
        )
    for root in seen.conda:
        tables.say(f"{short(root)} is an environment of conda: left alone.")
    if seen.other_folders:
        shown = humanized.listed(
            list(map(short, seen.other_folders)), most=len(seen.other_folders) if is_complete else 2
        )
        hold = "holds packages, but is" if len(seen.other_folders) == 1 else "hold packages, but are"
        tables.say(f"{shown} {hold} no virtual environment: left alone.")
    for folder in seen.unreadable:
        tables.say(f"{short(folder)} could not be read.")
    _conclude(seen, command=command, looked_in_tool_folders=looked_in_tool_folders)


def short(path: str) -> str:
    """Return a path as a person writes it: relative to the current folder if it is inside, or with `~`."""
    here = paths.slashed(os.getcwd())
    if path.startswith(f"{here}/"):
        return path[len(here) + 1 :]
    home = paths.user_home(os.environ)
    return f"~{path[len(home) :]}" if home and path.startswith(f"{home}/") else path


def listed(files: Sequence[str]) -> str:
    """Return a colon and the first of some files; empty if there are none."""
    return f": {humanized.listed(files)}" if files else ""


def _show_environments(seen: AdoptionPreview, *, is_complete: bool) -> None:
    """Print a table of the environments; those that would free most come first."""
    freed = {item.environment: max(0, seen.freed_by(item).size_bytes) for item in seen.venvs}
    ordered = sorted(seen.venvs, key=lambda item: -freed[item.environment])
    shown = ordered if is_complete or len(ordered) <= _MOST_ROWS + 1 else ordered[:_MOST_ROWS]
    rows = [
        (
            short(item.environment),
            item.tool,
            ".".join(item.python.split(".")[:2]),
            str(len(item.survey.copies) + item.survey.linked),
            humanized.size(item.survey.allocated_bytes),
            humanized.size(freed[item.environment]) if freed[item.environment] else "-",
        )
        for item in shown
    ]
    columns = ("environment", "made by", "Python", "packages", "on disk", "would free")
    tables.show(columns, rows, right=(2, 3, 4, 5), shortened=0)
    rest = ordered[len(shown) :]
    if rest:
        size = humanized.size(sum(freed[item.environment] for item in rest))
        tables.say(f"and {humanized.count(len(rest), 'more environment')}, which would free {size} (`-v` lists all)")
        tables.say("")


def _show_reasons(seen: AdoptionPreview) -> None:
    """Print each reason for leaving something as it is, with the first packages or environments that it concerns."""
    reasons: dict[str, list[str]] = {}
    for item in seen.venvs:
        if item.reason:
            reasons.setdefault(item.reason, []).append(short(item.environment))
            continue
        for copy in item.survey.copies:
            if copy.reason:
                reasons.setdefault(copy.reason, []).append(f"{copy.name} in {short(item.environment)}")
    if reasons:
        tables.say("These stay as they are (`-v` lists each, with its files):")
        for reason, concerned in sorted(reasons.items(), key=lambda row: -len(row[1])):
            tables.say(f"  {reason}: {humanized.listed(concerned, most=2)}")
        tables.say("")


def _show_each_that_stays(seen: AdoptionPreview) -> None:
    for item in seen.venvs:
        if item.reason:
            tables.say(f"{short(item.environment)} stays as it is: {item.reason}")
            continue
        for copy in item.survey.copies:
            if copy.reason:
                shown = f"{copy.name} {copy.version} stays: {copy.reason}{listed(copy.changed)}"
                tables.say(f"{short(item.environment)}: {shown}")


def _show_redirects(seen: AdoptionPreview, *, is_complete: bool) -> None:
    """Print each environment that is outside of the folders, but that a `.venv` inside leads to, and if it counts."""
    included = {item.environment for item in seen.venvs}
    for place, root in seen.redirects:
        if root in included:
            tables.say(f"{short(root)} is outside of the folder. It is included since {short(place)} leads there.")
    left = {root: place for place, root in seen.redirects if root not in included}
    shown = sorted(left)[: len(left) if is_complete else _MOST_REDIRECTS]
    for root in shown:
        tables.say(
            f"{short(left[root])} leads to {short(root)}, outside of the folder: left alone unless you name it."
        )
    if len(left) > len(shown):
        more = humanized.count(len(left) - len(shown), "more environment")
        tables.say(f"and {more} outside of the folder (`-v` lists all)")


def _conclude(seen: AdoptionPreview, *, command: str, looked_in_tool_folders: bool) -> None:
    """Print the sum, and the next step."""
    if not seen.venvs:
        tables.say("No environment was found here." if not seen.conda else "Only environments of conda were found.")
        if not looked_in_tool_folders:
            tables.say("`--known` looks where tools keep environments: pipx, poetry, hatch, uv tools, …")
        return
    total, shared = seen.freed_space.total, seen.freed_space.shared
    number = sum(len(item.survey.copies) + item.survey.linked for item in seen.venvs)
    holds = "holds" if len(seen.venvs) == 1 else "hold"
    alike = f" {humanized.count(shared, 'package')} {'is' if shared == 1 else 'are'} in several of them."
    tables.say(
        f"{humanized.count(len(seen.venvs), 'environment')} with {humanized.count(number, 'package')} "
        f"{holds} {humanized.size(seen.held_bytes)}.{alike if shared else ''}"
    )
    if not seen.linkable:
        is_shared = any(item.survey.linked for item in seen.venvs)
        tables.say("Everything that can be shared is shared already." if is_shared else "Nothing here can be shared.")
    elif total.size_bytes <= 0:
        cost = f", and would take {humanized.size(-total.size_bytes)} more" if total.size_bytes else ""
        tables.say(f"Sharing would free nothing now{cost}.")
        tables.say("The next environment with the same packages would take next to nothing.")
    else:
        inodes = humanized.count(max(0, total.inodes), "inode")
        tables.stress(f"Sharing them would free {humanized.size(total.size_bytes)} and {inodes}.")
    if seen.freed_space.copied_bytes:
        size = humanized.size(seen.freed_space.copied_bytes)
        tables.say(f"The store is on another disk, and would grow by {size} there.")
    if command and seen.linkable:
        tables.say("")
        tables.say("Nothing has changed. Each file is read and compared before it is linked.")
        tables.say(f"  to link them:     {command}")
        tables.say("  to take it back:  pepip eject ENVIRONMENT")
