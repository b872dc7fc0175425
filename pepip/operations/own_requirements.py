"""The requirements that an environment's project, script or tool states itself, each with the place that states it.

Sources: pyproject.toml (PEP 621), dependency groups (PEP 735), inline script metadata (PEP 723), uv's receipts.
"""

from __future__ import annotations

import contextlib

from packaging.requirements import InvalidRequirement, Requirement

from pepip.environment import makers, purposes
from pepip.fast_namedtuple import NamedTuple
from pepip.names import normalize_name
from pepip.operations import project
from pepip.uv import settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from pepip.operations.census import KnownVenv

_PROJECT_FILE = "pyproject.toml"


class OwnRequirement(NamedTuple):
    """A requirement, and the place that states it, in words: `pyproject.toml`, `group dev`, `the tool`."""

    requirement: Requirement
    place: str


def of(known: KnownVenv) -> list[OwnRequirement]:
    """Return the requirements of the environment's project, script or tool. Empty if none can be read."""
    kind = known.purpose.kind
    if kind == purposes.TOOL:
        return list(_of_tool(_document(settings.content(f"{known.environment}/{makers.TOOL_RECEIPT}"))))
    if kind == purposes.SCRIPT and known.purpose.script is not None:
        settings.include_script(known.purpose.script.path)
        document = _document(settings.content(known.purpose.script.path))
        return list(_parsed(document.get("dependencies"), "the script"))
    if kind == purposes.PROJECT and project.syncs_by_lock(known.name):
        return list(_of_project(_document(settings.content(f"{known.project}/{_PROJECT_FILE}"))))
    return []


def _of_project(document: dict[str, Any]) -> Iterator[OwnRequirement]:
    table = _table(document.get("project"))
    yield from _parsed(table.get("dependencies"), _PROJECT_FILE)
    for extra, lines in _table(table.get("optional-dependencies")).items():
        yield from _parsed(lines, f"extra {extra}")
    groups = _table(document.get("dependency-groups"))
    for group in groups:
        yield from _parsed(_of_group(groups, group, ()), f"group {group}")
    old = _table(_table(document.get("tool")).get("uv")).get("dev-dependencies")
    yield from _parsed(old, "group dev")


def _of_group(groups: dict[str, Any], group: str, above: tuple[str, ...]) -> list[str]:
    """Return the requirement lines of a dependency group, with those of the groups that it includes."""
    name = normalize_name(group)
    lines = next((groups[key] for key in groups if normalize_name(key) == name), ())
    found: list[str] = []
    for line in lines if isinstance(lines, list) and name not in above else ():
        included = line.get("include-group", "") if isinstance(line, dict) else ""
        if isinstance(included, str) and included:
            found += _of_group(groups, included, (*above, name))
        elif isinstance(line, str):
            found.append(line)
    return found


def _of_tool(document: dict[str, Any]) -> Iterator[OwnRequirement]:
    rows = _table(document.get("tool")).get("requirements")
    for row in rows if isinstance(rows, list) else ():
        known = _table(row)
        name, extras, specifier = (known.get(key) for key in ("name", "extras", "specifier"))
        if isinstance(name, str):
            named = [extra for extra in extras if isinstance(extra, str)] if isinstance(extras, list) else []
            shown = f"[{','.join(named)}]" if named else ""
            yield from _parsed([f"{name}{shown}{specifier if isinstance(specifier, str) else ''}"], "the tool")


def _parsed(lines: object, place: str) -> Iterator[OwnRequirement]:
    for line in lines if isinstance(lines, list) else ():
        with contextlib.suppress(InvalidRequirement, TypeError):
            yield OwnRequirement(Requirement(line), place)


def _document(content: bytes) -> dict[str, Any]:
    from pepip import toml

    try:
        return _table(toml.loads(content.decode()))
    except (ValueError, RecursionError):
        return {}


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
