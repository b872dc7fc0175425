"""Whether all that uv and Python read in an environment are files: each would wait for ever at a pipe.

Nobody makes such things but by mistake, or out of malice: an environment may come with a checkout, or from a backup.
"""

from __future__ import annotations

import os

from pepip.environment import contents
from pepip.errors import VenvError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_READ_AT_START = (".pth", ".start", ".egg-link", ".egg-info")


def check(root: str, homes: tuple[str, ...] = ()) -> None:
    """Raise VenvError if something in the environment at `root` is a pipe, a device or a socket where a file belongs.

    What a link leads to in the store, whose paths are `homes`, is not looked at: that is the store's to mend.
    """
    for child in _files_read(root):
        if not _is_readable(child) and not contents.linked_entry(child.path, homes or ("",)):
            raise VenvError(
                f"the environment {root} is damaged: {child.path} is no file",
                hint="remove it, and install its distribution again",
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
