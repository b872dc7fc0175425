"""Reads the contents of an environment from its files: its metadata, its links and its note of sources."""

from __future__ import annotations

import contextlib
import os
import stat

from pepip import names, paths
from pepip.environment import provenance
from pepip.errors import VenvError
from pepip.host import files, links
from pepip.model import Installed
from pepip.wheel import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from pepip.model import Environment, StoreRoots

_NO_SOURCES: Mapping[str, provenance.Source] = {}


def installed(environment: Environment, store_roots: StoreRoots) -> list[Installed]:
    """Return the distributions of an environment, sorted by name.

    `store_roots` are all spellings of the roots of the store and its layers. A distribution is linked if its METADATA
    is a link into one of these; the link names the entry. If a distribution has its own files and pepip made them
    from an entry, the environment's note names that entry.
    """
    return installed_in(environment.site_packages, store_roots, provenance.read(environment.root))


def installed_in(
    site_packages: str, store_roots: StoreRoots, sources: Mapping[str, provenance.Source] = _NO_SOURCES
) -> list[Installed]:
    """Return the distributions in a folder, sorted by name. See `installed`.

    `sources` comes from the environment's note. If the folder does not exist, the list is empty. Raises OSError if it
    can't be read.
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
            if source and not item.entry_id and provenance.has_noted_record(source, child.path):
                item = item._replace(source_id=source.entry_id, mode=source.mode)
            found.append(item)
        elif child.name.endswith((".egg-info", ".egg-link")):
            legacy.append(_of_egg(child.name))
    if legacy:  # an egg's metadata may be part of a wheel: then it is no distribution by itself
        listed = {row.path.partition("/")[0] for item in found for row in _rows(site_packages, item)}
        found += [item for item in legacy if item.dist_info not in listed]
    return sorted(found)


def distribution_of(dist_info: str, entry_id: str) -> Installed:
    """Return the distribution that the `.dist-info` folder names. `entry_id` is empty if it isn't linked."""
    name, _, version = dist_info.removesuffix(".dist-info").partition("-")
    return Installed(names.normalize_name(name), version, dist_info, entry_id)


def _of_egg(file_name: str) -> Installed:
    """Return the distribution that `NAME-VERSION[-pyX.Y].egg-info` or `NAME.egg-link` (no version) names."""
    stem, _, kind = file_name.rpartition(".")
    name, _, rest = (stem, "", "") if kind == "egg-link" else stem.partition("-")
    return Installed(names.normalize_name(name), rest.partition("-")[0], file_name, "")


def linked_entry(path: str, store_roots: StoreRoots) -> str:
    """Return the id of the entry that the link at `path` leads into, or an empty string if `path` is no such link.

    A store may have several paths: other spellings, a second mount point, or a place from which it was moved. So
    three ways are tried in turn: the target as it is written, its real path, and other paths of the store.
    """
    target = links.read_link(path)
    if not target:
        return ""
    target = os.path.join(os.path.dirname(path), target)
    return (
        _entry_of(target, store_roots)
        or _entry_of(paths.real(target), store_roots)
        or _entry_elsewhere(target, store_roots)
    )


def _entry_of(target: str, store_roots: StoreRoots) -> str:
    """Return the id of the entry in which a target lies, by the known spellings of the store and its layers."""
    entry_id = paths.entry_of_link(target, store_roots.own)
    if entry_id:
        return entry_id
    for spellings in store_roots.layers:
        entry_id = paths.entry_of_link(target, spellings)
        if entry_id:
            return f"{paths.packages(spellings[0])}/{entry_id}"
    return ""


