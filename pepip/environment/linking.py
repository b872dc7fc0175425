"""Brings an environment from one plan to another. Only the links that differ are changed.

Idempotent: a link that is already right is kept, so that a killed run can be repeated. On a network file system it
is made anew.
"""

from __future__ import annotations

import os

from pepip import paths
from pepip.environment import (
    access,
    contents,
    journal,
    metadata,
    obstacles,
    plan_on_disk,
    prepared_metadata,
    provenance,
    removal,
    set_aside,
    without_record,
)
from pepip.environment.placement import Placer, placer_for
from pepip.environment.tree import Tree
from pepip.host import filesystems, links
from pepip.plan.merge import merge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from pepip.environment.metadata import Installation
    from pepip.model import Entry, Environment, Installed, Link, Plan, StoreRoots
    from pepip.plan.merge import Part


_MANY_LINKS = 400  # from this number on, a second process saves more time than its start takes


def change(
    environment: Environment,
    store_roots: StoreRoots,
    *,
    linked: dict[str, Entry],
    additions: list[Installation],
    removals: list[Installed],
    foreign: list[Installed],
    reserved: Collection[str] = (),
    leaving: without_record.Departure = without_record.NOTHING,
    private: Collection[str] = (),
    gives_way: bool = False,
    is_recovery: bool = False,
) -> Plan:
    """Add and remove linked distributions. The caller holds the environment's lock. Returns the new plan.

    An addition with a mode gets real files in the environment instead of links. Afterwards it is foreign.

    `linked` are the entries that the environment links now, by distribution name. `foreign` are the distributions
    that have their own files. Both include the distributions in `removals`. Folders in `reserved` (relative to
    site-packages) will get files that are not links, so they stay real. `leaving` lists the files of removals without
    a RECORD. If uv will install `private` distributions afterwards, the journal is kept. Additions replace files of
    foreign distributions at the same paths. With `gives_way` these files stay, because another tool wrote them after
    the additions. With `is_recovery` each existing link is checked.

    Raises VenvError, before anything is changed, if a file that no distribution owns is in the way, or if this user
    may not make the change. Any other error leaves the journal behind if something was changed.
    """
    additions = sorted(additions, key=lambda item: item.entry.name)  # for equal script names, the last entry wins
    gone = {distribution.name for distribution in removals if distribution.entry_id}
    new = {added.entry.name for added in additions}
    kept = {name: entry for name, entry in linked.items() if name not in gone}
    after = {**kept, **{added.entry.name: added.entry for added in additions}}
    staying = [item for item in foreign if item not in removals and item.name not in new]
    tree = Tree(environment)
    parts: dict[str, Part] = {}
    before = plan_on_disk.current(environment, tree, linked, foreign, parts)
    is_as_before = not (is_recovery or plan_on_disk.has_drifted(tree, before))
    known = _links_but_of(new, before) if is_as_before else {}
    real = before.directories if is_as_before else ()
    vanishing = _vanishing(environment, removals, without_record.paths_of(environment, leaving))
    ours = vanishing | before.links.keys()
    owned = ours | {path for item in foreign for path in contents.files_of(environment, item)}
    directories = contents.foreign_directories(environment, staying) | set(reserved)
    modes = {item.entry.name: item.mode for item in additions if item.mode}
    while True:
        plan = merge(
            after.values(), environment.interpreter, foreign_directories=directories, modes=modes, parts=parts
        )
        known = {**known, **_taken(environment, tree, plan, staying, () if gives_way else new)}
        found = obstacles.find(
            environment, store_roots, plan, known=known, real=real, ours=ours, owned=owned, is_recovery=is_recovery
        )
        if not found:
            break
        directories |= found

    if not is_recovery:
        prepared_metadata.check_scripts(environment, additions, vanishing, linked=linked, foreign=foreign)

    staying_entries = [entry for name, entry in kept.items() if name not in new]
    had, has = _folders(before), _folders(plan)
    refolded = [entry for entry in staying_entries if not is_as_before or had.get(entry.name) != has.get(entry.name)]
    check = access.PermissionCheck(environment)
    _check_links(check, environment, before, plan, known, is_recovery=is_recovery)
    access.check_metadata(check, environment, additions, refolded)
    access.check_removals(check, environment, removals, leaving)
    check.makes_in(f"{environment.interpreter.site_packages}/{folder}" for folder in reserved)

    placer = placer_for(environment, after.values())
    makes_room = bool(removals) and not (additions or private or leaving.metadata or is_recovery)
    removed: set[str] = set()
    try:
        _begin(environment, additions, removals, private)
    except OSError as error:
        if error.errno not in filesystems.FULL or not makes_room:
            raise
        removed = _discard(environment, removals, staying)
        tree = Tree(environment)  # folders are gone
        _begin(environment, additions, removals, private)
    try:
        prepared_metadata.prepare(environment, additions, placer, folders=has)
    except OSError:
        if not is_recovery:
            journal.finish(environment.root)  # nothing was changed: perhaps the disk is full
        raise
    taken = _taken(environment, tree, before, staying)
    without = without_record.remove(environment, leaving)
    if without:
        removed |= without
        tree = Tree(environment)  # folders are gone
    for entry in refolded:
        # Before any link is made: a tool that removes `entry` now must remove its links, never their targets.
        metadata.rewrite_leading_rows(environment, entry, had.get(entry.name, set()) | has.get(entry.name, set()))
    try:
        for distribution in removals:
            if not without_record.lacks_record(distribution):
                spared = taken.keys() if gives_way else _files_of_twins(environment, distribution, staying)
                removed |= removal.remove(environment, tree, distribution, spared)
    except OSError as error:
        if error.errno not in filesystems.FULL or not makes_room:
            raise
        removed |= _discard(environment, removals, staying)
        tree = Tree(environment)  # folders are gone
    _remove_stale(environment, tree, store_roots, before, plan, taken=taken)
    new_metadata = {item.entry.dist_info for item in additions}
    _make_links(environment, tree, plan, after, placer, known=known, removed=removed, new_metadata=new_metadata)
    prepared_metadata.place(environment, additions, placer)
    for entry in refolded:
        metadata.rewrite_leading_rows(environment, entry, has.get(entry.name, set()))
    prepared_metadata.restore_scripts(environment, staying_entries, removed, placer, is_recovery=is_recovery)
    provenance.tidy(environment.root, environment.site_packages)
    if not private:
        journal.finish(environment.root)
    return plan


