"""Whether an environment is what it seems: files where files are read, and no way that leads out of it.

It may come with a checkout, or from a backup. uv and Python would wait for ever at a pipe, and whoever installs would
write wherever a link in place of one of its own folders leads.
"""

from __future__ import annotations

import os

from pepip import paths
from pepip.environment import contents
from pepip.errors import VenvError
from pepip.host import links

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pepip.model import Environment

_READ_AT_START = (".pth", ".start", ".egg-link", ".egg-info")


def check(root: str, store_roots: tuple[str, ...] = ()) -> None:
    """Raise VenvError if something in the environment at `root` is a pipe, a device or a socket where a file belongs.

    Also if uv's lock is a link: uv would follow it to make a file. What links lead to in the store,
    at `store_roots`, is not looked at. Where there is no environment, nothing is wrong.
    """
    for path in (root, f"{root}/pyvenv.cfg"):
        if not (os.path.isfile(path) or os.path.isdir(path) or not os.path.exists(path)):
            raise VenvError(f"{path} is neither a file nor a folder", hint="move it away")
    if links.read_link(f"{root}/.lock"):
        raise VenvError(f"the environment {root} is damaged: {root}/.lock is a link", hint="remove it")
    for child in _files_read(root):
        if not _is_readable(child) and not contents.linked_entry(child.path, store_roots or ("",)):
            raise VenvError(
                f"the environment {root} is damaged: {child.path} is no file",
                hint="remove it, and install its distribution again",
            )


def check_frame(environment: Environment) -> None:
    """Raise VenvError if site-packages, the folder of scripts or one above them is a link that leads out of it."""
    base, scripts = environment.interpreter.site_packages, environment.interpreter.scripts
    for folder in (*paths.ancestors(base), base, *paths.ancestors(scripts), scripts):
        place = f"{environment.root}/{folder}"
        if links.read_link(place):
            inside = os.path.realpath(environment.root) + os.sep
            if not os.path.realpath(place).startswith(inside):
                raise VenvError(
                    f"cannot use {environment.root}: {place} is a link that leads out of it",
                    hint="put a folder in its place, or make the environment anew",
                )


def _files_read(root: str) -> Iterator[os.DirEntry[str]]:
    """Yield what is read whenever the environment is looked at: metadata, and what names further folders."""
    try:
        folders = contents.site_packages_of(root)
    except OSError:
        return  # who needs them says so
    for folder in folders:
        for child in _children(folder):
            if child.name.endswith(".dist-info"):
                yield from _children(child.path)
            elif child.name.endswith(_READ_AT_START):
                yield child


def _children(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as children:
            return list(children)
    except OSError:
        return []


def _is_readable(child: os.DirEntry[str]) -> bool:
    """Tell whether a file or a folder is there, or nothing that could be waited for: a link to nothing."""
    try:
        return child.is_file() or child.is_dir() or not os.path.exists(child.path)
    except OSError:
        return True
