"""Whose entries a user links, in a store that several users may write.

Whoever owns an entry can change it. In a store of one user nobody else has any. In a shared one users link their own
entries, root's, and those of the store's owner. They link those of all members only where the store's owner has said
so. Otherwise what others have stored is as if it were not there: it is stored once more, in a bucket of one's own.
"""

from __future__ import annotations

import json
import os
import stat
import sys

from pepip import paths
from pepip.host import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

OWNER, MEMBERS = "owner", "members"
CHOICES = (OWNER, MEMBERS)

_FORMAT = 1
_MOST_BYTES = 1 << 16
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def is_shared(like: os.stat_result) -> bool:
    """Tell whether others than its owner may write a store whose root has this status."""
    return sys.platform != "win32" and bool(like.st_mode & _WRITABLE_BY_OTHERS)


def dump(trust: str) -> bytes:
    """Return the content of the file that says whom a shared store's users trust."""
    return json.dumps({"format": _FORMAT, "trust": trust}).encode() + b"\n"


def stated(home: str, like: os.stat_result) -> str:
    """Return what the owner of a store has said of trust, empty if nothing: one of `CHOICES`.

    A file of anybody else says nothing, nor one that others may write.
    """
    path = paths.trust(home)
    try:
        status = os.lstat(path)
        if status.st_uid not in {0, like.st_uid} or status.st_mode & _WRITABLE_BY_OTHERS:
            return ""
        document = json.loads(files.read_regular(path, most_bytes=_MOST_BYTES))
        found = document["trust"] if document["format"] == _FORMAT else ""
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""
    return found if found in CHOICES else ""


def weakness(home: str, like: os.stat_result) -> str:
    """Return in a sentence how members of a shared store could put other files in an entry's place, empty if not.

    Whoever may rename a folder of its frame could. Where all members are trusted that is no weakness.
    """
    if not is_shared(like) or stated(home, like) == MEMBERS:
        return ""
    if not like.st_mode & stat.S_ISVTX:
        return f"members of {home} can rename its folders, and so change what others import"
    for folder in _frame(home):
        try:
            status = os.lstat(folder)
        except FileNotFoundError:
            continue
        if status.st_uid not in {0, like.st_uid, files.user_id()}:
            return f"{folder} belongs to a member, who can change what others import"
    return ""


def _frame(home: str) -> Iterable[str]:
    return (paths.packages(home), paths.projects(home))