def _links_but_of(names: Collection[str], plan: Plan) -> dict[str, Link]:
    """Return the links of a plan, without links of the distributions in `names`, which will be linked anew."""
    return {path: link for path, link in plan.links.items() if link.owner not in names} if names else plan.links


def _taken(
    environment: Environment, tree: Tree, plan: Plan, staying: Iterable[Installed], names: Collection[str] = ()
) -> dict[str, Link]:
    """Return the links of a plan whose places hold files of `staying` distributions.

    These files stay. But links of the distributions in `names`, which will be linked now, are left out: the
    distribution that is installed last wins.
    """
    found = {}
    for item in staying:
        for path in contents.intact_files(environment, item, plan.links.keys()):
            if plan.links[path].owner not in names and tree.reaches(path):
                found[path] = plan.links[path]
    return found


def _files_of_twins(environment: Environment, gone: Installed, staying: Iterable[Installed]) -> set[str]:
    """Return the files of `staying` distributions that another tool installed over `gone`, under the same name."""
    twins = (item for item in staying if item.name == gone.name)
    return {path for item in twins for path in contents.files_of(environment, item)}


def _discard(environment: Environment, removals: Iterable[Installed], staying: list[Installed]) -> set[str]:
    """Remove distributions without setting anything aside, to make room on a full disk.

    Returns the removed paths, relative to the environment.
    """
    removed: set[str] = set()
    for distribution in removals:
        removed |= removal.discard(environment, distribution, _files_of_twins(environment, distribution, staying))
    return removed


def _begin(
    environment: Environment, additions: list[Installation], removals: list[Installed], private: Collection[str]
) -> None:
    rows = tuple(journal.Addition(added.entry.id, *added[1:]) for added in additions)
    gone = tuple(sorted(item.dist_info for item in removals))
    journal.begin(environment.root, journal.Journal(rows, gone, tuple(sorted(private))))


def _check_links(
    check: access.PermissionCheck,
    environment: Environment,
    before: Plan,
    plan: Plan,
    known: dict[str, Link],
    *,
    is_recovery: bool,
) -> None:
    """Raise VenvError if this user may not make or remove a link that differs between two plans."""
    new = [path for path, link in plan.links.items() if known.get(path) != link]
    if is_recovery:  # most links exist already
        new = [path for path in new if not links.is_link_to(f"{environment.root}/{path}", plan.links[path].target)]
    check.makes(new)
    check.removes(path for path, link in before.links.items() if plan.links.get(path) != link)


