"""Founding a store: for one user, or for a group that shares it."""

from __future__ import annotations

import os
import stat
import sys

from pepip import paths
from pepip.errors import StoreError, UsageError
from pepip.host import files, permissions
from pepip.records import NamedTuple
from pepip.store import trust

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.store.home import Store

_OF_ONE = 0o755
_OF_A_GROUP = 0o3775  # the group writes, and only owners remove: files of others stay where they are


class Founded(NamedTuple):
    """A store as it is now. `group` is empty for that of one user, and `trust` then."""

    home: str
    group: str
    trust: str


def found(store: Store, *, group: str = "", trusted: str = trust.OWNER) -> Founded:
    """Make the folders of a store, or set the modes right of one that is there, and say what it is now.

    `group` may write it, and `trusted` says whose entries its users link: see `trust`. Idempotent. Raises StoreError
    or UsageError, before anything is changed, where this user may not do that.
    """
    if not group and trusted == trust.MEMBERS:
        raise UsageError("a store of one user has no members to trust", hint="--shared GROUP")
    group_id = _group_id(group) if group else -1
    _check_owner(store)
    if not os.path.isdir(store.home):
        try:
            os.makedirs(store.home, mode=0o755)
        except OSError as error:
            raise StoreError(f"cannot make the store {store.home}: {error.strerror}") from error
    home = os.path.realpath(store.home)
    owner_id, mode = os.stat(home).st_uid, _OF_A_GROUP
    if not group:  # who could not look into it before can't now
        mode = stat.S_IMODE(os.stat(home).st_mode) & _OF_ONE
    folders = (paths.packages, paths.projects, paths.staging, paths.trash, paths.cache)
    for folder in (home, *(folder(home) for folder in folders)):
        permissions.found_directory(folder, mode=mode, owner_id=owner_id, group_id=group_id)
    fresh = store.renewed()
    fresh.create()
    with fresh.linking():
        pass  # makes the lock, which everybody must be able to wait for
    _state_trust(store.home, trusted if group else "")
    return Founded(store.home, group, trusted if group else "")


def _group_id(group: str) -> int:
    if sys.platform == "win32":
        raise UsageError("a store can't be shared by a group on Windows", hint="share its folder there")
    import grp

    try:
        found = grp.getgrgid(int(group)) if group.isdecimal() else grp.getgrnam(group)
        group_id, name = found.gr_gid, found.gr_name
    except KeyError:
        if not group.isdecimal():
            raise UsageError(f"there is no group {group}", hint="`getent group` lists those that there are") from None
        group_id, name = int(group), group
    if os.geteuid() != 0 and group_id not in {os.getegid(), *os.getgroups()}:
        raise StoreError(f"you are no member of the group {name}", hint="one of its members, or root, can do this")
    return group_id


def _check_owner(store: Store) -> None:
    try:
        status = os.lstat(store.home)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(os.stat(store.home).st_mode):
        raise StoreError(f"{store.home} is no folder", hint="set PEPIP_HOME to a folder")
    if files.user_id() not in {0, status.st_uid}:
        raise StoreError(f"{store.home} is another user's", hint="its owner, or root, can do this")


def _state_trust(home: str, trusted: str) -> None:
    path = paths.trust(home)
    temporary = f"{path}.{os.getpid()}"
    if trusted:
        files.create(temporary, trust.dump(trusted), mode=0o644)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    elif os.path.lexists(path):
        os.unlink(path)
