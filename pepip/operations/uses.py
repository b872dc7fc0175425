"""Finding the environments that have a distribution, for example after a security notice."""

from __future__ import annotations

from pepip import paths
from pepip.environment import purposes
from pepip.errors import UsageError
from pepip.fast_namedtuple import NamedTuple
from pepip.model import Installed
from pepip.names import normalize_name
from pepip.operations import census

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.environment.purposes import Purpose
    from pepip.store.root import Store
    from pepip.store.scan_cache import ScanCache


class Use(NamedTuple):
    """An environment that has a distribution, linked or not.

    If the environment is unreachable, it had the distribution when pepip last changed the environment.
    """

    environment: str
    package: Installed
    state: str
    purpose: Purpose


def uses(store: Store, requirement: str, memory: ScanCache | None = None) -> list[Use]:
    """Return the environments that have a distribution of this name whose version matches the specifier (PEP 440).

    Pre-releases match, too. Environments beside known ones count with the entries that they link. `memory` may answer
    for entries and environments that have not changed since the last scan. Raises UsageError if `requirement` can't
    be parsed.
    """
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.version import InvalidVersion, Version

    try:
        wanted = Requirement(requirement)
    except InvalidRequirement as error:
        raise UsageError(
            f"{requirement!r} is not a requirement", hint="write a name and a specifier, such as 'urllib3<2.5'"
        ) from error
    name = normalize_name(wanted.name)

    def is_meant(version: str) -> bool:
        try:
            return wanted.specifier.contains(Version(version), prereleases=True)
        except InvalidVersion:
            return not wanted.specifier

    seen = census.take(store, memory=memory)
    by_id = {item.id: Installed(item.name, item.version, "", item.id) for item in seen.stored}
    by_id.update((entry_id, _in_layer(entry_id)) for entry_id in seen.users() if paths.is_layered(entry_id))
    rows = [
        (known.environment, known.packages, known.entries or (), known.state, known.purpose)
        for known in seen.projects
    ]
    rows += [
        (environment, (), entry_ids, census.OK, purposes.of(environment))
        for environment, entry_ids in seen.unregistered.items()
    ]
    return [
        Use(environment, package, state, purpose)
        for environment, packages, entry_ids, state, purpose in rows
        for package in packages or tuple(by_id[entry] for entry in entry_ids if entry in by_id)
        if package.name == name and is_meant(package.version)
    ]


def _in_layer(entry_id: str) -> Installed:
    """Return the distribution of a layer's entry, by the name of the entry's folder."""
    name, _, version = paths.entry_name(entry_id).partition("~")[0].rpartition("-")
    return Installed(name, version, "", entry_id)
