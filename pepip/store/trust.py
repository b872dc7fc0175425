"""Trust in a store that several users may write: each user links only the entries of trusted users.

The owner of an entry can change it. A store of one user has no entries of others. In a shared store users link their
own entries, root's entries, and entries of the store's owner. Users link entries of other members only if the store's
owner trusts these members, or all members. Any other entry counts as absent: the wheel is stored again, in the user's
own bucket. A check of the entry's bytes would not help, because its owner can change them later.
"""

from __future__ import annotations

import json
import os
import stat
import sys

from pepip import paths
from pepip.errors import StoreError
from pepip.fast_namedtuple import NamedTuple
from pepip.host import files, rights

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

OWNER, MEMBERS = "owner", "members"

_FORMAT = 1
_MOST_BYTES = 1 << 16
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


class Trust(NamedTuple):
    """The trusted users of a shared store: `everybody`, or the `users` with these numbers.

    All users link the entries of a trusted user. Root and the store's owner are always in `users`. Each user links
    their own entries, too.
    """

    everybody: bool
    users: frozenset[int]

    def covers(self, user_id: int) -> bool:
        """Tell whether all users link the entries of this user."""
        return self.everybody or user_id in self.users


def is_shared(root_stat: os.stat_result) -> bool:
    """Tell whether users other than its owner may write a store whose root has this status."""
    return sys.platform != "win32" and bool(root_stat.st_mode & _WRITABLE_BY_OTHERS)


def serves_others(store_root: str, root_stat: os.stat_result) -> bool:
    """Tell whether users other than its owner link from a store: they may write it, or it is a layer for them."""
    return is_shared(root_stat) or os.path.lexists(paths.layer_policy(store_root))


def dump(trust: Trust) -> bytes:
    """Return the content of the file that names the users whom a shared store trusts."""
    said = MEMBERS if trust.everybody else OWNER
    return json.dumps({"format": _FORMAT, "trust": said, "users": sorted(trust.users)}).encode() + b"\n"


def read(store_root: str, root_stat: os.stat_result) -> Trust:
    """Return the users whom the owner of a store trusts: root, the owner, and the users that the file names.

    The file is ignored if it belongs to another user, if others may write it, or if it has a second hard link: such a
    file may be that of another store.
    """
    owners = frozenset({0, root_stat.st_uid})
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


def in_words(trust: Trust, root_stat: os.stat_result) -> str:
    """Return words for the entries that each user links: `their own entries, ann's, its owner's and root's`."""
    if trust.everybody:
        return "the entries of all members"
    others = [rights.name_of(number) for number in sorted(trust.users - {0, root_stat.st_uid})]
    return "their own entries, " + ", ".join([*(f"{name}'s" for name in others), "its owner's and root's"])


def weakness(store_root: str, root_stat: os.stat_result) -> str:
    """Return a sentence that says how members of a shared store could replace an entry, empty if they can't.

    A user who may rename one of the store's own folders can replace entries. If all members are trusted, that is no
    weakness.
    """
    if not is_shared(root_stat):
        return ""
    trust = read(store_root, root_stat)
    if trust.everybody:
        return ""
    if not root_stat.st_mode & stat.S_ISVTX:
        return f"members of {store_root} can rename its folders, and so change the code that others import"
    for folder in _frame(store_root):
        try:
            status = os.lstat(folder)
        except FileNotFoundError:
            continue
        if not trust.covers(status.st_uid) and status.st_uid != files.user_id():
            return f"{folder} belongs to a member, who can change the code that others import"
        if status.st_mode & _WRITABLE_BY_OTHERS and not status.st_mode & stat.S_ISVTX:
            return f"members can rename the folders in {folder}, and so change the code that others import"
    return ""


def refuse_foreign_links(store_root: str, root_stat: os.stat_result) -> None:
    """Raise StoreError if another user made a link in the place of one of a shared store's own folders.

    That user would choose the folder in which pepip writes files, and deletes the leftovers of killed runs. A link
    that this user, the store's owner or root made is fine: the folder may be on another disk.
    """
    if not is_shared(root_stat):
        return
    trusted = {0, root_stat.st_uid, files.user_id()}
    for folder in (*_frame(store_root), paths.cache(store_root)):
        try:
            status = os.lstat(folder)
        except OSError:
            continue
        if stat.S_ISLNK(status.st_mode) and (status.st_uid not in trusted or status.st_nlink > 1):
            raise StoreError(
                f"{folder} is a link that another user may have made, and may lead anywhere",
                hint="its owner, the store's owner or root can remove it; pepip then makes a folder in its place",
            )


def _frame(store_root: str) -> Iterable[str]:
    return (
        paths.packages(store_root),
        paths.projects(store_root),
        paths.staging(store_root),
        paths.trash(store_root),
    )
