"""Environments that nobody has used for a while, and whether one may be removed."""

from __future__ import annotations

import os
import time

from pepip import humanized, paths
from pepip.environment import last_use
from pepip.environment.purposes import PROJECT, RUN, SCRIPT, TOOL
from pepip.fast_namedtuple import NamedTuple
from pepip.host import rights, running_processes
from pepip.operations import census

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pepip.environment.last_use import LastUse
    from pepip.host.running_processes import Process
    from pepip.operations.census import KnownVenv

_OF_VENVS = frozenset(
    (
        *("bin", "lib", "lib64", "include", "share", "etc", "man", "Scripts", "Lib", "Include", "pyvenv.cfg"),
        *(".gitignore", "CACHEDIR.TAG"),
    )
)


class Idle(NamedTuple):
    """An environment that was not used for `seconds`, and its last use."""

    known: KnownVenv
    last_use: LastUse
    seconds: float


def find(projects: Iterable[KnownVenv], *, longer_than_seconds: float) -> list[Idle]:
    """Return the environments that were not used for so long, the longest first.

    Left out are those that must not be removed, those from which a program runs, and those whose disk notes no use.
    """
    now = time.time()
    found = []
    for known in projects:
        used = last_use.of(known.environment) if known.state in census.READABLE else None
        if used is None or not used.at or not used.counts_starts or now - used.at < longer_than_seconds:
            continue
        if not obstacle(known, ()):
            found.append(Idle(known, used, now - used.at))
    users = running_processes.users_of([item.known.environment for item in found]) if found else {}
    found = [item for item in found if item.known.environment not in users]
    return sorted(found, key=lambda item: (-item.seconds, item.known.environment))


def used_at(projects: Iterable[KnownVenv]) -> dict[str, float]:
    """Return the last use of each environment by its root, in seconds since 1970, where the disk notes each start."""
    found = {}
    for known in projects:
        if known.state in census.READABLE:
            used = last_use.of(known.environment)
            if used.at and used.counts_starts:
                found[known.environment] = used.at
    return found


def obstacle(known: KnownVenv | None, processes: Sequence[Process]) -> str:
    """Return why an environment may not be removed, empty if it may be."""
    if known is None:
        return "it is not registered"
    root = known.environment
    if known.state not in census.READABLE:
        return known.reason
    if known.purpose.kind == TOOL:
        return "it is a tool: `pepip tool uninstall` removes it"
    if known.purpose.kind == RUN or (known.purpose.kind == SCRIPT and known.purpose.script is None):
        return "it belongs to uv, which makes and removes it"
    if known.purpose.kind == PROJECT and known.name != root:
        return "uv keeps it in its cache for a project"
    if processes:
        return f"{processes[0].name} ({processes[0].number}) runs from it"
    if not rights.is_own(root) or not rights.may_remove(root):
        return "it belongs to another user, or is a link"
    others = sorted(set(os.listdir(root)) - _OF_VENVS - paths.OF_ENVIRONMENTS)
    others = [name for name in others if not name.startswith(".pepip")]
    return f"it holds {humanized.listed(others)}, too" if others else ""
