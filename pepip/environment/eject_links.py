"""Replaces the links of an environment by its own files, while programs may be using them.

The links are found on disk: links into the store, and files that share an inode with a file of an entry. Where the
file system has clones, the new files share their blocks with the store.
"""

from __future__ import annotations

import contextlib
import functools
import os
import stat

from pepip import paths
from pepip.environment import contents, file_modes
from pepip.environment.swap import Swap
from pepip.fast_namedtuple import NamedTuple
from pepip.host import attributes, files, links
from pepip.host.transfer import Transfer
from pepip.wheel import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pepip.model import Entry, Environment, StoreRoots

_MOST_BYTES = 1 << 28
_MOST_MODE_OF_FILE = 0o777  # no set-user-ID bit: the note may come with another person's checkout
_MOST_MODE_OF_FOLDER = 0o3777


class Linked(NamedTuple):
    """The folders and files of one entry that an environment links. Paths are relative to the environment."""

    folders: list[str]
    files: list[str]


def linked(environment: Environment, store_roots: StoreRoots, entries: Iterable[Entry]) -> dict[str, Linked]:
    """Return the linked folders and files of each of `entries`, by the entry's id.

    Raises OSError if a folder can't be read.
    """
    found = {entry.id: Linked([], []) for entry in entries}
    inodes: dict[tuple[int, int], str] = {}
    for entry in entries:
        inodes.update(dict.fromkeys(_inodes_of(entry.path), entry.id))
    pending = [""]
    while pending:
        folder = pending.pop()
        with os.scandir(f"{environment.root}/{folder}") as children:
            for child in children:
                path = f"{folder}/{child.name}" if folder else child.name
                if links.is_link(child):
                    item = found.get(contents.linked_entry(child.path, store_roots))
                    if item is not None:
                        (item.folders if os.path.isdir(child.path) else item.files).append(path)
                elif child.is_dir(follow_symlinks=False):
                    pending.append(path)
                else:
                    with contextlib.suppress(FileNotFoundError):  # bytecode that Python was writing
                        status = links.status_of(child)
                        item = found.get(inodes.get(_inode(status), "")) if status.st_nlink > 1 else None
                        if item is not None:
                            item.files.append(path)
    return found


def _inodes_of(tree: str) -> Iterator[tuple[int, int]]:
    for folder, _, names in links.walk(tree):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                yield _inode(os.lstat(f"{folder}/{name}"))


