"""The lower layers of overlayfs, such as the image of a container.

A change copies a file of a lower layer into the upper one, and a removal hides it. So neither frees space. A folder
of a lower layer can't be renamed (EXDEV), unless the file system was mounted with `redirect_dir`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import tempfile

from pepip.host import filesystems

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def in_lower_layer(folders: Iterable[str], *, scratch: str = "") -> set[str]:
    """Return those of `folders` that lie in a lower layer. All are on one file system. Changes nothing in them.

    The check makes a temporary folder in `scratch`, or else in the system's folder for temporary files. If that is on
    another file system than `folders`, the answer is empty.
    """
    known = list(folders)
    if sys.platform != "linux" or not known:
        return set()
    try:
        if os.major(os.stat(known[0]).st_dev) or filesystems.kind_of(known[0]) != "overlay":
            return set()
        with tempfile.TemporaryDirectory(prefix=".pepip-", dir=scratch or None) as own:
            if filesystems.mount_point(own) != filesystems.mount_point(known[0]):
                return set()
            occupied = f"{own}/occupied"
            os.makedirs(f"{occupied}/by this folder")
            return {folder for folder in known if not _could_be_renamed(folder, occupied)}
    except OSError:
        return set()


def _could_be_renamed(folder: str, occupied: str) -> bool:
    """Tell whether a folder could be renamed. The attempt always fails: the new name is that of a full folder.

    Overlayfs first looks whether the folder is in a lower layer, and then whether the new name is free.
    """
    try:
        os.rename(folder, occupied)
    except OSError as error:
        return error.errno != errno.EXDEV
    return True


def move(source: str, target: str) -> None:
    """Rename a file or folder within a file system. `target` does not exist.

    A folder of a lower layer is made anew, and its contents are renamed one by one. If that is interrupted, part of
    them is still at `source`: see `join`. Raises OSError, EXDEV if `target` is on another file system.
    """
    try:
        os.rename(source, target)
    except OSError as error:
        is_folder = os.path.isdir(source) and not os.path.islink(source)
        if error.errno != errno.EXDEV or not is_folder or filesystems.kind_of(source) != "overlay":
            raise
    else:
        return
    mode = os.stat(source).st_mode & 0o7777
    os.mkdir(target, mode | 0o700)
    for name in os.listdir(source):
        move(f"{source}/{name}", f"{target}/{name}")
    os.chmod(target, mode)
    os.rmdir(source)


def join(source: str, target: str) -> None:
    """Undo an interrupted `move` of `target` to `source`: all goes back. Does nothing if it had not begun.

    No link is followed. A file at `target` that a program has made meanwhile is replaced. Raises FileExistsError if a
    link stands in the place of a folder there.
    """
    with contextlib.suppress(FileNotFoundError):
        if not os.path.lexists(target) or os.path.islink(source) or not os.path.isdir(source):
            os.replace(source, target)
            return
        if os.path.islink(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
        for name in os.listdir(source):
            join(f"{source}/{name}", f"{target}/{name}")
        os.rmdir(source)
