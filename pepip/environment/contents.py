"""What an environment holds, read from its metadata and links and from nothing else."""

from __future__ import annotations

import contextlib
import os

from pepip import names, paths
from pepip.environment import provenance
from pepip.errors import VenvError
from pepip.host import files, links
from pepip.model import Installed
from pepip.wheel import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from pepip.model import Environment

_NO_SOURCES: Mapping[str, provenance.Source] = {}


def installed(environment: Environment, store_roots: tuple[str, ...]) -> list[Installed]:
    """Return the distributions of an environment, by name. `store_roots` are the spellings of the store's root.

    A distribution is linked if its METADATA is a link into the store; the link names the entry. Where the
    environment has files of its own, it notes which entry they were made from.
    """
    return installed_in(environment.site_packages, store_roots, provenance.read(environment.root))


def installed_in(
    site_packages: str, store_roots: tuple[str, ...], sources: Mapping[str, provenance.Source] = _NO_SOURCES
) -> list[Installed]:
    """Return the distributions in a folder, by name: see `installed`. Raises OSError if it can't be read.

    `sources` are what the environment notes.
    """
    found, legacy = [], []
    try:
        children = list(os.scandir(site_packages))
    except FileNotFoundError:
        return []
    for child in children:
        if child.name.endswith(".dist-info"):
            item = distribution_of(child.name, linked_entry(f"{child.path}/METADATA", store_roots))
            source = sources.get(child.name)
            if source and not item.entry_id and provenance.is_of(source, child.path):
                item = item._replace(source_id=source.entry_id, mode=source.mode)
            found.append(item)
        elif child.name.endswith((".egg-info", ".egg-link")):
            name, _, version = child.name.rpartition(".")[0].partition("-")
            legacy.append(Installed(names.normalize_name(name), version, child.name, ""))
    if legacy:  # a wheel may hold one: then it is a part of its distribution, and none of its own
        listed = {row.path.partition("/")[0] for item in found for row in _rows(site_packages, item)}
        found += [item for item in legacy if item.dist_info not in listed]
    return sorted(found)


def distribution_of(dist_info: str, entry_id: str) -> Installed:
    """Return the distribution that has this `.dist-info` folder. `entry_id` is empty if it isn't linked."""
    name, _, version = dist_info.removesuffix(".dist-info").partition("-")
    return Installed(names.normalize_name(name), version, dist_info, entry_id)


def linked_entry(path: str, store_roots: tuple[str, ...]) -> str:
    """Return the entry that the link at `path` leads into, empty if it is no link into the store.

    A store may be reached by several spellings of its path, so a link is also followed to where it really leads.
    It may be mounted at a second place, or have been moved since the link was made.
    """
    target = links.read_link(path)
    if not target:
        return ""
    return (
        paths.entry_of_link(target, store_roots)
        or paths.entry_of_link(os.path.realpath(target), store_roots)
        or _entry_elsewhere(target, store_roots[0])
    )


def _entry_elsewhere(target: str, store_root: str) -> str:
    """Return the entry that a link leads into by another path of the store: one that it has too, or had once.

    Where nothing is at the other path any more, an entry of the same name must be here.
    """
    at = target.find(_PACKAGES)
    while at >= 0:
        entry_id = paths.entry_of_link(target, (target[:at],))
        try:
            if entry_id and os.path.samefile(paths.packages(target[:at]), paths.packages(store_root)):
                return entry_id
        except OSError:
            if os.path.isdir(f"{paths.packages(store_root)}/{entry_id}"):
                return entry_id
        at = target.find(_PACKAGES, at + 1)
    return ""


_PACKAGES = paths.packages("") + "/"
"""What stands between a store's folder and an entry in a link's target."""


def leads_nowhere(environment: Environment, distribution: Installed) -> bool:
    """Tell whether a distribution's links dangle: its entry is gone, or the store is not where it was."""
    return not os.path.exists(f"{environment.site_packages}/{distribution.dist_info}/METADATA")


def distributions_below(root: str, store_roots: tuple[str, ...]) -> list[Installed]:
    """Return the distributions of the environment at `root`, without asking its interpreter. Raises OSError."""
    sources = provenance.read(root)
    return [item for folder in site_packages_of(root) for item in installed_in(folder, store_roots, sources)]


def entries_linked(root: str, store_roots: tuple[str, ...]) -> tuple[set[str], list[list[object]]]:
    """Return every entry that any link below an environment's root leads into, whatever its metadata says.

    And the folders that were looked at, relative to the root, with their modification times; a `.dist-info` folder
    is only ever replaced as a whole, and left out. Raises OSError if a folder can't be read: then nobody knows.
    """
    found: set[str] = set()
    times: list[list[object]] = []
    pending = [root]
    while pending:
        folder = pending.pop()
        if not folder.endswith(".dist-info"):
            times.append([folder[len(root) + 1 :], os.lstat(folder).st_mtime_ns])
        with os.scandir(folder) as children:
            for child in children:
                if links.is_link(child):
                    found.add(linked_entry(child.path, store_roots))
                elif child.is_dir(follow_symlinks=False):
                    pending.append(child.path)
    return found - {""}, times


