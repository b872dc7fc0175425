"""The plan that an environment's links follow now, and whether the links are as a plan says. Changes nothing."""

from __future__ import annotations

from pepip import paths
from pepip.environment import contents
from pepip.environment.placement import MODES, placer_for
from pepip.environment.tree import Tree
from pepip.host import links
from pepip.plan.merge import merge
from pepip.wheel import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pepip.model import Entry, Environment, Installed, Plan
    from pepip.plan.merge import KeptLinks


_AS_FILES = MODES[0]  # with any mode, a plan lists each file


def current(
    environment: Environment,
    tree: Tree,
    linked: dict[str, Entry],
    foreign: Iterable[Installed],
    parts: dict[str, KeptLinks] | None = None,
) -> Plan:
    """Return the plan that matches how an environment links the `linked` entries now.

    A folder is real if the RECORD of a `foreign` distribution lists files in it. But if such a folder is a link on
    disk, another tool has written through that link, and the folder counts as linked whole. `parts` is as in `merge`.
    """
    folders = contents.foreign_directories(environment, foreign)
    real = tree.real_folders(folders, environment.interpreter.site_packages)
    return merge(linked.values(), environment.interpreter, foreign_directories=real, parts=parts)


def has_drifted(tree: Tree, plan: Plan) -> bool:
    """Tell whether another tool has changed folders of the current plan.

    A linked folder is then no link any more, or a real folder is gone or has become a link.
    """
    return any(
        link.is_directory and not links.read_link(f"{tree.root}/{path}") for path, link in plan.links.items()
    ) or not all(map(tree.has_folder, sorted(plan.directories)))  # in this order, each is looked at once


def is_as_planned(environment: Environment, linked: dict[str, Entry], foreign: list[Installed]) -> bool:
    """Tell whether all links that the `linked` entries need, but for bytecode, lead into these entries.

    A link may lead there by any path of the store.
    """
    plan = current(environment, Tree(environment), linked, foreign)
    placer = placer_for(environment, linked.values())
    places = (
        (f"{environment.root}/{path}", link.target)
        for path, link in plan.links.items()
        if not path.endswith("/" + paths.PYCACHE)
    )
    return all(links.leads_to(place, target) or placer.is_placed(place, target) for place, target in places)


def has_files_of(environment: Environment, entry: Entry) -> bool:
    """Tell whether an environment has an entry's files, as links or copies. Scripts and RECORD don't count."""
    plan = merge([entry], environment.interpreter, modes={entry.name: _AS_FILES})
    own = record.made_by_installer(entry.dist_info)
    base = environment.interpreter.site_packages + "/"
    return all(
        links.stands_for(f"{environment.root}/{path}", link.target)
        for path, link in plan.links.items()
        if path.removeprefix(base) not in own
    )
