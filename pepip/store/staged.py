"""Reads a staged prefix: for each distribution, its unpacked wheel in uv's cache and the launchers that uv made.

uv fills a prefix with symbolic links into its cache, where each wheel lies unpacked and unchanged. An entry is made
from the unpacked wheel. So only these links, and the files that uv wrote, are read from the prefix. Changes no file.
"""

from __future__ import annotations

import os
import sys

from pepip import names, paths
from pepip.errors import InvalidWheelError
from pepip.fast_namedtuple import NamedTuple
from pepip.host import launchers as host_launchers
from pepip.host import links
from pepip.wheel import record, scripts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pepip.wheel.footprint import Tree

_LIKELY_HEADERS_BYTES, _LARGEST_HEADERS_BYTES = 1 << 12, 1 << 20
# Where the file system ignores case, as on macOS, `lib` and `Lib` are one folder: its wheels would be found twice.
_LIBRARIES = ("Lib",) if sys.platform == "win32" else ("lib", "lib64")
_OF_ENVIRONMENTS = frozenset(("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"))


class StagedWheel(NamedTuple):
    """A distribution in a prefix: its normalized name, its version, and `wheel`, the folder of its unpacked wheel.

    `scripts` are the names of the distribution's files in the prefix's folder of scripts. `launched` are the
    launchers among them, and `declared` the launchers that entry points name. `metadata` has the files that uv wrote
    into the `.dist-info` folder and that are the same in every environment: texts by file name.
    """

    name: str
    version: str
    dist_info: str
    wheel: str
    scripts: frozenset[str]
    launched: frozenset[str]
    declared: frozenset[str]
    metadata: dict[str, str]

    @property
    def data_folder(self) -> str:
        """The wheel's `.data` folder, relative to the wheel. Most wheels have none."""
        return paths.data_folder(self.dist_info)


class WheelFile(NamedTuple):
    """A file of an unpacked wheel: its path in the wheel, and its status."""

    path: str
    status: os.stat_result


class WheelTree(NamedTuple):
    """All files and folders of an unpacked wheel.

    `folders` has the content of each folder by path. The root of the wheel, with the empty path, is the first. Each
    other folder comes before those below it.
    """

    folders: dict[str, Tree]
    files: list[WheelFile]


def discover(prefix: str) -> list[StagedWheel]:
    """Return the distributions of a prefix, without those whose unpacked wheel can't be found.

    Raises InvalidWheelError if a wheel has no name or version, a script with an invalid name, or data with a name
    that is reserved for environments.
    """
    found = []
    for site_packages in _site_packages(prefix):
        for name in sorted(os.listdir(site_packages)):
            staged = _read(site_packages, name) if name.endswith(".dist-info") else None
            if staged is not None:
                found.append((site_packages, staged))
    known = {name for _, staged in found for name in staged.scripts}
    others = _made_scripts(prefix) - known
    return [_with_launchers(*item, others) if others else item[1] for item in found]


def _made_scripts(prefix: str) -> set[str]:
    """Return the names of the scripts that uv wrote. Scripts from a wheel are links, and left out."""
    try:
        with os.scandir(f"{prefix}/bin") as children:
            return {child.name for child in children if child.is_file(follow_symlinks=False)}
    except FileNotFoundError:
        return set()


def _with_launchers(site_packages: str, staged: StagedWheel, names: set[str]) -> StagedWheel:
    """Return a distribution with the launchers in `names` that its RECORD in the prefix lists."""
    rows = record.read(f"{site_packages}/{staged.dist_info}/RECORD")
    listed = {
        row.path.rpartition("/")[2] for row in rows if row.path.endswith(tuple(f"/bin/{name}" for name in names))
    }
    own = listed & names
    return staged._replace(scripts=staged.scripts | own, launched=staged.launched | own)


def contested(staged: Iterable[StagedWheel]) -> set[str]:
    """Return the names of distributions that share the name of a script. Each must be staged again, alone.

    uv made only one file of that name, for one of them.
    """
    owners: dict[str, str] = {}
    found: set[str] = set()
    for item in staged:
        for script in item.scripts:
            other = owners.setdefault(script, item.name)
            if other != item.name:
                found |= {other, item.name}
    return found


def launchers(prefix: str, staged: StagedWheel, python: str) -> dict[str, str]:
    """Return the text after the interpreter line of each launcher that uv made, by file name.

    A launcher that no entry point declares has the version of Python (`python`, such as `3.12`) in its name. That
    part becomes `scripts.OF_PYTHON`, so that each environment gets its own.
    """
    if host_launchers.ARE_PROGRAMS:
        return dict.fromkeys(staged.declared, "")
    found = {}
    for name in sorted(staged.launched):
        with open(f"{prefix}/bin/{name}", "rb") as file:
            text = scripts.body(file.read()).decode("utf-8")
        found[name if name in staged.declared else name.replace(python, scripts.OF_PYTHON)] = text
    return found


