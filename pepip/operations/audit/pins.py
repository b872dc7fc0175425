"""Pins: names and versions that an index can know, of all environments, grouped by the settings that uv must use.

No index may learn a private name unless the project's settings name that index. So uv uses the settings of a project
that has some, and the user's settings for all other environments.
"""

from __future__ import annotations

import os
import re

from packaging.version import InvalidVersion, Version

from pepip.environment import contents, purposes
from pepip.fast_namedtuple import NamedTuple
from pepip.names import normalize_name
from pepip.operations import census
from pepip.paths import upward
from pepip.uv import interpreter, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pepip.operations.census import KnownVenv
    from pepip.store.audit_answers import Pin

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")


class Group(NamedTuple):
    """Pins to ask about together. `folder` has uv's settings that count; it is empty for the user's settings.

    `python` is the interpreter of an environment. It is empty if there is none, or if no index may be asked.
    """

    folder: str
    python: str
    pins: frozenset[Pin]


class Pins(NamedTuple):
    """The groups of pins, and for each pin the environments that have it (`users`).

    `local` are pins of a file, a URL, a folder or a repository: no index is asked about them. `unasked` are the
    environments that can't be read.
    """

    groups: tuple[Group, ...]
    users: dict[Pin, list[str]]
    local: frozenset[Pin]
    unasked: tuple[str, ...]

    @property
    def every(self) -> frozenset[Pin]:
        """All pins that an index can know."""
        return frozenset(pin for group in self.groups for pin in group.pins)


def of_environments(projects: Sequence[KnownVenv]) -> Pins:
    """Return the pins of these environments. Reads their metadata and settings; asks nothing."""
    grouped: dict[tuple[str, str], tuple[str, set[Pin]]] = {}
    users: dict[Pin, list[str]] = {}
    local: set[Pin] = set()
    unasked = []
    for known in projects:
        if known.state not in census.READABLE:
            unasked.append(known.environment)
            continue
        folder = _folder_of_settings(known)
        python = "" if _has_own_indexes(known) else _program(known.environment)
        _, pins = grouped.setdefault(
            (folder, ".".join(known.python.split(".")[:2]) if python else ""), (python, set())
        )
        for pin, is_local in _pins(known):
            users.setdefault(pin, []).append(known.environment)
            (local if is_local else pins).add(pin)
    groups = [Group(folder, python, frozenset(pins)) for (folder, _), (python, pins) in sorted(grouped.items())]
    return Pins(tuple(group for group in groups if group.pins), users, frozenset(local), tuple(unasked))


def public(version: str) -> str:
    """Return a version without its local part (`1.0+cu118` is `1.0`), which no index of releases knows."""
    return version.partition("+")[0]


def normalized(version: str) -> str:
    """Return the normalized spelling of a version, which uv's answers have. Metadata may have another one."""
    try:
        return str(Version(version))
    except InvalidVersion:
        return version


def _pins(known: KnownVenv) -> Iterator[tuple[Pin, bool]]:
    """Yield the name and version of each distribution, and whether it came from elsewhere than an index."""
    try:
        folders = contents.site_packages_of(known.environment)
    except OSError:
        folders = []
    for package in known.packages:
        name = normalize_name(package.name)
        try:
            Version(package.version)
        except InvalidVersion:
            continue
        if _NAME.fullmatch(name):
            origin = (f"{folder}/{package.dist_info}/direct_url.json" for folder in folders if package.dist_info)
            yield (name, package.version), any(map(os.path.lexists, origin))


def _folder_of_settings(known: KnownVenv) -> str:
    """Return the nearest folder with settings of uv, from an environment's project upward; empty if there is none."""
    if known.purpose.kind != purposes.PROJECT or not os.path.isdir(known.project):
        return ""
    for folder in upward(known.project):
        in_project = settings.content(f"{folder}/pyproject.toml")
        if settings.content(f"{folder}/uv.toml") or _TABLE_OF_UV.search(in_project):
            return folder
    return ""


_TABLE_OF_UV = re.compile(rb"""tool["']?\s*(?:\.\s*["']?uv\b|\]|=)|\\""")
"""Every spelling of a table `tool.uv` in TOML. Other text may match, too. That costs only a further question."""


def _has_own_indexes(known: KnownVenv) -> bool:
    """Tell whether a tool or a script names indexes of its own. No index is then asked about its distributions."""
    script = known.purpose.script
    if known.purpose.kind == purposes.PROJECT:
        return False
    if script:
        return bool(_INDEX_OF_SCRIPT.search(settings.content(script.path)))
    return bool(_INDEX.search(settings.content(f"{known.environment}/uv-receipt.toml")))


_INDEX = re.compile(rb"\bindex|\bfind-links")
_INDEX_OF_SCRIPT = re.compile(rb"^#.*(?:\bindex|\bfind-links)", re.MULTILINE)


def _program(environment: str) -> str:
    found = (f"{environment}/{program}" for program in interpreter.PROGRAMS)
    return next((path for path in found if os.path.exists(path)), "")