def _vanishing(environment: Environment, removals: Iterable[Installed], others: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for path in others:
        found.add(path)
        found.update(paths.ancestors(path))
    for distribution in removals:
        files = contents.files_of(environment, distribution)
        found.update(files)
        for path in files:
            found.update(paths.ancestors(path))
    return found


def _remove_stale(
    environment: Environment,
    tree: Tree,
    store_roots: StoreRoots,
    before: Plan,
    plan: Plan,
    *,
    taken: Collection[str],
) -> None:
    """Remove the links that the new plan does not have, except `taken` ones, and folders that become empty."""
    for path, link in before.links.items():
        if plan.links.get(path) == link or path in taken or not tree.reaches(path):
            continue
        place = f"{environment.root}/{path}"
        if links.stands_for(place, link.target) or contents.linked_entry(place, store_roots):
            tree.unlink(path)
    removal.prune_folders(environment, tree, before.directories - plan.directories)


def _make_links(
    environment: Environment,
    tree: Tree,
    plan: Plan,
    entries: dict[str, Entry],
    placer: Placer,
    *,
    known: dict[str, Link],
    removed: set[str],
    new_metadata: set[str],
) -> None:
    base = environment.interpreter.site_packages + "/"
    prepared = {f"{base}{folder}/" for folder in new_metadata}
    os.makedirs(environment.site_packages, exist_ok=True)  # pip removes this folder with the last distribution

    def is_prepared(path: str) -> bool:
        return path[: path.find("/", len(base)) + 1] in prepared

    for folder in sorted(plan.directories):
        if not is_prepared(f"{folder}/"):
            tree.make_folder(folder)
    wanted = [
        (path, link)
        for path, link in plan.links.items()
        if not ((known.get(path) == link and path not in removed) or is_prepared(path))
    ]

    def make(some: Iterable[tuple[str, Link]]) -> None:
        for path, link in some:
            entry, place = entries[link.owner], f"{environment.root}/{path}"
            inside = link.target[len(entry.path) + 1 :]
            try:
                placer.place(entry, inside, place, is_directory=link.is_directory, mode=link.mode)
            except FileExistsError:
                if link.mode or not placer.is_placed(place, link.target):  # a real file is always made anew
                    _clear(environment.root, path)
                    placer.place(entry, inside, place, is_directory=link.is_directory, mode=link.mode)

    if filesystems.is_remote(environment.root):
        from pepip.host import parallel

        occupied = []

        def try_one(item: tuple[str, Link]) -> None:
            path, link = item
            inside = link.target[len(entries[link.owner].path) + 1 :]
            place = f"{environment.root}/{path}"
            try:
                placer.place(entries[link.owner], inside, place, is_directory=link.is_directory, mode=link.mode)
            except FileExistsError:
                occupied.append(item)

        parallel.in_threads(try_one, wanted)
        for path, link in occupied:
            # The system may remember a link for a second after another machine has removed it: then it refuses the
            # new link without asking that machine. A removal asks, and makes the system forget the name.
            if not link.mode and placer.is_placed(f"{environment.root}/{path}", link.target):
                links.unlink(f"{environment.root}/{path}")
        make(occupied)
        return
    if len(wanted) < _MANY_LINKS:
        make(wanted)
        return
    from pepip.host import parallel

    half = len(wanted) * 11 // 20  # the second process begins later
    parallel.in_two(make, wanted[:half], wanted[half:])


def _clear(root: str, path: str) -> None:
    """Make room for a link. `obstacles.find` has checked that the file, folder or link at `path` may be removed."""
    place = f"{root}/{path}"
    if links.read_link(place):
        links.unlink(place)
    elif path.endswith("/" + paths.PYCACHE):
        filesystems.remove_tree(place)
    else:
        set_aside.put(root, path)


def _folders(plan: Plan) -> dict[str, set[str]]:
    """Return the paths at which a plan links whole folders, by the name of their distribution."""
    found: dict[str, set[str]] = {}
    for path, link in plan.links.items():
        if link.is_directory:
            found.setdefault(link.owner, set()).add(path)
    return found
