"""Plans a change to the links of an environment: which links it will have, and which files are in their way.

Reads the environment, and changes nothing. `linking` carries the change out.
"""

from __future__ import annotations

from pepip import paths
from pepip.environment import contents, neighbours, obstacles, plan_on_disk, prepared_metadata, without_record
from pepip.environment.tree import Tree
from pepip.fast_namedtuple import NamedTuple
from pepip.plan.merge import merge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from pepip.environment.metadata import Installation
    from pepip.model import Entry, Environment, Installed, Link, Plan, StoreRoots
    from pepip.plan.merge import KeptLinks


class LinkState(NamedTuple):
    """The distributions of an environment: the entries that it links, by distribution name, and the foreign ones.

    A foreign distribution has files of its own.
    """

    linked: dict[str, Entry]
    foreign: list[Installed]


class LinkChange(NamedTuple):
    """A change to the links of an environment.

    An addition with a mode gets real files instead of links, and is foreign afterwards. `leaving` lists the files of
    those `removals` that have no RECORD. Folders in `reserved` (relative to site-packages) will get files that are
    not links, so they stay real. `private` are the names of distributions that uv installs after the change.

    Additions replace files of foreign distributions at the same paths. If `foreign_files_stay`, they don't: another
    tool wrote these files after the additions were first linked. In a recovery, a killed run may have carried out any
    part of the change, so each existing link is checked. If `others_are_as_left`, no other tool has changed the
    environment since pepip did, and only the links of distributions that the change may affect are looked at.
    """

    additions: Sequence[Installation] = ()
    removals: Sequence[Installed] = ()
    leaving: without_record.Departure = without_record.NOTHING
    reserved: Collection[str] = ()
    private: Collection[str] = ()
    foreign_files_stay: bool = False
    is_recovery: bool = False
    others_are_as_left: bool = False


class PlannedChange(NamedTuple):
    """A change, with all facts about the environment that carrying it out needs.

    Distributions that the change can't affect are left out: see `_state_of_neighbours`. The environment's links
    should follow the plan `before` now; a killed run or another tool may have changed them. They follow the plan
    `after` once the change is complete. `known` has the links that are known to exist already, and the links of
    `after` whose places hold a file that stays. `entries` are the entries that will be linked, by distribution name.

    `staying_entries` are linked before and after. `with_changed_folders` are those of them for which the set of
    folders that are linked whole changes, or all of them if the links may differ from `before`. `staying_foreign` are
    the foreign distributions that stay. `whole_before` and `whole_after` are the paths at which whole folders are
    linked, by distribution name.
    """

    change: LinkChange
    tree: Tree
    before: Plan
    after: Plan
    known: dict[str, Link]
    entries: dict[str, Entry]
    staying_entries: list[Entry]
    with_changed_folders: list[Entry]
    staying_foreign: list[Installed]
    whole_before: dict[str, set[str]]
    whole_after: dict[str, set[str]]


class _Start(NamedTuple):
    """The state of an environment before a change.

    `before` is the plan of its links, with the `parts` from which it was merged. With `is_as_planned`, its links are
    known to follow that plan. `staying` are the distributions that the change keeps. `vanishing` are the paths of
    all removals, and the folders above them. `owned` are the same paths, the links, and the files of foreign
    distributions.
    """

    tree: Tree
    before: Plan
    parts: dict[str, KeptLinks]
    is_as_planned: bool
    staying: LinkState
    vanishing: set[str]
    owned: set[str]


def plan(environment: Environment, store_roots: StoreRoots, state: LinkState, change: LinkChange) -> PlannedChange:
    """Return the planned change. `state` includes the distributions to be removed.

    Raises VenvError if a file that no distribution owns is in the way of a link or script, or if two distributions
    can't be in one environment.
    """
    # If two additions have a script of the same name, the script of the later one stays.
    additions = sorted(change.additions, key=lambda item: item.entry.name)
    change = change._replace(additions=additions)
    state = _state_of_neighbours(environment, state, change)
    start = _look(environment, state, change)
    staying = start.staying.linked
    entries = {**staying, **{item.entry.name: item.entry for item in additions}}
    after, known = _plan_after(environment, store_roots, start, entries, change)
    if not change.is_recovery:
        prepared_metadata.check_scripts(
            environment, additions, start.vanishing, linked=state.linked, foreign=state.foreign
        )
    whole_before, whole_after = _whole_folders(start.before), _whole_folders(after)
    return PlannedChange(
        change=change,
        tree=start.tree,
        before=start.before,
        after=after,
        known=known,
        entries=entries,
        staying_entries=list(staying.values()),
        with_changed_folders=[
            entry
            for name, entry in staying.items()
            if not start.is_as_planned or whole_before.get(name) != whole_after.get(name)
        ],
        staying_foreign=start.staying.foreign,
        whole_before=whole_before,
        whole_after=whole_after,
    )


