"""Merging the footprints of several entries into one plan.

If two distributions share a folder, it becomes a real folder. In a package that they share, every file gets its own
link: a module may ask for the real path of its file, and must find its neighbours beside that path. Spack's views and
GNU Stow unfold trees in the same way.
"""

from __future__ import annotations

import os
import sys

from pepip.errors import ClashError, VenvError
from pepip.model import Entry, Link, Plan
from pepip.paths import PYCACHE, ancestors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from pepip.model import Interpreter


MERGED_SCHEMES = ("purelib", "platlib")
"""The `.data` schemes whose files are installed among the modules of an environment."""


_IGNORES_CASE = sys.platform in {"darwin", "win32"}
"""Whether two names that differ only by case may be names of one file."""

_ALL_LINKED: Mapping[str, str] = {}


def _link(*fields: object) -> Link:
    """Return a link of all its fields, in order. A plan has thousands of links, and `Link(…)` is slower."""
    return tuple.__new__(Link, fields)


class KeptLinks:
    """The links of one entry in one environment, as long as no other entry has files in its folders.

    `folders` and `files` are links by path, `data` the links to files of its `.data` folder. `directories` are the
    real folders below site-packages, and `data_folders` those that its `.data` folder needs.
    """

    __slots__ = ("data", "data_folders", "directories", "entry", "files", "folders")

    def __init__(self, entry: Entry, interpreter: Interpreter, mode: str) -> None:
        self.entry = entry
        self.data = list(_data_links(entry, interpreter, mode)) if entry.data else []
        folders = {link.path.rpartition("/")[0] for link in self.data}
        self.data_folders = {above for folder in folders if folder for above in ancestors(f"{folder}/x")}
        if entry.data:
            self.data_folders.update(_empty_data_folders(entry, interpreter))
        self.folders: dict[str, Link] | None = None
        self.files: dict[str, Link] = {}
        self.directories: set[str] = set()


class _EntryLinks:
    """The part of a plan that comes from one entry. Folders that other entries share are unfolded step by step."""

    __slots__ = ("_own", "bytecode", "directories", "entry", "files", "mode", "namespaces", "opened", "part")

    def __init__(self, part: KeptLinks, mode: str) -> None:
        self.part = part
        self.entry = entry = part.entry
        self.mode = mode
        self._own: tuple[set[str], list[str], set[str]] | None = None  # if the links differ from those of `part`
        self.directories: Collection[str] = entry.directories
        self.files: Sequence[str] = entry.files
        self.opened: Collection[str] = entry.opened
        self.namespaces = entry.namespaces
        self.bytecode: Collection[str] = entry.bytecode
        if mode:  # the environment has its own files, and compiles its own bytecode
            self.bytecode = ()
            for folder in entry.directories:
                self.unfold(folder)

    def share_no_bytecode(self, folder: str) -> None:
        """Share no bytecode in `folder` and below it.

        Python trusts bytecode if the source has the same time (in seconds) and size. In a folder where other
        distributions may put modules, a shared `__pycache__` could give one project the code of another.
        """
        inside = folder + "/"
        bytecode = [name for name in self.bytecode if name != folder and not name.startswith(inside)]
        if len(bytecode) != len(self.bytecode):
            self._own_paths()
            self.bytecode = bytecode

    def unfold(self, folder: str) -> list[str]:
        """Replace the link of `folder` by links of all files below it. Return the folders that became real.

        Bytecode that the wheel ships is linked file by file, too.
        """
        directories, files, opened = self._own_paths()
        directories.discard(folder)
        below = [folder]
        shipped = [path for path in self.entry.compiled if path.startswith(folder + "/")]
        files += shipped
        opened.update(above for path in shipped for above in ancestors(path))
        for current in below:
            with os.scandir(f"{self.entry.path}/{current}") as children:
                for child in children:
                    path = f"{current}/{child.name}"
                    if child.is_dir(follow_symlinks=False):
                        if child.name != PYCACHE:
                            below.append(path)
                    else:
                        files.append(path)
        opened.update(below)
        return below

    def _own_paths(self) -> tuple[set[str], list[str], set[str]]:
        """Return the linked folders, the files and the real folders of this share, to be changed in place."""
        if self._own is None:
            self._own = set(self.directories), list(self.files), set(self.opened)
            self.directories, self.files, self.opened = self._own
        return self._own

    def links(self, prefix: str) -> tuple[dict[str, Link], dict[str, Link], set[str]]:
        """Return the links to folders, those to files, and the real folders. `prefix` leads to site-packages."""
        part = self.part
        if self._own is None and part.folders is not None:
            return part.folders, part.files, part.directories
        name, base, mode = self.entry.name, f"{self.entry.path}/", self.mode
        folders = {prefix + path: _link(prefix + path, base + path, True, name, "") for path in self.directories}
        for folder in self.bytecode:
            path = f"{prefix}{folder}/{PYCACHE}"
            folders[path] = _link(path, f"{base}{folder}/{PYCACHE}", True, name, "")
        files = {prefix + path: _link(prefix + path, base + path, False, name, mode) for path in self.files}
        directories = {prefix + path for path in self.opened}
        if self._own is None:
            part.folders, part.files, part.directories = folders, files, directories
        return folders, files, directories


