"""Unmet needs: requirements of the distributions in an environment that the environment does not meet.

`uv pip check` finds the same, among other faults. This module reads METADATA, and starts no program. As with uv, the
requirements of extras are left out.
"""

from __future__ import annotations

import os

from packaging import markers
from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

from pepip import paths
from pepip.environment import contents
from pepip.fast_namedtuple import NamedTuple
from pepip.names import normalize_name
from pepip.operations import entry_details, venvs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pepip.model import Installed
    from pepip.store.root import Store


class UnmetNeed(NamedTuple):
    """A distribution with a requirement that is not met. `found` is the installed version of the required one.

    `found` is empty if the required distribution is not installed.
    """

    name: str
    version: str
    requirement: str
    found: str


class _Need(NamedTuple):
    """One requirement that applies to an environment: the distribution it names, and the requirement."""

    name: str
    requirement: Requirement


class Needs:
    """Compares environments with the needs of their distributions. Remembers the needs of entries."""

    def __init__(self, store: Store) -> None:
        self._packages = paths.packages(store.root)
        self._needs: dict[tuple[str, str], list[_Need]] = {}
        self._met: dict[tuple[str, str], bool] = {}

    def unmet(
        self, root: str, python: str, present: Sequence[Installed], without: Collection[str] = ()
    ) -> list[UnmetNeed]:
        """Return the unmet needs of the distributions that are `present` in the environment at `root`.

        `python` is the version of its interpreter. The distributions named in `without` count as removed.
        """
        staying = [item for item in present if item.name not in without]
        versions = {item.name: item.version for item in staying}
        found = []
        for item in staying:
            for need in self._needs_of(root, python, item):
                version = versions.get(need.name, "")
                if not version or not self._is_met(need.requirement, version):
                    found.append(UnmetNeed(item.name, item.version, str(need.requirement), version))
        return found

    def unmet_with(
        self, root: str, python: str, present: Sequence[Installed], versions: Mapping[str, str]
    ) -> list[UnmetNeed]:
        """Return the needs that would be unmet if some distributions had other `versions`, or came in addition.

        The needs of those distributions themselves are not looked at.
        """
        then = {**{item.name: item.version for item in present}, **versions}
        return [
            UnmetNeed(item.name, item.version, str(need.requirement), then.get(need.name, ""))
            for item in present
            if item.name not in versions
            for need in self._needs_of(root, python, item)
            if not then.get(need.name) or not self._is_met(need.requirement, then[need.name])
        ]

    def _needs_of(self, root: str, python: str, item: Installed) -> list[_Need]:
        key = (item.store_id or f"{root} {item.dist_info}", python)
        if key not in self._needs or not item.store_id:
            self._needs[key] = list(self._read(root, python, item))
        return self._needs[key]

    def _read(self, root: str, python: str, item: Installed) -> list[_Need]:
        try:
            entry = os.path.join(self._packages, item.store_id)  # the id of a layer's entry is its path
            folders = [entry] if item.store_id else contents.site_packages_of(root)
        except OSError:
            return []
        lines = [line for folder in folders for line in entry_details.requirements_in(folder, item.dist_info)]
        return [need for line in lines if (need := _parsed(line, python)) is not None]

    def _is_met(self, requirement: Requirement, version: str) -> bool:
        key = (str(requirement.specifier), version)
        if key not in self._met:
            try:
                is_met = bool(requirement.url) or requirement.specifier.contains(Version(version), prereleases=True)
            except InvalidVersion:
                is_met = True
            self._met[key] = is_met
        return self._met[key]


def _parsed(line: str, python: str) -> _Need | None:
    """Return a requirement line as a need. None if it can't be parsed, or does not apply to this Python."""
    python = python.removesuffix(".final.0")
    facts = {"python_full_version": python, "python_version": ".".join(python.split(".")[:2])} if python else {}
    try:
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate({**facts, "extra": ""}):
            return None
    except (InvalidRequirement, markers.UndefinedComparison, markers.UndefinedEnvironmentName, InvalidVersion):
        return None
    requirement.marker = None
    return _Need(normalize_name(requirement.name), requirement)


def broken_by_removal(store: Store, root: str, removed: Collection[str]) -> list[UnmetNeed]:
    """Return the needs that are met in the environment at `root`, and would be unmet without some distributions.

    Raises VenvError if there is no such environment.
    """
    environment = venvs.open_environment(root, store)
    present, python = contents.installed(environment, store.known_roots), environment.interpreter.version
    needs = Needs(store)
    before = needs.unmet(root, python, present)
    return [need for need in needs.unmet(root, python, present, removed) if need not in before]
