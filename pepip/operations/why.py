"""Why a distribution is in an environment, its needs, and the distributions that nothing needs without it."""

from __future__ import annotations

from pepip.fast_namedtuple import NamedTuple
from pepip.names import normalize_name
from pepip.operations import census
from pepip.operations.needs_graph import ITSELF, Graphs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from pepip.operations.census import KnownVenv
    from pepip.operations.needs_graph import Edge, Graph
    from pepip.store.root import Store


class Line(NamedTuple):
    """One line of a tree: how deep it is, the distribution with its version, and the requirement that leads to it.

    The version and the name are empty where the tree ends: at the project, or at a distribution that the project does
    not name. Then `place` names the place that states the requirement, or is `ITSELF`. If `is_again`, the same
    distribution stands further up, with all that is below it.
    """

    depth: int
    name: str
    version: str
    requirement: str
    place: str = ""
    is_again: bool = False

    @property
    def words(self) -> str:
        """The line for people, without the blanks before it."""
        if not self.name:
            return "installed on its own" if self.place == ITSELF else f"{self.place}: {self.requirement}"
        needs = f"  needs {self.requirement}" if self.requirement else ""
        return f"{self.name} {self.version}{needs}{'  (see above)' if self.is_again else ''}"


class Reason(NamedTuple):
    """A distribution in one environment, with the tree up to the project and the tree down.

    `unneeded` are the distributions that nothing needs after its removal.
    """

    known: KnownVenv
    name: str
    version: str
    up: tuple[Line, ...]
    down: tuple[Line, ...]
    unneeded: tuple[str, ...]


def why(
    store: Store, name: str, environments: Iterable[KnownVenv], *, version: str = "", graphs: Graphs | None = None
) -> Iterator[Reason]:
    """Yield the reason for a distribution in each of these environments that has it, in this version if one is given.

    An environment whose distributions can't be read is left out. `graphs` remembers the requirements of entries.
    """
    wanted, graphs = normalize_name(name), graphs or Graphs(store)
    for known in environments:
        item = next((item for item in known.packages if item.name == wanted), None)
        if item is None or version not in {"", item.version} or known.state not in census.READABLE:
            continue
        graph = graphs.of(known)
        yield Reason(
            known,
            item.name,
            item.version,
            tuple(_tree(graph, wanted, graph.needed_by, lambda edge: edge.needing)),
            tuple(_tree(graph, wanted, graph.needs, lambda edge: edge.needed)),
            tuple(graph.unneeded_without(wanted)),
        )


def groups(reasons: Iterable[Reason]) -> list[list[Reason]]:
    """Return the reasons in groups of environments with the same version and trees, the largest group first."""
    found: dict[tuple[object, ...], list[Reason]] = {}
    for reason in reasons:
        found.setdefault((reason.version, reason.up, reason.down), []).append(reason)
    return sorted(found.values(), key=lambda group: -len(group))


def _tree(
    graph: Graph, start: str, edges: Mapping[str, Sequence[Edge]], other: Callable[[Edge], str]
) -> Iterator[Line]:
    """Yield the lines below `start`, depth first. The lines below a distribution come only once."""
    shown: set[str] = {start}
    pending = [(0, edge) for edge in reversed(edges.get(start, ()))]
    while pending:
        depth, edge = pending.pop()
        name = other(edge)
        if not name:
            yield Line(depth, "", "", edge.requirement, edge.place)
            continue
        below = edges.get(name, ())
        is_again = name in shown and bool(below)
        yield Line(depth, name, graph.versions.get(name, ""), edge.requirement, is_again=is_again)
        if name not in shown:
            shown.add(name)
            pending += [(depth + 1, edge) for edge in reversed(below)]
