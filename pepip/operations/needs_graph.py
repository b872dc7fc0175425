"""The graph of needs in one environment: which of its distributions need which others, and which its project names.

The needs come from the METADATA of the installed distributions, with markers for the environment's own Python and
with the extras that are asked for. No program is started, and no lock is read: this is the environment as it is.
"""

from __future__ import annotations

import contextlib
import os

from packaging import markers
from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion

from pepip import paths
from pepip.environment import contents, makers
from pepip.fast_namedtuple import NamedTuple
from pepip.names import normalize_name
from pepip.operations import entry_details, own_requirements

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from pepip.model import Installed
    from pepip.operations.census import KnownVenv
    from pepip.store.root import Store

ITSELF = "itself"
"""The `place` of a root that the project does not name. Nothing else needs it, except perhaps in a cycle."""


class Edge(NamedTuple):
    """One need: the distribution that has it, the distribution that it names, and the requirement without its marker.

    `needing` is empty if the environment's project has the need. Then `place` names the place that states it.
    """

    needing: str
    needed: str
    requirement: str
    place: str = ""


class Graph(NamedTuple):
    """The needs in one environment, by normalized names. Needs that name no installed distribution are left out."""

    versions: Mapping[str, str]
    needs: Mapping[str, Sequence[Edge]]
    needed_by: Mapping[str, Sequence[Edge]]
    roots: Sequence[Edge]

    def unneeded_without(self, name: str) -> list[str]:
        """Return the other distributions that nothing needs any more once this one is gone."""
        before = self._reached([edge.needed for edge in self.roots], without="")
        after = self._reached([edge.needed for edge in self.roots], without=name)
        return sorted(before - after - {name})

    def _reached(self, names: Iterable[str], *, without: str) -> set[str]:
        found: set[str] = set()
        pending = [name for name in names if name != without]
        while pending:
            name = pending.pop()
            if name not in found:
                found.add(name)
                pending += [edge.needed for edge in self.needs.get(name, ()) if edge.needed != without]
        return found