def list_files(wheel: str) -> WheelTree:
    """Return all files and folders of an unpacked wheel. Raises InvalidWheelError if it holds anything else."""
    folders: dict[str, Tree] = {"": {}}
    files: list[WheelFile] = []
    pending = [""]
    for folder in pending:
        node, above = folders[folder], f"{folder}/" if folder else ""
        with os.scandir(f"{wheel}/{folder}" if folder else wheel) as children:
            for child in children:
                name = child.name
                path = above + name
                if child.is_file(follow_symlinks=False):
                    node[name] = None
                    status = child.stat(follow_symlinks=False)
                    files.append(tuple.__new__(WheelFile, (path, status)))  # half the time of a plain call
                elif child.is_dir(follow_symlinks=False):
                    node[name] = folders[path] = {}
                    pending.append(path)
                else:
                    raise InvalidWheelError(f"{os.path.basename(wheel)}: {path} is neither a file nor a folder")
    return WheelTree(folders, files)


def _site_packages(prefix: str) -> Iterator[str]:
    """Yield the folders of a prefix that hold distributions: `lib/python3.12/site-packages` and the like."""
    for library in _LIBRARIES:
        for folder, folders, _ in os.walk(f"{prefix}/{library}"):
            if os.path.basename(folder) == "site-packages":
                folders.clear()
                yield folder.replace(os.sep, "/")


def _read(site_packages: str, dist_info: str) -> StagedWheel | None:
    """Return the distribution of a `.dist-info` folder, None if its unpacked wheel can't be found."""
    target = links.read_link(f"{site_packages}/{dist_info}/METADATA")
    wheel, _, inside = target.removesuffix("/METADATA").rpartition("/")
    if inside != dist_info or not os.path.isdir(f"{wheel}/{dist_info}"):
        return None  # a second `.dist-info` in the wheel's `.data`, or a cache that was removed with its run
    name, version = name_and_version(f"{wheel}/{dist_info}")
    data = f"{wheel}/{dist_info.removesuffix('.dist-info')}.data"
    for taken in paths.OF_ENVIRONMENTS.intersection(_children(f"{data}/data")):
        raise InvalidWheelError(f"{name} {version} has data named {taken}, a name that environments reserve")
    declared = _declared_scripts(f"{wheel}/{dist_info}", name)
    own = _children(f"{data}/scripts")
    metadata = _written_by_uv(f"{site_packages}/{dist_info}")
    names = frozenset(declared)
    return StagedWheel(name, version, dist_info, wheel, frozenset((*declared, *own)), names, names, metadata)


def _children(folder: str) -> list[str]:
    return os.listdir(folder) if os.path.isdir(folder) else []


def _written_by_uv(dist_info: str) -> dict[str, str]:
    """Return the files that uv wrote into a `.dist-info` folder, without those that differ in each environment.

    All other files in the folder are links.
    """
    found = {}
    with os.scandir(dist_info) as children:
        for child in children:
            if child.is_file(follow_symlinks=False) and child.name not in _OF_ENVIRONMENTS:
                with open(child.path, encoding="utf-8") as file:
                    found[child.name] = file.read()
    return found


def name_and_version(dist_info: str) -> tuple[str, str]:
    """Return the normalized name and the version that METADATA states. Raises InvalidWheelError if it has none."""
    headers: dict[str, str] = {}
    for line in _headers(f"{dist_info}/METADATA"):
        if not line.strip():
            break
        key, separator, value = line.partition(":")
        if separator and not line[:1].isspace():
            headers.setdefault(key.strip().lower(), value.strip())
    if "name" not in headers or "version" not in headers:
        raise InvalidWheelError(f"the METADATA of {os.path.basename(dist_info)} has no name or no version")
    return names.normalize_name(headers["name"]), headers["version"]


def _headers(path: str) -> Iterator[str]:
    """Yield the lines of a file of METADATA, as `splitlines` does. A long description may follow the headers."""
    with open(path, "rb") as file:
        start = file.read(_LIKELY_HEADERS_BYTES)
        lines = start.decode("utf-8", "replace").splitlines()
        if len(start) < _LIKELY_HEADERS_BYTES or any(not line.strip() for line in lines[:-1]):
            yield from lines
            return
        yield from (start + file.read(_LARGEST_HEADERS_BYTES)).decode("utf-8", "replace").splitlines()


def _declared_scripts(dist_info: str, name: str) -> set[str]:
    try:
        with open(f"{dist_info}/entry_points.txt", encoding="utf-8") as file:
            names = {point.name for point in scripts.entry_points(file.read())}
    except FileNotFoundError:
        return set()
    for script in names:
        if not scripts.is_script_name(script):
            raise InvalidWheelError(f"{name} declares a script with the invalid name {script!r}")
    return {host_launchers.file_name(script) for script in names}