def _inode(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def eject(environment: Environment, entry: Entry, found: Linked) -> None:
    """Replace all links to one entry by the environment's own files.

    The caller holds the environment's lock. Raises OSError if the disk is full; the environment is then unchanged.
    """
    info = f"{environment.interpreter.site_packages}/{entry.dist_info}"
    note = file_modes.noted(f"{environment.root}/{info}")
    copier = _Copier(environment, note, (*found.folders, *found.files))
    swap = Swap(environment.root)
    try:
        for path in (*found.folders, *found.files):
            if not path.startswith(f"{info}/"):
                swap.prepare(path, functools.partial(copier.copy, path))
        if os.path.isdir(f"{environment.root}/{info}"):
            swap.prepare(info, functools.partial(copier.copy_metadata, info, found))
    except BaseException:
        swap.give_up()
        raise
    swap.carry_out()


def make_real(environment: Environment, store_roots: StoreRoots, paths_below: Iterable[str]) -> None:
    """Replace each linked folder above one of these paths by the environment's own files.

    The caller holds the environment's lock. Raises OSError if the disk is full; the environment is then unchanged.
    """
    folders = {
        next((above for above in paths.ancestors(path) if links.read_link(f"{environment.root}/{above}")), "")
        for path in paths_below
    }
    linked = [path for path in folders if path and contents.linked_entry(f"{environment.root}/{path}", store_roots)]
    if not linked:
        return
    copier = _Copier(environment, file_modes.Note({}, {}), linked)
    swap = Swap(environment.root)
    try:
        for path in sorted(linked):
            swap.prepare(path, functools.partial(copier.copy, path))
    except BaseException:
        swap.give_up()
        raise
    swap.carry_out()


class _Copier:
    """Copies the `linked` files and folders of an environment. All other files are the environment's own, and stay.

    A copy gets the mode and attributes in `note`, by path, or else the mode that an installer gives.
    """

    def __init__(self, environment: Environment, note: file_modes.Note, linked: Iterable[str]) -> None:
        self._environment = environment
        self._note = note
        self._linked = set(linked)
        self._transfer = Transfer(may_link=False)
        self._plain, self._program, self._folder = file_modes.usual(environment.site_packages)
        major, minor = environment.interpreter.version.split(".")[:2]
        self._tag = f".{environment.interpreter.implementation.lower()}-{major}{minor}."

    def copy(self, path: str, target: str, *, is_linked: bool = False) -> None:
        """Copy the file or tree at `path` to `target`. `is_linked` tells whether it lies in a linked folder."""
        source = f"{self._environment.root}/{path}"
        is_linked = is_linked or path in self._linked
        if os.path.isdir(source) and (is_linked or not links.read_link(source)):
            self._copy_folder(path, target, is_linked=is_linked)
        elif not is_linked and links.share_inode(source, target):
            return
        elif not is_linked and links.read_link(source):
            links.symbolic_link(os.readlink(source), target)
        else:
            status = os.stat(source)
            mode = self._program if status.st_mode & stat.S_IXUSR else self._plain
            mode = self._note.modes.get(path, mode) if is_linked else stat.S_IMODE(status.st_mode)
            mode = mode & _MOST_MODE_OF_FILE | stat.S_IRUSR
            noted = self._note.attributes.get(path)
            self._transfer.file(os.path.realpath(source), target, mode | (stat.S_IWUSR if noted else 0))
            if noted:
                attributes.write_with_mode(target, noted, mode)

    def _copy_folder(self, path: str, target: str, *, is_linked: bool) -> None:
        source = f"{self._environment.root}/{path}"
        os.mkdir(target)
        is_bytecode = os.path.basename(source) == paths.PYCACHE
        for name in os.listdir(source):
            if self._is_wanted(source, name):
                # Python writes bytecode under a temporary name first, which may be gone by now.
                with contextlib.suppress(FileNotFoundError) if is_bytecode else contextlib.nullcontext():
                    self.copy(f"{path}/{name}", f"{target}/{name}", is_linked=is_linked)
        if is_linked:
            mode = self._note.modes.get(path, self._folder) & _MOST_MODE_OF_FOLDER | stat.S_IRUSR | stat.S_IXUSR
            attributes.write_with_mode(target, self._note.attributes.get(path, {}), mode)
        else:
            attributes.write_with_mode(target, attributes.read(source), stat.S_IMODE(os.stat(source).st_mode))

    def copy_metadata(self, info: str, found: Linked, target: str) -> None:
        """Copy a `.dist-info` folder without the note of modes.

        RECORD loses the rows for the note and for linked folders.
        """
        place = f"{self._environment.root}/{info}"
        os.mkdir(target)
        for name in os.listdir(place):
            if name not in {"RECORD", file_modes.NOTE}:
                self.copy(f"{info}/{name}", f"{target}/{name}")
        base = self._environment.interpreter.site_packages + "/"
        folders = [path.removeprefix(base) for path in found.folders]
        content = files.read_regular(f"{place}/RECORD", most_bytes=_MOST_BYTES)
        files.create(
            f"{target}/RECORD",
            record.without_folders(content, folders, f"{info.removeprefix(base)}/{file_modes.NOTE}"),
        )
        mode = stat.S_IMODE(os.stat(f"{place}/RECORD").st_mode) | 0o600  # the store's ready RECORD is read-only
        mode = self._note.modes.get(f"{info}/RECORD", mode) & _MOST_MODE_OF_FILE | stat.S_IRUSR
        attributes.write_with_mode(f"{target}/RECORD", attributes.read(f"{place}/RECORD"), mode)
        attributes.write_with_mode(target, attributes.read(place), stat.S_IMODE(os.stat(place).st_mode))

    def _is_wanted(self, folder: str, name: str) -> bool:
        """Tell whether to copy a file: False for bytecode of another version of Python."""
        return os.path.basename(folder) != paths.PYCACHE or self._tag in name or not name.endswith(".pyc")