def _state_of_neighbours(environment: Environment, state: LinkState, change: LinkChange) -> LinkState:
    """Return the state without distributions that have no folder and no script in common with changed ones.

    So a change costs by what it changes, and not by the size of the environment. The state stays whole if links of
    others may have to be corrected, and if uv changes files in the same step.
    """
    arriving = [item.entry for item in change.additions]
    names = {*(item.name for item in change.removals), *(entry.name for entry in arriving)}
    is_by_uv = change.reserved or change.private or change.leaving != without_record.NOTHING
    if change.is_recovery or is_by_uv or not (names and change.others_are_as_left):
        return state
    near = neighbours.of(environment, names, arriving, state.linked, state.foreign)
    linked = {name: entry for name, entry in state.linked.items() if name in near}
    return LinkState(linked, [item for item in state.foreign if item.name in near])


def _look(environment: Environment, state: LinkState, change: LinkChange) -> _Start:
    tree = Tree(environment)
    parts: dict[str, KeptLinks] = {}
    before = plan_on_disk.current(environment, tree, state.linked, state.foreign, parts)
    vanishing = _vanishing(environment, change)
    files_of_foreign = {path for item in state.foreign for path in contents.files_of(environment, item)}
    return _Start(
        tree,
        before,
        parts,
        is_as_planned=not (change.is_recovery or plan_on_disk.has_drifted(tree, before)),
        staying=_staying(state, change),
        vanishing=vanishing,
        owned=vanishing | before.links.keys() | files_of_foreign,
    )


def _staying(state: LinkState, change: LinkChange) -> LinkState:
    """Return the distributions that a change neither removes nor replaces."""
    new = {item.entry.name for item in change.additions}
    gone = new | {item.name for item in change.removals if item.entry_id}
    linked = {name: entry for name, entry in state.linked.items() if name not in gone}
    return LinkState(linked, [item for item in state.foreign if item not in change.removals and item.name not in new])


def _plan_after(
    environment: Environment, store_roots: StoreRoots, start: _Start, entries: dict[str, Entry], change: LinkChange
) -> tuple[Plan, dict[str, Link]]:
    """Return the plan for `entries`, and the links that are known to exist or in whose places files stay.

    A folder that holds files of others stays real. So the plan is made again until it links no such folder whole.
    """
    new = {item.entry.name for item in change.additions}
    modes = {item.entry.name: item.mode for item in change.additions if item.mode}
    known = _links_but_of(new, start.before) if start.is_as_planned else {}
    foreign_folders = contents.foreign_directories(environment, start.staying.foreign) | set(change.reserved)
    ours = start.vanishing | start.before.links.keys()
    while True:
        after = merge(
            entries.values(),
            environment.interpreter,
            foreign_directories=foreign_folders,
            modes=modes,
            parts=start.parts,
        )
        replacing = () if change.foreign_files_stay else new
        taken = links_with_files_of(environment, start.tree, after, start.staying.foreign, replacing=replacing)
        known = {**known, **taken}
        filled = obstacles.find(
            environment,
            store_roots,
            after,
            known=known,
            real=start.before.directories if start.is_as_planned else (),
            ours=ours,
            owned=start.owned,
            is_recovery=change.is_recovery,
        )
        if not filled:
            return after, known
        foreign_folders |= filled


def links_with_files_of(
    environment: Environment,
    tree: Tree,
    plan: Plan,
    distributions: Iterable[Installed],
    *,
    replacing: Collection[str] = (),
) -> dict[str, Link]:
    """Return the links of a plan in whose places unchanged files of foreign `distributions` lie.

    Links of the distributions named in `replacing` are left out: they replace such files.
    """
    found = {}
    for item in distributions:
        for path in contents.intact_files(environment, item, plan.links.keys()):
            if plan.links[path].owner not in replacing and tree.reaches(path):
                found[path] = plan.links[path]
    return found


def _links_but_of(names: Collection[str], plan: Plan) -> dict[str, Link]:
    """Return the links of a plan, without those of the distributions in `names`, which will be linked anew."""
    return {path: link for path, link in plan.links.items() if link.owner not in names} if names else plan.links


def _vanishing(environment: Environment, change: LinkChange) -> set[str]:
    """Return the paths of all removals of a change, with RECORD or without, and the folders above them."""
    found = without_record.paths_of(environment, change.leaving)
    for distribution in change.removals:
        found.update(contents.files_of(environment, distribution))
    return found.union(*map(paths.ancestors, found))


def _whole_folders(plan: Plan) -> dict[str, set[str]]:
    """Return the paths at which a plan links whole folders, by the name of their distribution."""
    found: dict[str, set[str]] = {}
    for path, link in plan.links.items():
        if link.is_directory:
            found.setdefault(link.owner, set()).add(path)
    return found