def site_packages_of(root: str) -> list[str]:
    """Return the folders of distributions below an environment's root, without asking its interpreter.

    Raises OSError if one can't be looked into.
    """
    if os.path.isdir(f"{root}/Lib/site-packages"):
        return [f"{root}/Lib/site-packages"]
    try:
        names = sorted(os.listdir(f"{root}/lib"))
    except FileNotFoundError:
        return []
    found = []
    for name in names:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.stat(f"{root}/lib/{name}/site-packages")
            found.append(f"{root}/lib/{name}/site-packages")
    return found


def bytecode_targets(environment: Environment) -> list[str]:
    """Return the folders that `compileall` must be given: it enters no linked folder by itself."""
    found = [environment.site_packages]
    for folder, folders, _ in os.walk(environment.site_packages):
        linked = [name for name in folders if links.read_link(f"{folder}/{name}")]
        found += [f"{folder}/{name}" for name in linked if name != paths.PYCACHE]
    return found


def fingerprint(environment: Environment) -> tuple[int, frozenset[str]]:
    """Return a value that changes whenever a distribution is added to an environment or removed from it."""
    site_packages = environment.site_packages
    try:
        return os.stat(site_packages).st_mtime_ns, frozenset(os.listdir(site_packages))
    except FileNotFoundError:
        return 0, frozenset()


def direct_url(environment: Environment, distribution: Installed) -> dict[str, object] | None:
    """Return what `direct_url.json` says of where a distribution came from (PEP 610), None if it came by index."""
    try:
        path = f"{environment.site_packages}/{distribution.dist_info}/direct_url.json"
        origin = files.load_json(files.read_regular(path, follows=True))
    except (OSError, ValueError):
        return None
    return origin if isinstance(origin, dict) else None


def cache_info(environment: Environment, distribution: Installed) -> str:
    """Return what uv noted of the file that a distribution came from, empty if nothing."""
    try:
        path = f"{environment.site_packages}/{distribution.dist_info}/uv_cache.json"
        return files.read_regular(path, follows=True).decode()
    except (OSError, ValueError):
        return ""


def hashes_of(environment: Environment, distribution: Installed) -> dict[str, str]:
    """Return the hashes that a distribution's RECORD lists, by path, but for what the environment itself wrote.

    Scripts are left out: their first line is the environment's.
    """
    own = record.own_metadata(distribution.dist_info)
    rows = _rows(environment.site_packages, distribution)
    return {
        row.path: row.hash_value for row in rows if row.hash_value and row.path not in own and ".." not in row.path
    }


def changed_files(environment: Environment, distribution: Installed) -> list[str]:
    """Return the paths of a distribution's files that do not have the hash which RECORD lists, or are gone."""
    base = environment.site_packages
    rows = _rows(base, distribution)
    return [row.path for row in rows if row.hash_value and not record.matches(row, f"{base}/{row.path}")]


def files_of(environment: Environment, distribution: Installed) -> list[str]:
    """Return the paths of a distribution's RECORD, relative to the environment's root.

    Rows that leave the environment are left out, as uv does. Without a RECORD there are none.
    """
    rows = _rows(environment.site_packages, distribution)
    base = environment.interpreter.site_packages
    normalized = (os.path.normpath(f"{base}/{row.path}").replace(os.sep, "/") for row in rows)
    return [path for path in normalized if paths.is_inside(path)]


def intact_files(environment: Environment, distribution: Installed, among: Collection[str]) -> list[str]:
    """Return those of a distribution's files that are `among` these paths, and are as its RECORD says.

    Paths are relative to the environment.
    """
    site_packages, base = environment.site_packages, environment.interpreter.site_packages
    return [
        path
        for path, row in ((f"{base}/{row.path}", row) for row in _rows(site_packages, distribution))
        if path in among and row.hash_value and record.matches(row, f"{site_packages}/{row.path}")
    ]


def check_record(environment: Environment, distribution: Installed) -> None:
    """Raise VenvError if a distribution has a RECORD that can't be read: nobody knows what belongs to it."""
    path = f"{environment.site_packages}/{distribution.dist_info}/RECORD"
    try:
        record.read(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise VenvError(f"cannot remove {distribution.name}: {path}: {error.strerror}") from error


def holders(site_packages: str, folder: str, store_roots: tuple[str, ...]) -> list[str]:
    """Return the names of distributions in `site_packages` whose RECORD lists files below its folder `folder`."""
    inside = folder + "/"
    found = installed_in(site_packages, store_roots)
    return [item.name for item in found if any(row.path.startswith(inside) for row in _rows(site_packages, item))]


def _rows(site_packages: str, distribution: Installed) -> list[record.Row]:
    try:
        return record.read(f"{site_packages}/{distribution.dist_info}/RECORD")
    except OSError:
        return []


def foreign_directories(environment: Environment, distributions: Iterable[Installed]) -> set[str]:
    """Return the folders below site-packages in which distributions have files of their own, with all ancestors."""
    base = environment.interpreter.site_packages + "/"
    found: set[str] = set()
    for distribution in distributions:
        for path in files_of(environment, distribution):
            if path.startswith(base):
                found.update(paths.ancestors(path[len(base) :]))
    return found
