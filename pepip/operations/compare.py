"""Comparing two environments, or the environment of a project with its lock. Installs nothing."""

from __future__ import annotations

import os

from pepip import paths
from pepip.environment import contents, project_venv
from pepip.errors import UsageError, VenvError
from pepip.fast_namedtuple import NamedTuple
from pepip.operations import census, project
from pepip.uv.request import ProjectRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from pepip.operations.reporting import Progress
    from pepip.store.root import Store

ADDED, REMOVED, CHANGED = "added", "removed", "changed"


class Side(NamedTuple):
    """One side of a comparison: its name, its Python, and the version of each distribution."""

    name: str
    python: str
    versions: dict[str, str]


class Difference(NamedTuple):
    """A distribution that differs. The version of a side that lacks it is empty."""

    name: str
    left: str
    right: str

    @property
    def kind(self) -> str:
        """How the right side differs from the left one: `added`, `removed` or `changed`."""
        return ADDED if not self.left else REMOVED if not self.right else CHANGED


class Comparison(NamedTuple):
    """Two sides, the distributions that differ, ordered by name, and the number of those that are the same."""

    left: Side
    right: Side
    differences: tuple[Difference, ...]
    same: int


def environment_at(path: str) -> tuple[str, str]:
    """Return the environment at `path`, or that of the project at `path`, and the folder of its project.

    Raises VenvError if there is no environment.
    """
    candidates = [(path, os.path.dirname(paths.real(path))), (project_venv.in_folder(path), path)]
    if os.path.basename(path) == ".venv":
        project = os.path.dirname(paths.absolute(path))
        candidates.insert(0, (project_venv.in_folder(project), project))
    for root, folder in candidates:
        if os.path.isfile(f"{root}/pyvenv.cfg"):
            return paths.real(root), folder
    raise VenvError(f"there is no environment at {path}", hint="name its folder, or the folder of its project")


def environments(store: Store, left: str, right: str) -> Comparison:
    """Compare the environments in two folders, registered or not. Raises VenvError if one can't be read."""
    return _compared(_side(store, left), _side(store, right))


def with_lock(store: Store, environment: str) -> Generator[Progress, None, Comparison]:
    """Compare the environment of the project in the current folder with that project's present lock.

    uv says which distributions of the lock belong in the environment. Raises UsageError if there is no lock.
    """
    lock = f"{os.getcwd()}/uv.lock"
    if not os.path.isfile(lock):
        raise UsageError(f"there is no lock {lock}", hint="`pepip lock` makes it, or name another environment")
    left = _side(store, environment)
    request = ProjectRequest(lock_mode="frozen")
    planned = (yield from project.sync(store, request, project.ProjectOptions(dry_run=True))).summary
    versions = dict(left.versions)
    for name, _ in planned.removed:
        versions.pop(name, None)
    versions.update([*planned.linked, *planned.private])
    return _compared(left, Side(lock, left.python, versions))


def _side(store: Store, environment: str) -> Side:
    try:
        found = contents.distributions_below(environment, store.known_roots)
    except OSError as error:
        raise VenvError(f"cannot read {error.filename or environment}: {error.strerror}") from error
    return Side(environment, census.python_of(environment), {item.name: item.version for item in found})


def _compared(left: Side, right: Side) -> Comparison:
    differences = tuple(differing(left.versions, right.versions))
    return Comparison(left, right, differences, len(left.versions.keys() | right.versions.keys()) - len(differences))


def differing(left: Mapping[str, str], right: Mapping[str, str]) -> list[Difference]:
    """Return the distributions whose versions differ, ordered by name."""
    pairs = [(name, left.get(name, ""), right.get(name, "")) for name in sorted(left.keys() | right.keys())]
    return [Difference(name, before, after) for name, before, after in pairs if before != after]
