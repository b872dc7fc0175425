"""Opens the folders of a path one after the other and follows no link, even if somebody replaces a folder by one."""

from __future__ import annotations

import contextlib
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def opened(root: str, path: str) -> Iterator[tuple[str, int | None]]:
    """Yield the last name of `path`, which is below `root`, and a descriptor of its folder, for system calls.

    On Windows the name is the whole path, and the descriptor is None. Raises NotADirectoryError if a link is in the
    place of a folder, and other OSErrors.
    """
    if sys.platform == "win32":
        yield path, None
        return
    *folders, name = os.path.relpath(path, root).split("/")
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    descriptor = os.open(root, flags)
    try:
        for folder in folders:
            inner = os.open(folder, flags | os.O_NOFOLLOW, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        yield name, descriptor
    finally:
        os.close(descriptor)


def move(root: str, path: str, target: str) -> None:
    """Rename `path` to `target`; both are below `root`. Raises OSError."""
    with opened(root, path) as (name, folder), opened(root, target) as (new_name, new_folder):
        os.rename(name, new_name, src_dir_fd=folder, dst_dir_fd=new_folder)
