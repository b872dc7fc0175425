"""Marking a folder as in use: an environment that a command changes, an interpreter that others build with.

A process takes a shared lock of the folder itself, or of a file beside it where other machines must see the lock.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager

from pepip.host import locks, system_locks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def in_use(folder: str, *, alone: bool = False, inside: bool = False) -> Iterator[None]:
    """Mark an existing folder as in use by this process.

    Several processes may use it at the same time. A process that wants to be `alone` waits for the others, and they
    wait for it. The folder itself is locked, so nothing is written. A file beside it, or `inside` it, is locked
    instead if the file system can't lock folders, or if other machines may see the folder. The last user of that file
    removes it. Does nothing on Windows, which can't lock a folder.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    except OSError:
        yield
        return
    try:
        try:
            is_locked = sys.platform == "win32" or system_locks.wait_for_flock(descriptor, shared=not alone)
        except OSError as error:
            raise locks.failure(error, folder) from error
        if sys.platform == "win32" or (is_locked and not locks.is_remote(folder, descriptor)):
            yield
            return
        file = f"{folder}/.pepip-in-use" if inside else _beside(folder)
        with locks.held(file, shared=not alone, remove=alone):
            yield
        if not alone:
            with locks.taken_if_free(file):
                pass  # removes the file, unless another process has it
    finally:
        os.close(descriptor)


def is_in_use(folder: str) -> bool:
    """Tell whether another process uses a folder: `in_use` without `inside`. False if it can't be opened."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    except OSError:
        return False
    try:
        is_free = True if sys.platform == "win32" else system_locks.attempt_flock(descriptor)
        if is_free is False:
            return True
        return locks.is_held(_beside(folder)) if is_free is None or locks.is_remote(folder, descriptor) else False
    finally:
        os.close(descriptor)


def _beside(folder: str) -> str:
    """Return the file that is locked instead of a folder. It lies beside the folder, because that may be replaced."""
    above, _, name = os.path.realpath(folder).rpartition("/")
    return f"{above}/.{name.removeprefix('.')}.pepip-in-use"
