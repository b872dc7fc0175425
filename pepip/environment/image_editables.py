"""Distributions of an environment whose code lies elsewhere, and their wheels in an image."""

from __future__ import annotations

import os

from pepip.environment import contents
from pepip.fast_namedtuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pepip.host.tar_stream import Member
    from pepip.model import Environment, Installed


class Editable(NamedTuple):
    """An editable distribution, and the URL of its project's folder."""

    distribution: Installed
    url: str


def editables(environment: Environment, present: Iterable[Installed]) -> list[Editable]:
    """Return the distributions that are installed in editable mode (PEP 660), with the URLs of their folders."""
    found = []
    for item in present:
        origin = contents.direct_url(environment, item) or {}
        about = origin.get("dir_info")
        if isinstance(about, dict) and about.get("editable"):
            found.append(Editable(item, str(origin.get("url", ""))))
    return found


def replace(
    members: dict[str, Member], environment: Environment, editable: Iterable[Editable], wheels: dict[str, Member]
) -> None:
    """Put the members of built wheels in the places of editable distributions. Paths are as in the environment."""
    base = environment.interpreter.site_packages
    for item in editable:
        for path in contents.files_of(environment, item.distribution):
            members.pop(path, None)
        info = f"{base}/{item.distribution.dist_info}"
        for path in [path for path in members if path == info or path.startswith(f"{info}/")]:
            del members[path]
    for path, member in wheels.items():
        members[path] = member
        above = os.path.dirname(path)
        while above and above not in members:
            members[above] = wheels[above]
            above = os.path.dirname(above)
