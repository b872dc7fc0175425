"""Brings an environment from one plan to another. Only the links that differ are changed.

Idempotent: a link that is already right is kept, so that a killed run can be repeated.
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
    provenance,
    removal,
    set_aside,
    without_record,
)
from pepip.environment.placement import MODES, Placer, placer_for
from pepip.environment.tree import Tree
from pepip.errors import ObstructedError
from pepip.host import filesystems, links, parallel
from pepip.plan.merge import merge
from pepip.wheel import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from pepip.environment.metadata import Installation
    from pepip.model import Entry, Environment, Installed, Link, Plan, StoreRoots


_AS_FILES = MODES[0]  # with any mode, a plan lists each file
_SCRIPTS = "scripts"  # scripts are built in this subfolder of the scratch folder
# From these numbers on, a second process saves more time than its start takes.
_MANY_DISTRIBUTIONS = 40
_MANY_LINKS = 400


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
    before = _plan_on_disk(environment, tree, linked, foreign)
    is_as_before = not (is_recovery or _has_drifted(tree, before))
    known = _links_but_of(new, before) if is_as_before else {}
    real = before.directories if is_as_before else ()
    vanishing = _vanishing(environment, removals, without_record.paths_of(environment, leaving))
    ours = vanishing | before.links.keys()
    owned = ours | {path for item in foreign for path in contents.files_of(environment, item)}
    directories = contents.foreign_directories(environment, staying) | set(reserved)
    modes = {item.entry.name: item.mode for item in additions if item.mode}
    while True:
        plan = merge(after.values(), environment.interpreter, foreign_directories=directories, modes=modes)
        known = {**known, **_taken(environment, tree, plan, staying, () if gives_way else new)}
        found = obstacles.find(
            environment, store_roots, plan, known=known, real=real, ours=ours, owned=owned, is_recovery=is_recovery
        )
        if not found:
            break
        directories |= found

    if not is_recovery:
        _check_scripts(environment, additions, vanishing, linked=linked, foreign=foreign)

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
        _prepare_metadata(environment, plan, additions, placer)
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
    _place_metadata(environment, additions, placer)
    for entry in refolded:
        metadata.rewrite_leading_rows(environment, entry, has.get(entry.name, set()))
    _restore_scripts(environment, staying_entries, removed, placer, is_recovery=is_recovery)
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


def is_as_planned(environment: Environment, linked: dict[str, Entry], foreign: list[Installed]) -> bool:
    """Tell whether all links that the `linked` entries need exist and lead into these entries.

    A link may lead there by any path of the store.
    """
    plan = _plan_on_disk(environment, Tree(environment), linked, foreign)
    placer = placer_for(environment, linked.values())
    places = (
        (f"{environment.root}/{path}", link.target)
        for path, link in plan.links.items()
        if not path.endswith("/" + paths.PYCACHE)
    )
    return all(links.leads_to(place, target) or placer.is_placed(place, target) for place, target in places)


def has_files_of(environment: Environment, entry: Entry) -> bool:
    """Tell whether an environment has every file of an entry, as hard links or copies."""
    plan = merge([entry], environment.interpreter, modes={entry.name: _AS_FILES})
    own = record.made_by_installer(entry.dist_info)
    base = environment.interpreter.site_packages + "/"
    return all(
        links.stands_for(f"{environment.root}/{path}", link.target)
        for path, link in plan.links.items()
        if path.removeprefix(base) not in own
    )


def _plan_on_disk(
    environment: Environment, tree: Tree, linked: dict[str, Entry], foreign: Iterable[Installed]
) -> Plan:
    """Return the plan that matches how an environment links the `linked` entries now.

    A folder is real if the RECORD of a `foreign` distribution lists files in it. But if such a folder is a link on
    disk, another tool has written through that link, and the folder counts as linked whole.
    """
    folders = contents.foreign_directories(environment, foreign)
    real = tree.real_folders(folders, environment.interpreter.site_packages)
    return merge(linked.values(), environment.interpreter, foreign_directories=real)


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

    half = len(wanted) * 11 // 20 if len(wanted) >= _MANY_LINKS else len(wanted)  # the second process begins later
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


def _check_scripts(
    environment: Environment,
    additions: list[Installation],
    vanishing: set[str],
    *,
    linked: dict[str, Entry],
    foreign: list[Installed],
) -> None:
    """Raise ObstructedError if a script would replace a file that no distribution owns."""
    scripts = environment.interpreter.scripts
    owned: set[str] | None = None
    for installation in additions:
        for name in metadata.script_names(environment, installation.entry):
            path = f"{scripts}/{name}"
            if path in vanishing or not os.path.lexists(f"{environment.root}/{path}"):
                continue
            if owned is None:
                owned = {path for distribution in foreign for path in contents.files_of(environment, distribution)}
                owned |= {
                    f"{scripts}/{name}"
                    for entry in linked.values()
                    for name in metadata.script_names(environment, entry)
                }
            if path not in owned:
                raise ObstructedError(installation.entry.name, f"{environment.root}/{path}")


def _prepare_metadata(environment: Environment, plan: Plan, additions: list[Installation], placer: Placer) -> None:
    """Write the scripts and `.dist-info` folders of additions into the scratch folder.

    So a full disk is noticed before the environment changes. Two processes share the work for many additions.
    """
    scratch = paths.scratch(environment.root)
    folders = _folders(plan)
    os.mkdir(f"{scratch}/{_SCRIPTS}")

    def build(installations: Iterable[Installation]) -> None:
        for installation in installations:
            entry = installation.entry
            rows = []
            if metadata.script_names(environment, entry):
                rows = metadata.build_scripts(environment, entry, f"{scratch}/{_SCRIPTS}", placer, installation.mode)
            folder = f"{scratch}/{entry.dist_info}"
            whole = folders.get(entry.name, ())
            metadata.build_folder(environment, installation, placer, folder, folders=whole, script_rows=rows)

    here, there = _halves(environment, additions) if len(additions) >= _MANY_DISTRIBUTIONS else (additions, [])
    parallel.in_two(build, here, there)


def _halves(environment: Environment, additions: list[Installation]) -> tuple[list[Installation], list[Installation]]:
    """Split additions into two lists of about equal work.

    Additions that have a script of the same name are all in the first list, in order.
    """
    scripts = [metadata.script_names(environment, item.entry) for item in additions]
    names = [name for some in scripts for name in some]
    contested = {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else set()
    here: list[Installation] = []
    there: list[Installation] = []
    ahead = 0  # the work by which the first list exceeds the second
    for item, its_scripts in zip(additions, scripts, strict=True):
        is_here = ahead <= 0 or its_scripts & contested
        (here if is_here else there).append(item)
        work = _work(item.entry, len(its_scripts))
        ahead += work if is_here else -work
    return here, there


def _work(entry: Entry, script_count: int) -> int:
    """Estimate the work of building an entry's metadata; the unit is the work of making one link.

    Entries with scripts or `.data` files take more, because their RECORD is written anew.
    """
    if not script_count and not entry.data:
        return 10
    return 24 + 3 * script_count + os.stat(f"{entry.path}/{entry.dist_info}/RECORD").st_size // 6_000


def _place_metadata(environment: Environment, additions: list[Installation], placer: Placer) -> None:
    """Move the prepared scripts and metadata into place. Each `.dist-info` appears whole and after all its files."""
    scratch = paths.scratch(environment.root)
    made = {item.entry.dist_info: item for item in additions if item.mode}
    sources = {
        name: provenance.Source(item.entry.id, placer.used(item.mode), provenance.digest(f"{scratch}/{name}"))
        for name, item in made.items()
    }
    provenance.add(environment.root, sources)
    for name in os.listdir(f"{scratch}/{_SCRIPTS}"):
        set_aside.put(environment.root, f"{environment.interpreter.scripts}/{name}")  # another tool may have made it
    metadata.place_scripts(environment, f"{scratch}/{_SCRIPTS}")
    for installation in additions:
        folder = f"{scratch}/{installation.entry.dist_info}"
        place = f"{environment.site_packages}/{installation.entry.dist_info}"
        try:
            os.rename(folder, place)
        except OSError:  # a folder is there already
            filesystems.remove_tree(place)
            os.rename(folder, place)


def _restore_scripts(
    environment: Environment, staying: list[Entry], removed: set[str], placer: Placer, *, is_recovery: bool
) -> None:
    """Write again the scripts of staying entries that a removed distribution had replaced."""
    scripts = environment.interpreter.scripts + "/"
    lost = {path.removeprefix(scripts) for path in removed if path.startswith(scripts)}
    if is_recovery:  # the killed run may have removed other scripts
        names = {name for entry in staying for name in metadata.script_names(environment, entry)}
        lost |= {name for name in names if not os.path.lexists(f"{environment.root}/{scripts}{name}")}
    for entry in staying:
        if lost & metadata.script_names(environment, entry):
            folder = f"{paths.scratch(environment.root)}/{_SCRIPTS}"
            os.mkdir(folder)
            metadata.build_scripts(environment, entry, folder, placer)
            metadata.place_scripts(environment, folder, only=lost)


def _has_drifted(tree: Tree, before: Plan) -> bool:
    """Tell whether another tool has changed folders of the plan.

    A linked folder is then no link any more, or a real folder is gone or has become a link.
    """
    return any(
        link.is_directory and not links.read_link(f"{tree.root}/{path}") for path, link in before.links.items()
    ) or not all(map(tree.has_folder, before.directories))


def _folders(plan: Plan) -> dict[str, set[str]]:
    """Return the paths at which a plan links whole folders, by the name of their distribution."""
    found: dict[str, set[str]] = {}
    for path, link in plan.links.items():
        if link.is_directory:
            found.setdefault(link.owner, set()).add(path)
    return found