def _entry_elsewhere(target: str, store_roots: StoreRoots) -> str:
    """Return the id of the entry in which a target lies if it names the store or a layer by an unknown path.

    That path must lead to the same store now. If nothing is at that path, the store was perhaps moved: then an entry
    with the same name must exist in the store. If there is no such entry, the result is empty.
    """
    own = store_roots.own[0]
    at = target.find(_PACKAGES)
    while at >= 0:
        entry_id = paths.entry_of_link(target, (target[:at],))
        try:
            if entry_id and os.path.samefile(paths.packages(target[:at]), paths.packages(own)):
                return entry_id
        except OSError:
            if os.path.isdir(f"{paths.packages(own)}/{entry_id}"):
                return entry_id
        for spellings in store_roots.layers if entry_id else ():
            if links.leads_to(paths.packages(target[:at]), paths.packages(spellings[0])):
                return f"{paths.packages(spellings[0])}/{entry_id}"
        at = target.find(_PACKAGES, at + 1)
    return ""


_PACKAGES = paths.packages("") + "/"
"""The part of a link's target between the store's folder and the entry."""


def leads_nowhere(environment: Environment, distribution: Installed) -> bool:
    """Tell whether a distribution's METADATA is missing or a dangling link: its entry is gone, or the store moved."""
    return not os.path.exists(f"{environment.site_packages}/{distribution.dist_info}/METADATA")


def distributions_below(root: str, store_roots: StoreRoots) -> list[Installed]:
    """Return the distributions of the environment at `root`, without starting its interpreter.

    Raises OSError if a folder can't be read.
    """
    sources = provenance.read(root)
    return [item for folder in site_packages_of(root) for item in installed_in(folder, store_roots, sources)]


def entries_linked(root: str, store_roots: StoreRoots) -> tuple[set[str], list[list[object]]]:
    """Return all entries that links below an environment's root lead into, whether or not metadata names them.

    Also return the folders that were read, relative to the root, with their modification times in nanoseconds.
    `.dist-info` folders are not among them: pepip replaces them whole, which changes the folder above. Raises OSError
    if a folder can't be read, because the answer would then be incomplete.
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
    """Return the site-packages folders below an environment's root, without starting its interpreter.

    Raises OSError if a folder can't be read.
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
    """Return the folders for `compileall`: site-packages and each linked folder. `compileall` follows no links."""
    found = [environment.site_packages]
    for folder, folders, _ in links.walk(environment.site_packages):
        linked = [name for name in folders if links.read_link(f"{folder}/{name}")]
        found += [f"{folder}/{name}" for name in linked if name != paths.PYCACHE]
    return found


def fingerprint(environment: Environment) -> tuple[int, frozenset[str]]:
    """Return a value that differs after a distribution was added to an environment or removed from it."""
    site_packages = environment.site_packages
    try:
        return os.stat(site_packages).st_mtime_ns, frozenset(os.listdir(site_packages))
    except FileNotFoundError:
        return 0, frozenset()


def has_own_metadata(environment: Environment, distribution: Installed) -> bool:
    """Tell whether a distribution's METADATA is a real file, and not a link."""
    try:
        status = os.lstat(f"{environment.site_packages}/{distribution.dist_info}/METADATA")
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode)


def direct_url(environment: Environment, distribution: Installed) -> dict[str, object] | None:
    """Return the content of `direct_url.json` (PEP 610), or None for a distribution from an index, which has none.

    The answer is also None if the file can't be read or holds no JSON object.
    """
    try:
        path = f"{environment.site_packages}/{distribution.dist_info}/direct_url.json"
        origin = files.load_json(files.read_regular(path, follows=True))
    except (OSError, ValueError):
        return None
    return origin if isinstance(origin, dict) else None


def cache_info(environment: Environment, distribution: Installed) -> str:
    """Return the text of `uv_cache.json`, where uv describes the source of a distribution, or an empty string."""
    try:
        path = f"{environment.site_packages}/{distribution.dist_info}/uv_cache.json"
        return files.read_regular(path, follows=True).decode()
    except (OSError, ValueError):
        return ""


