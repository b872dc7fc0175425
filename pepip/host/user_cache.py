"""Cache files of one user, in a folder to which nobody else may write.

A file that another user wrote, or could have written, counts as missing.
"""

from __future__ import annotations

import errno
import os
import stat
import sys

from pepip.host import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def folder_in(cache: str) -> str:
    """Return the path of this user's folder in a store's `cache/`, which other users may write to."""
    return f"{cache}/answers-{files.user_id()}"


def read(folder: str, name: str, *, most_bytes: int, owner_id: int | None = None) -> bytes:
    """Return the content of a file in the folder of the user `owner_id`, by default this user.

    Raises OSError if the file can't be read, UnfitFileError (also a ValueError) if others could have written it.
    """
    user_id = files.user_id() if owner_id is None else owner_id
    if not _is_written_by_one(os.lstat(folder), user_id):
        raise files.UnfitFileError(folder, "others may write there")
    return files.read_regular(f"{folder}/{name}", most_bytes=most_bytes, is_trusted=True)


def modified_ns(folder: str, name: str) -> int:
    """Return when a file was written, in nanoseconds since 1970; 0 if it is missing."""
    try:
        return os.lstat(f"{folder}/{name}").st_mtime_ns
    except OSError:
        return 0


def write(folder: str, name: str, *contents: bytes, mode: int = 0o600, is_lasting: bool = False) -> None:
    """Write a file whole. Unless it `is_lasting`, the old file is removed first, which is faster.

    Then there is none for a moment, and a failure may lose it.
    A missing folder is made. Users who may read the file by its `mode` may enter that folder.
    Raises OSError if the file can't be written, or if another user owns the folder. Nothing new is written then.
    """
    import contextlib

    make_folder(folder, mode=mode | 0o100 | (mode & 0o044) >> 2)
    if not is_lasting:
        # If a rename replaces a file, ext4 first sends the new content to the disk, which takes milliseconds.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{folder}/{name}")
    files.write_whole(f"{folder}/{name}", *contents, mode=mode)


def updating(folder: str) -> AbstractContextManager[bool]:
    """Keep other processes of this user from updating lasting files in a folder.

    The caller then reads a file, and writes it with a part changed. A missing folder is made. Raises OSError.
    """
    from pepip.host import locks

    make_folder(folder)
    return locks.held(f"{folder}/.lock", mode=0o600)


def make_folder(folder: str, *, mode: int = 0o700) -> None:
    """Make a folder that this user alone writes. Raises PermissionError if a link or another's folder is there."""
    try:
        os.mkdir(folder, mode)
    except FileExistsError:
        if _is_written_by_one(os.lstat(folder), files.user_id()):
            return
        try:
            _close_to_others(folder, mode)
        except OSError:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), folder) from None


def _close_to_others(folder: str, mode: int) -> None:
    """Set the mode of this user's folder: an older pepip may have left it writable for others. Raises OSError."""
    if sys.platform != "win32":
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if os.fstat(descriptor).st_uid != files.user_id():
                raise PermissionError
            os.fchmod(descriptor, mode)
        finally:
            os.close(descriptor)


def _is_written_by_one(status: os.stat_result, user_id: int) -> bool:
    """Tell whether a folder belongs to the user `user_id`, and nobody else may write to it."""
    if not stat.S_ISDIR(status.st_mode):
        return False
    return sys.platform == "win32" or (status.st_uid == user_id and not status.st_mode & _OTHERS_WRITE)
