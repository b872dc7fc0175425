"""Distributions of which the environments have several versions, and the environments of each version."""

from __future__ import annotations

import functools

from packaging.version import InvalidVersion, Version

from pepip.fast_namedtuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pepip.operations.census import KnownVenv


class SideBySide(NamedTuple):
    """A distribution, and the environments that have each of its versions. The newest version comes first."""

    name: str
    versions: dict[str, list[KnownVenv]]

    @property
    def newest(self) -> str:
        """The newest version that any of the environments has."""
        return next(iter(self.versions))

    @property
    def behind(self) -> int:
        """The number of environments that have an older version."""
        return sum(len(users) for users in self.versions.values()) - len(self.versions[self.newest])


def several(projects: Iterable[KnownVenv]) -> list[SideBySide]:
    """Return the distributions with more than one version in these environments.

    They are ordered by `behind`, the largest number first.
    """
    found: dict[str, dict[str, list[KnownVenv]]] = {}
    for known in projects:
        for package in known.packages:
            found.setdefault(package.name, {}).setdefault(package.version, []).append(known)
    rows = [
        SideBySide(name, {version: by_version[version] for version in sorted(by_version, key=order, reverse=True)})
        for name, by_version in found.items()
        if len(by_version) > 1
    ]
    return sorted(rows, key=lambda row: (-row.behind, row.name))


@functools.lru_cache(1 << 14)
def order(version: str) -> tuple[bool, Version, str]:
    """Return the key that sorts versions (PEP 440). A text that is no version comes before all versions."""
    try:
        return True, Version(version), version
    except InvalidVersion:
        return False, Version("0"), version