def merge(
    entries: Iterable[Entry],
    interpreter: Interpreter,
    *,
    foreign_directories: Iterable[str] = (),
    modes: Mapping[str, str] = _ALL_LINKED,
    parts: dict[str, KeptLinks] | None = None,
) -> Plan:
    """Return the plan that links all `entries` into one environment.

    If `modes` has the name of an entry, the environment gets files of its own instead of links.

    `foreign_directories` (relative to site-packages, with all their ancestors) hold files that are not pepip's links,
    so none of these folders is linked whole. If two distributions have the same file, the last one by name wins, in
    whatever order they were installed. Raises ClashError if one has a file where another has a folder: uv fails
    there, too. `parts` keeps the links of each entry for the next plan of the same environment: most are the same.
    """
    shares = []
    for entry in sorted(entries, key=lambda entry: entry.name):
        mode = modes.get(entry.name, "")
        part = parts.get(entry.id) if parts is not None and not mode else None
        if part is None or part.entry is not entry:
            part = KeptLinks(entry, interpreter, mode)
            if parts is not None and not mode:
                parts[entry.id] = part
        shares.append(_EntryLinks(part, mode))
    prefix = f"{interpreter.site_packages}/"
    data = [link for share in shares for link in share.part.data]
    foreign = set(foreign_directories)
    for link in data:
        if link.path.startswith(prefix):
            foreign.update(ancestors(link.path[len(prefix) :]))
    if _IGNORES_CASE:
        _unfold_other_spellings(shares)
    _unfold_shared(shares, foreign)
    folders: dict[str, Link] = {}
    files: dict[str, Link] = {}
    directories: set[str] = set()
    for share in shares:
        of_share = share.links(prefix)
        folders.update(of_share[0])
        files.update(of_share[1])
        directories |= of_share[2]
        directories |= share.part.data_folders
    for link in data:
        other = files.get(link.path)
        if other is None or other.owner <= link.owner:
            files[link.path] = link
    if _IGNORES_CASE:
        _refuse_other_spellings(files)
    _refuse_clashes(files, folders, directories, {interpreter.scripts, *ancestors(f"{prefix}x")})
    return Plan({**folders, **files}, directories)


def _data_links(entry: Entry, interpreter: Interpreter, mode: str) -> Iterator[Link]:
    """Yield the links to the files of an entry's `.data` folder. Scripts are not linked."""
    name, folder = entry.name, f"{entry.path}/{entry.data_directory}"
    starts: dict[str, str] = {}  # by scheme: the path that comes before each file's own
    for scheme, path in entry.data:
        if scheme != "scripts" and not path.endswith("/"):
            if scheme not in starts:
                starts[scheme] = data_path(scheme, "", interpreter, name)
            place = starts[scheme] + path
            if place.startswith(_OTHER_LIB):
                place = _real_place(place)
            yield _link(place, f"{folder}/{scheme}/{path}", False, name, mode)


_OTHER_LIB = "lib64/"


