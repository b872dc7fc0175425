"""What an environment holds, read from its metadata and links and from nothing else."""

from __future__ import annotations

import os

from pepip import paths
from pepip.host import links
from pepip.model import Installed
from pepip.wheel import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pepip.model import Environment


def installed(environment: Environment, homes: tuple[str, ...]) -> list[Installed]:
    """Return the distributions of an environment, by name. `homes` are the spellings of the store's root.

    A distribution is linked if its METADATA is a link into the store; the link names the entry.
    """
    site_packages = environment.site_packages
    found = []
    try:
        children = list(os.scandir(site_packages))
    except FileNotFoundError:
        return []
    for child in children:
        if child.name.endswith(".dist-info"):
            metadata = f"{child.path}/METADATA"
            entry_id = linked_entry(metadata, homes)
            name, _, version = child.name.removesuffix(".dist-info").partition("-")
            found.append(Installed(paths.normalize_name(name), version, child.name, entry_id))
        elif child.name.endswith((".egg-info", ".egg-link")):
            name, _, version = child.name.rpartition(".")[0].partition("-")
            found.append(Installed(paths.normalize_name(name), version, child.name, ""))
    return sorted(found)


def linked_entry(path: str, homes: tuple[str, ...]) -> str:
    """Return the entry that the link at `path` leads into, empty if it is no link into the store.

    A store may be reached by several spellings of its path, so a link is also followed to where it really leads.
    """
    target = links.read_link(path)
    if not target:
        return ""
    return paths.entry_of_link(target, homes) or paths.entry_of_link(os.path.realpath(target), homes)


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


def files_of(environment: Environment, distribution: Installed) -> list[str]:
    """Return the paths of a distribution's RECORD, relative to the environment's root.

    Rows that leave the environment are left out, as uv does. Without a RECORD there are none.
    """
    try:
        path = f"{environment.site_packages}/{distribution.dist_info}/RECORD"
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            rows = record.parse(file.read())
    except (FileNotFoundError, NotADirectoryError):
        return []
    base = environment.interpreter.site_packages
    normalized = (os.path.normpath(f"{base}/{row.path}").replace(os.sep, "/") for row in rows)
    return [path for path in normalized if paths.is_inside(path)]


def foreign_directories(environment: Environment, distributions: Iterable[Installed]) -> set[str]:
    """Return the folders below site-packages in which distributions have files of their own, with all ancestors."""
    base = environment.interpreter.site_packages + "/"
    found: set[str] = set()
    for distribution in distributions:
        for path in files_of(environment, distribution):
            if path.startswith(base):
                found.update(paths.ancestors(path[len(base) :]))
    return found
