"""Checks that the files which uv and Python read are real files, and that no folder leads out of the environment.

An environment may come with a checkout or from a backup. If a pipe is in the place of a file, uv and Python wait for
it forever. If a link is in the place of a folder, an installer writes to the link's target.
"""

from __future__ import annotations

import os
import time

from pepip import paths
from pepip.environment import contents
from pepip.errors import VenvError
from pepip.host import links

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from pepip.model import Environment, StoreRoots

_METADATA = ".dist-info"
_FILES = (".pth", ".start", ".egg-link", ".egg-info")
_LAG_NS = 2_000_000_000


def check(root: str, store_roots: StoreRoots | None = None, known: Collection[str] = ()) -> set[str]:
    """Raise VenvError if a pipe, a device or a socket is in the place of a file that uv and Python read.

    Raise it also if uv's lock is a link, because uv would follow the link and make a file at its target. Links into
    the store at `store_roots` are trusted. A `root` that does not exist is no error.

    Return the states of folders of metadata in which every file stays a file, until another one takes its place. That
    changes the folder's state. Folders whose states are `known` from an earlier check are not read again.
    """
    for path in (root, f"{root}/pyvenv.cfg"):
        if not (os.path.isfile(path) or os.path.isdir(path) or not os.path.exists(path)):
            raise VenvError(f"{path} is neither a file nor a folder", hint="move it away")
    if links.read_link(paths.environment_lock(root)):
        raise VenvError(f"the environment {root} is damaged: {root}/.lock is a link", hint="remove it")
    found = set()
    for child in _read_at_start(root):
        if not child.name.endswith(_METADATA):
            _is_lasting(child, root, store_roots)
            continue
        status = links.status_of(child)
        state = f"{status.st_dev} {status.st_ino} {status.st_mtime_ns} {status.st_ctime_ns}"
        if state in known:
            found.add(state)
            continue
        are_lasting = [_is_lasting(file, root, store_roots) for file in _children(child.path)]
        if all(are_lasting) and links.is_folder(status) and not _may_change_unseen(status):
            found.add(state)
    return found


def _is_lasting(child: os.DirEntry[str], root: str, store_roots: StoreRoots | None) -> bool:
    """Tell whether a file is no link, or a link into the store. Raises VenvError if it can't be read."""
    is_link = links.is_link(child)
    is_stored = is_link and bool(store_roots and contents.linked_entry(child.path, store_roots))
    if not is_stored and not _is_readable(child):
        raise VenvError(
            f"the environment {root} is damaged: {child.path} is no file",
            hint="remove it, and install its distribution again",
        )
    return is_stored or not is_link


def _may_change_unseen(status: os.stat_result) -> bool:
    """Tell whether a folder may still change without getting another time: it changed just now.

    File systems stamp by a clock that lags, some in units of two seconds.
    """
    return time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) < _LAG_NS


def check_frame(environment: Environment) -> None:
    """Raise VenvError if a link leads out of the environment.

    Only site-packages, the folder of scripts, and the folders above these are checked.
    """
    place = link_that_leads_out(
        environment.root, (environment.interpreter.site_packages, environment.interpreter.scripts)
    )
    if place:
        raise VenvError(
            f"cannot use {environment.root}: {place} is a link that leads out of it",
            hint="put a folder in its place, or make the environment anew",
        )


def link_that_leads_out(root: str, folders: Iterable[str]) -> str:
    """Return the first of `folders`, or of the folders above them, that is a link out of the environment at `root`.

    `folders` are relative to `root`. The result is a path, or empty if there is none.
    """
    inside = paths.real(root) + "/"
    for folder in folders:
        for above in (*paths.ancestors(folder), folder):
            place = f"{root}/{above}"
            if links.read_link(place) and not paths.real(place).startswith(inside):
                return place
    return ""


def _read_at_start(root: str) -> Iterator[os.DirEntry[str]]:
    """Yield what uv and Python read: folders of metadata, and files such as `.pth` that name more folders."""
    try:
        folders = contents.site_packages_of(root)
    except OSError:
        return  # the code that needs these folders reports the error
    for folder in folders:
        yield from (child for child in _children(folder) if child.name.endswith((_METADATA, *_FILES)))


def _children(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as children:
            return list(children)
    except OSError:
        return []


def _is_readable(child: os.DirEntry[str]) -> bool:
    """Tell whether `child` is a file, a folder or a dangling link: none of these makes a reader wait."""
    try:
        return child.is_file() or child.is_dir() or not os.path.exists(child.path)
    except OSError:
        return True