def hashes_of(environment: Environment, distribution: Installed) -> dict[str, str]:
    """Return the hashes that a distribution's RECORD lists, by path, without files that the installer wrote.

    Scripts are left out, because their first line names the environment's interpreter. So are all other files that
    RECORD lists outside site-packages.
    """
    own = record.own_metadata(distribution.dist_info)
    rows = _rows(environment.site_packages, distribution)
    return {
        row.path: row.hash_value
        for row in rows
        if row.hash_value and row.path not in own and not row.path.startswith(("../", "/"))
    }


def changed_files(environment: Environment, distribution: Installed) -> list[str]:
    """Return the paths in a distribution's RECORD whose files are missing or differ from their hash."""
    base = environment.site_packages
    rows = _rows(base, distribution)
    return [row.path for row in rows if row.hash_value and not record.matches(row, f"{base}/{row.path}")]


def files_of(environment: Environment, distribution: Installed) -> list[str]:
    """Return the paths that a distribution's RECORD lists, relative to the environment's root.

    Paths outside the environment are left out, as in uv. If RECORD can't be read, the list is empty.
    """
    return [path for path, _ in _rows_inside(environment, distribution)]


def first_parts(environment: Environment, distribution: Installed) -> tuple[set[str], set[str]]:
    """Return the names in site-packages that a distribution's RECORD lists, with or without paths below them.

    Also return the listed paths outside of site-packages, relative to the environment's root. Paths outside of the
    environment are left out, as in uv.
    """
    base = environment.interpreter.site_packages
    listed = [row.path for row in _rows(environment.site_packages, distribution)]
    outside = {record.in_environment(path, base) for path in listed if path.startswith(("..", "/"))}
    return {path.partition("/")[0] for path in listed if not path.startswith(("..", "/"))}, outside - {""}


def intact_files(environment: Environment, distribution: Installed, among: Collection[str]) -> list[str]:
    """Return the paths in `among` that are files of a distribution and have the hash that its RECORD lists.

    Paths are relative to the environment.
    """
    return [
        path
        for path, row in _rows_inside(environment, distribution)
        if path in among and row.hash_value and record.matches(row, f"{environment.root}/{path}")
    ]


def check_record(environment: Environment, distribution: Installed) -> None:
    """Raise VenvError if a distribution has a RECORD that can't be read: its files would be unknown.

    A missing RECORD is no error.
    """
    path = f"{environment.site_packages}/{distribution.dist_info}/RECORD"
    try:
        record.read(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise VenvError(f"cannot remove {distribution.name}: {path}: {error.strerror}") from error


def holders(site_packages: str, folder: str, store_roots: StoreRoots) -> list[str]:
    """Return the names of the distributions whose RECORD lists files below `folder`, a folder of `site_packages`."""
    inside = folder + "/"
    found = installed_in(site_packages, store_roots)
    return [item.name for item in found if any(row.path.startswith(inside) for row in _rows(site_packages, item))]


def _rows_inside(environment: Environment, distribution: Installed) -> Iterator[tuple[str, record.Row]]:
    """Yield the rows of a distribution's RECORD with their paths relative to the environment's root.

    Rows of paths outside the environment are left out, as in uv.
    """
    base = environment.interpreter.site_packages
    for row in _rows(environment.site_packages, distribution):
        path = record.in_environment(row.path, base)
        if path:
            yield path, row


def _rows(site_packages: str, distribution: Installed) -> list[record.Row]:
    try:
        return record.read(f"{site_packages}/{distribution.dist_info}/RECORD")
    except OSError:
        return []


def foreign_directories(environment: Environment, distributions: Iterable[Installed]) -> set[str]:
    """Return the folders that hold files of `distributions`, with all their ancestors, relative to site-packages."""
    base = environment.interpreter.site_packages + "/"
    found: set[str] = set()
    for distribution in distributions:
        for path in files_of(environment, distribution):
            if path.startswith(base):
                found.update(paths.ancestors(path[len(base) :]))
    return found
