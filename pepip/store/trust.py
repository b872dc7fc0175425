"""Whose entries a user links, in a store that several users may write.

Whoever owns an entry can change it. In a store of one user nobody else has any. In a shared one users link their own
entries, root's, and those of the store's owner. They link those of other members, of some or of all, only where the
store's owner has said so. Otherwise what others have stored is as if it were not there: it is stored once more, in a
bucket of one's own. Not even its present content would prove such an entry: its owner can change it afterwards.
"""

from __future__ import annotations

import json
import os
import stat
import sys

from pepip import paths
from pepip.fast_namedtuple import NamedTuple
from pepip.host import files, permissions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

OWNER, MEMBERS = "owner", "members"

_FORMAT = 1
_MOST_BYTES = 1 << 16
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


class Trust(NamedTuple):
    """Whose entries each user of a shared store links beside their own.

    Those of `everybody`, or of `users`, by number; root and the store's owner are among them.
    """

    everybody: bool
    users: frozenset[int]

    def covers(self, user_id: int) -> bool:
        """Tell whether the entries of a user are linked by all."""
        return self.everybody or user_id in self.users


def is_shared(like: os.stat_result) -> bool:
    """Tell whether others than its owner may write a store whose root has this status."""
    return sys.platform != "win32" and bool(like.st_mode & _WRITABLE_BY_OTHERS)


def dump(trust: Trust) -> bytes:
    """Return the content of the file that says whom a shared store's users trust."""
    said = MEMBERS if trust.everybody else OWNER
    return json.dumps({"format": _FORMAT, "trust": said, "users": sorted(trust.users)}).encode() + b"\n"


def read(store_root: str, like: os.stat_result) -> Trust:
    """Return whom the owner of a store has said to trust: root and the owner, if nothing was said.

    A file of anybody else says nothing, nor one that others may write, nor one with a second name: it may be another
    store's.
    """
    owners = frozenset({0, like.st_uid})
    try:
        descriptor = files.open_regular(paths.trust(store_root))
        try:
            status, content = os.fstat(descriptor), os.read(descriptor, _MOST_BYTES)
        finally:
            os.close(descriptor)
        if status.st_uid in owners and status.st_nlink == 1 and not status.st_mode & _WRITABLE_BY_OTHERS:
            document = files.load_json(content)
            if document["format"] == _FORMAT:
                users = frozenset(number for number in document.get("users", ()) if isinstance(number, int))
                return Trust(document["trust"] == MEMBERS, owners | users)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    return Trust(everybody=False, users=owners)


def said(trust: Trust, like: os.stat_result) -> str:
    """Return in words whose entries each user of a store links."""
    if trust.everybody:
        return "what any of them has stored"
    others = (permissions.name_of(number) for number in sorted(trust.users - {0, like.st_uid}))
    return " and ".join(["their own entries, its owner's and root's", *others])


def weakness(store_root: str, like: os.stat_result) -> str:
    """Return in a sentence how members of a shared store could put other files in an entry's place, empty if not.

    Whoever may rename a folder of its frame could. Where all members are trusted that is no weakness.
    """
    if not is_shared(like):
        return ""
    trust = read(store_root, like)
    if trust.everybody:
        return ""
    if not like.st_mode & stat.S_ISVTX:
        return f"members of {store_root} can rename its folders, and so change what others import"
    for folder in _frame(store_root):
        try:
            status = os.lstat(folder)
        except FileNotFoundError:
            continue
        if not trust.covers(status.st_uid) and status.st_uid != files.user_id():
            return f"{folder} belongs to a member, who can change what others import"
        if status.st_mode & _WRITABLE_BY_OTHERS and not status.st_mode & stat.S_ISVTX:
            return f"members can rename what is in {folder}, and so change what others import"
    return ""


def _frame(store_root: str) -> Iterable[str]:
    return (
        paths.packages(store_root),
        paths.projects(store_root),
        paths.staging(store_root),
        paths.trash(store_root),
    )