def _real_place(path: str) -> str:
    """Return the real path of `path`: on Linux the folder `lib64` of an environment is a link to `lib`."""
    is_link = path.startswith(_OTHER_LIB) and sys.platform == "linux"
    return f"lib/{path.removeprefix(_OTHER_LIB)}" if is_link else path


def _empty_data_folders(entry: Entry, interpreter: Interpreter) -> Iterator[str]:
    """Yield the empty folders of an entry's `.data` folder, and the folders above them."""
    for scheme, path in entry.data:
        if scheme != "scripts" and path.endswith("/"):
            yield from ancestors(f"{_real_place(data_path(scheme, path[:-1], interpreter, entry.name))}/x")


def _refuse_clashes(files: dict[str, Link], folders: dict[str, Link], directories: set[str], own: set[str]) -> None:
    """Raise ClashError if a file would be linked where a folder is: a linked one, a real one, or one of `own`.

    `own` are the folders that every environment has.
    """
    for places in (own, directories, folders.keys()):
        for path in sorted(files.keys() & places):
            links = (*folders.values(), *files.values())
            owners = {link.owner for link in links if f"{link.path}/".startswith(f"{path}/")} - {files[path].owner}
            owner = "the environment" if path in own else min(owners, default="another")
            raise ClashError(path, files[path].owner, owner)


def _refuse_other_spellings(files: dict[str, Link]) -> None:
    """Raise VenvError if two distributions have files whose paths differ only by case: one would replace another."""
    seen: dict[str, Link] = {}
    for path, link in files.items():
        other = seen.setdefault(path.casefold(), link)
        if other.path != path and other.owner != link.owner:
            raise VenvError(
                f"{other.path} of {other.owner} and {path} of {link.owner} differ only by case",
                hint="here this can be one file, so one of the distributions can't be installed",
            )


def data_path(scheme: str, path: str, interpreter: Interpreter, name: str) -> str:
    """Return the path in an environment, relative to its root, of a file of a `.data` scheme.

    Source: the installation schemes of virtual environments (sysconfig), and `include/site` for headers.
    """
    if scheme == "scripts":
        return f"{interpreter.scripts}/{path}"
    if scheme == "headers":
        return f"{interpreter.headers}/{name}/{path}"
    if scheme in MERGED_SCHEMES:
        return f"{interpreter.site_packages}/{path}"
    return path


def _unfold_other_spellings(shares: list[_EntryLinks]) -> None:
    """Unfold each linked folder if another distribution has the same folder in another spelling.

    Both are one folder, with the files of both.
    """
    spellings: dict[str, set[str]] = {}
    for share in shares:
        for path in (*share.directories, *share.opened):
            spellings.setdefault(path.casefold(), set()).add(path)
    for paths in spellings.values():
        if len(paths) < 2:
            continue
        for share in shares:
            for path in paths.intersection((*share.directories, *share.opened)):
                share.share_no_bytecode(path)
                for folder in [name for name in share.directories if f"{name}/".startswith(f"{path}/")]:
                    share.unfold(folder)


def _unfold_shared(shares: list[_EntryLinks], foreign: set[str]) -> None:
    """Unfold every linked folder in which another distribution or tool has files, until none is left.

    A namespace is shared by design, and the packages in it stay linked whole. Any other shared folder is unfolded
    completely, down to its files.
    """
    holders: dict[str, list[_EntryLinks]] = {}
    for share in shares:
        for path in (*share.directories, *share.opened):
            holders.setdefault(path, []).append(share)
    pending = [path for path, sharing in holders.items() if len(sharing) > 1 or path in foreign]
    while pending:
        path = pending.pop()
        sharing = holders[path]
        if all(path in share.namespaces for share in sharing):
            continue
        for share in sharing:
            share.share_no_bytecode(path)
            inside = path + "/"
            for folder in [name for name in share.directories if name == path or name.startswith(inside)]:
                for opened in share.unfold(folder):
                    if opened not in holders:
                        holders[opened] = [share]
                    elif share not in holders[opened]:
                        holders[opened].append(share)
                        pending.append(opened)
