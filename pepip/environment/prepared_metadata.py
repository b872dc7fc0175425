"""Scripts and `.dist-info` folders of added distributions.

Both are prepared in the environment's scratch folder, so that a full disk shows before the environment changes. Each
`.dist-info` folder then appears as a whole, after all files of its distribution.
"""

from __future__ import annotations

import os

from pepip import paths
from pepip.environment import contents, metadata, provenance, set_aside
from pepip.errors import ObstructedError
from pepip.host import filesystems

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pepip.environment.metadata import Installation
    from pepip.environment.placement import Placer
    from pepip.model import Entry, Environment, Installed


_SCRIPTS = "scripts"  # scripts are built in this subfolder of the scratch folder
_MANY_DISTRIBUTIONS = 40  # from this number on, a second process saves more time than its start takes


def check_scripts(
    environment: Environment,
    additions: Sequence[Installation],
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


def prepare(
    environment: Environment, additions: Sequence[Installation], placer: Placer, *, folders: Mapping[str, set[str]]
) -> None:
    """Write the scripts and `.dist-info` folders of additions into the scratch folder.

    `folders` are the paths at which whole folders are linked, by the name of their distribution. Two processes share
    the work for many additions; on a network file system several threads.
    """
    scratch = paths.scratch(environment.root)
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

    if filesystems.is_remote(environment.root):
        from pepip.host import parallel

        contested = _contested(environment, additions)
        build(item for item in additions if metadata.script_names(environment, item.entry) & contested)
        rest = [item for item in additions if not metadata.script_names(environment, item.entry) & contested]
        parallel.in_threads(lambda item: build([item]), rest)
        return
    if len(additions) < _MANY_DISTRIBUTIONS:
        build(additions)
        return
    from pepip.host import parallel

    parallel.in_two(build, *_halves(environment, additions))


def _halves(
    environment: Environment, additions: Sequence[Installation]
) -> tuple[list[Installation], list[Installation]]:
    """Split additions into two lists of about equal work.

    Additions that have a script of the same name are all in the first list, in order.
    """
    scripts = [metadata.script_names(environment, item.entry) for item in additions]
    contested = _contested(environment, additions)
    here: list[Installation] = []
    there: list[Installation] = []
    ahead = 0  # the work by which the first list exceeds the second
    for item, its_scripts in zip(additions, scripts, strict=True):
        is_here = ahead <= 0 or its_scripts & contested
        (here if is_here else there).append(item)
        work = _work(item.entry, len(its_scripts))
        ahead += work if is_here else -work
    return here, there


def _contested(environment: Environment, additions: Iterable[Installation]) -> set[str]:
    """Return the names of scripts that several additions have."""
    names = [name for item in additions for name in metadata.script_names(environment, item.entry)]
    return {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else set()


def _work(entry: Entry, script_count: int) -> int:
    """Estimate the work of building an entry's metadata; the unit is the work of making one link.

    Entries with scripts or `.data` files take more, because their RECORD is written anew.
    """
    if not script_count and not entry.data:
        return 10
    return 24 + 3 * script_count + os.stat(f"{entry.path}/{entry.dist_info}/RECORD").st_size // 6_000


def place(environment: Environment, additions: Sequence[Installation], placer: Placer) -> None:
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

    def appear(installation: Installation) -> None:
        folder = f"{scratch}/{installation.entry.dist_info}"
        place = f"{environment.site_packages}/{installation.entry.dist_info}"
        try:
            os.rename(folder, place)
        except OSError:  # a folder is there already
            filesystems.remove_tree(place)
            os.rename(folder, place)

    if filesystems.is_remote(environment.root):
        from pepip.host import parallel

        parallel.in_threads(appear, additions)
        return
    for installation in additions:
        appear(installation)


def restore_scripts(
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
