"""Files that an environment took from an entry before that entry was stored again.

Hard links and copies of a damaged entry may be damaged, too. They are replaced one by one. A missing file is not made
again, because somebody may be deleting the environment at this moment.
"""

from __future__ import annotations

import contextlib
import os

from pepip.environment import contents, plan_on_disk
from pepip.environment.placement import placer_for
from pepip.environment.tree import Tree
from pepip.host import links

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pepip.environment.change_plan import LinkState
    from pepip.environment.placement import Placer
    from pepip.model import Environment, Link


def has_any(environment: Environment, state: LinkState, names: set[str]) -> bool:
    """Tell whether an environment has outdated files of the linked distributions in `names`."""
    placer = placer_for(environment, state.linked.values())
    return any(True for _ in _found(environment, placer, state, names))


def replace(environment: Environment, state: LinkState, names: set[str]) -> None:
    """Replace the outdated files of the linked distributions in `names`, each by one rename.

    The caller holds the environment's lock. Raises OSError; each file is then either the old or the new one.
    """
    placer = placer_for(environment, state.linked.values())
    for path, link in list(_found(environment, placer, state, names)):
        place = f"{environment.root}/{path}"
        made, entry = f"{place}.{os.getpid()}~", state.linked[link.owner]
        try:
            with contextlib.suppress(FileNotFoundError):  # the folder was deleted meanwhile
                placer.place(entry, link.target[len(entry.path) + 1 :], made, is_directory=False)
                os.replace(made, place)
        finally:
            links.unlink(made)


def _found(environment: Environment, placer: Placer, state: LinkState, names: set[str]) -> Iterator[tuple[str, Link]]:
    """Yield the links of the current plan in whose places other files are, except files of foreign distributions."""
    tree = Tree(environment)
    taken = {path for item in state.foreign for path in contents.files_of(environment, item)}
    for path, link in plan_on_disk.current(environment, tree, state.linked, state.foreign).links.items():
        if link.owner not in names or link.is_directory or path in taken or not tree.reaches(path):
            continue
        place = f"{environment.root}/{path}"
        is_current = links.leads_to(place, link.target) or placer.is_placed(place, link.target)
        if not is_current and os.path.lexists(place):
            yield path, link