class Graphs:
    """Makes graphs of environments. Reads the requirements of an entry only once for all environments."""

    def __init__(self, store: Store) -> None:
        self._packages = paths.packages(store.root)
        self._lines: dict[str, list[Requirement]] = {}
        self._applying: dict[tuple[str, str, frozenset[str]], list[tuple[str, frozenset[str], str]]] = {}

    def of(self, known: KnownVenv) -> Graph:
        """Return the graph of an environment that the census has found."""
        facts = _facts(known)
        present = {item.name: item for item in known.packages}
        asked: dict[str, set[str]] = {name: set() for name in present}
        stated = [
            own for own in own_requirements.of(known)
            if _applies(own.requirement, facts, ()) and normalize_name(own.requirement.name) in present
        ]  # fmt: skip
        for own in stated:
            asked[normalize_name(own.requirement.name)] |= {normalize_name(extra) for extra in own.requirement.extras}
        needs = self._needs(known, present, facts, asked)
        needed_by: dict[str, list[Edge]] = {}
        for name in sorted(needs):
            for edge in needs[name]:
                needed_by.setdefault(edge.needed, []).append(edge)
        roots = [Edge("", normalize_name(own.requirement.name), _shown(own.requirement), own.place) for own in stated]
        roots += [Edge("", name, "", ITSELF) for name in _unreached(present, needs, needed_by, roots)]
        for edge in reversed(roots):
            needed_by.setdefault(edge.needed, []).insert(0, edge)
        return Graph({name: item.version for name, item in present.items()}, needs, needed_by, roots)

    def _needs(
        self,
        known: KnownVenv,
        present: Mapping[str, Installed],
        facts: dict[str, str],
        asked: dict[str, set[str]],
    ) -> dict[str, list[Edge]]:
        """Return the needs of all distributions. If one asks for an extra of another, the other gets more needs."""
        needs: dict[str, list[Edge]] = {}
        pending = list(present)
        while pending:
            name = pending.pop()
            needs[name] = []
            for needed, extras, shown in self._applying_to(known, present[name], facts, frozenset(asked[name])):
                if needed not in present or needed == name:
                    continue
                needs[name].append(Edge(name, needed, shown))
                if not extras <= asked[needed]:
                    asked[needed] |= extras
                    if needed in needs:
                        pending.append(needed)
        return needs

    def _applying_to(
        self, known: KnownVenv, item: Installed, facts: dict[str, str], extras: frozenset[str]
    ) -> list[tuple[str, frozenset[str], str]]:
        """Return the requirements of a distribution that apply: the name, the extras asked for, and the text."""
        place = item.store_id or f"{known.environment} {item.dist_info}"
        key = (place, "\0".join(facts.values()), extras)
        if key not in self._applying:
            found: dict[str, tuple[str, frozenset[str], str]] = {}
            for requirement in self._requirements(known, item, place):
                if _applies(requirement, facts, extras):
                    name = normalize_name(requirement.name)
                    asked = frozenset(map(normalize_name, requirement.extras))
                    before = found[name][1] if name in found else frozenset()
                    found[name] = (name, asked | before, found[name][2] if before else _shown(requirement))
            self._applying[key] = sorted(found.values(), key=lambda row: row[0])
        return self._applying[key]

    def _requirements(self, known: KnownVenv, item: Installed, place: str) -> list[Requirement]:
        if place not in self._lines:
            folders: Sequence[str] = ()
            if item.store_id:
                folders = [os.path.join(self._packages, item.store_id)]  # the id of a layer's entry is its path
            else:
                with contextlib.suppress(OSError):
                    folders = contents.site_packages_of(known.environment)
            lines = [line for folder in folders for line in entry_details.all_requirements_in(folder, item.dist_info)]
            self._lines[place] = list(_parsed(lines))
        return self._lines[place]


def _facts(known: KnownVenv) -> dict[str, str]:
    """Return the markers' variables that depend on the environment's interpreter.

    All other variables have the values of this process.
    """
    python = known.python.removesuffix(".final.0")
    implementation = makers.settings_of(known.environment).get("implementation", "")
    facts = {"python_full_version": python, "python_version": ".".join(python.split(".")[:2])} if python else {}
    if implementation:
        facts |= {
            "platform_python_implementation": implementation,
            "implementation_name": implementation.lower(),
            "implementation_version": python,
        }
    return facts


def _applies(requirement: Requirement, facts: dict[str, str], extras: Collection[str]) -> bool:
    if requirement.marker is None:
        return True
    try:
        return any(requirement.marker.evaluate({**facts, "extra": extra}) for extra in ("", *extras))
    except (markers.UndefinedComparison, markers.UndefinedEnvironmentName, InvalidVersion):
        return False


def _parsed(lines: Iterable[str]) -> Iterator[Requirement]:
    for line in lines:
        with contextlib.suppress(InvalidRequirement):
            yield Requirement(line)


def _shown(requirement: Requirement) -> str:
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    url = f" @ {requirement.url}" if requirement.url else ""
    return f"{requirement.name}{extras}{requirement.specifier}{url}"


def _unreached(
    present: Mapping[str, Installed],
    needs: Mapping[str, Sequence[Edge]],
    needed_by: Mapping[str, Sequence[Edge]],
    roots: Sequence[Edge],
) -> list[str]:
    """Return the distributions to add to the roots, so that every distribution is reached from one of them.

    Distributions that nothing needs come first. The rest are needed only by cycles of needs.
    """
    reached = Graph({}, needs, {}, ())._reached([edge.needed for edge in roots], without="")
    found = []
    for name in sorted(present, key=lambda name: (name in needed_by, name)):
        if name not in reached:
            found.append(name)
            reached |= Graph({}, needs, {}, ())._reached([name], without="")
    return found
