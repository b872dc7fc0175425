"""Making a store: for one user, or for a group that shares it."""

from __future__ import annotations

import contextlib
import os
import stat
import sys

from pepip import paths
from pepip.errors import StoreError, UsageError
from pepip.fast_namedtuple import NamedTuple
from pepip.host import files, permissions
from pepip.store import check, entries, leases, listing, trust

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pepip.store.root import Store

_OF_ONE = 0o755
_OF_A_GROUP = 0o3775  # the group writes; the sticky bit keeps users from removing files of others
_LARGEST_ID = (1 << 32) - 2


class InitializedStore(NamedTuple):
    """A store as it is now. `group` is empty for a store of one user; `trust` says whose entries its users link.

    `open_entries` are the ids of entries of which other users can still write a file.
    """

    home: str
    group: str
    trust: str
    is_layer: bool = False
    lease_days: int = 0
    open_entries: tuple[str, ...] = ()


def initialize(
    store: Store, *, group: str = "", trusted: Sequence[str] = (), layer: leases.Policy | None = None
) -> InitializedStore:
    """Make the folders of a store, or correct the modes of an existing one, and return its new state.

    `group` may write the store. `trusted` names the users whose entries its members link in addition to their own,
    root's and the store owner's; `members` stands for all members. `layer` makes the store a layer for others.
    Without it, a layer stays a layer. Idempotent. Raises UsageError or StoreError, before anything is changed, if
    this user may not do that. Also raises StoreError if one of the folders is a link, or belongs to another user.
    Then the folders before it already have their new modes.
    """
    if not group and {*trusted} - {trust.OWNER}:
        raise UsageError("a store of one user has no members to trust", hint="name their group with --shared GROUP")
    group_id = _group_id(group) if group else -1
    users = frozenset(_user_id(name) for name in trusted if name not in {trust.MEMBERS, trust.OWNER})
    _check_owner(store)
    store.make_root()
    root = os.path.realpath(store.root)
    owner_id, mode = os.stat(root).st_uid, _OF_A_GROUP
    if not group:  # users who could not read the store before still can't
        mode = stat.S_IMODE(os.stat(root).st_mode) & _OF_ONE
    folders = (paths.packages, paths.projects, paths.staging, paths.trash, paths.cache)
    for folder in (root, *(folder(root) for folder in folders)):
        permissions.ensure_directory(folder, mode=mode, owner_id=owner_id, group_id=group_id)
    _correct_buckets(paths.packages(root), mode=mode, owner_id=owner_id, group_id=group_id)
    _write_trust(store.root, trust.Trust(trust.MEMBERS in trusted, users | {0, owner_id}) if group else None)
    fresh = store.reread()
    fresh.create()
    with fresh.linking():
        pass  # makes the lock file, which every user must be able to open
    if layer:
        try:
            leases.set_policy(store.root, layer)
        except OSError as error:
            raise store.refusal(store.root, error) from error
    left = _close_entries(fresh)
    said = trust.in_words(fresh.trust, fresh.root_stat) if group else ""
    policy = leases.policy_of(store.root)
    days = policy.days if policy and policy.takes_leases else 0
    return InitializedStore(store.root, group, said, policy is not None, days, left)


def _correct_buckets(packages: str, *, mode: int, owner_id: int, group_id: int) -> None:
    """Correct the owners and modes of buckets. The owner of a bucket could rename the entries of others in it.

    The contents of a bucket stay as they are, and so do buckets of other users, unless root runs this.
    """
    with os.scandir(packages) as children:
        names = [child.name for child in children if child.is_dir(follow_symlinks=False)]
    for name in names:
        user = name.rpartition("~")[2] if "~" in name else ""
        is_private = user.isdecimal() and int(user) <= _LARGEST_ID
        with contextlib.suppress(StoreError, PermissionError):
            permissions.ensure_directory(
                f"{packages}/{name}",
                mode=mode & ~0o1022 if is_private else mode,
                owner_id=int(user) if is_private else owner_id,
                group_id=group_id,
            )


def _close_entries(store: Store) -> tuple[str, ...]:
    """Let only this user write the files of this user's entries. Before, the user's group may have been able to.

    The correction seals the entry, so a changed entry is left as it is: `store verify` names it, and nobody links it.
    Returns the ids of all entries of which other users can still write a file.
    """
    left = []
    for item in listing.stored(store):
        with contextlib.suppress(FileNotFoundError):  # pruned meanwhile
            flaws = check.open_files_of(item.path)
            if flaws and store.owns_entry(item.path):
                with contextlib.suppress(OSError, ValueError, StoreError):  # a damaged entry
                    if entries.is_whole(entries.read(store, item.id)):
                        check.correct(item.path, flaws, "", root_stat=store.root_stat)
                flaws = check.open_files_of(item.path)
            left += [item.id] if flaws else []
    return tuple(left)


def _user_id(name: str) -> int:
    if sys.platform == "win32":
        raise UsageError("Windows has no user ids", hint="share the store's folder by means of Windows")
    import pwd

    try:
        return pwd.getpwuid(int(name)).pw_uid if name.isdecimal() else pwd.getpwnam(name).pw_uid
    except KeyError:
        if name.isdecimal():
            return int(name)
        raise UsageError(f"there is no user {name}", hint="--trust takes owner, members, or names of users") from None


def _group_id(group: str) -> int:
    if sys.platform == "win32":
        raise UsageError("a store can't be shared by a group on Windows", hint="share its folder by means of Windows")
    import grp

    try:
        found = grp.getgrgid(int(group)) if group.isdecimal() else grp.getgrnam(group)
        group_id, name = found.gr_gid, found.gr_name
    except KeyError:
        if not group.isdecimal():
            raise UsageError(f"there is no group {group}", hint="`getent group` lists all groups") from None
        group_id, name = int(group), group
    if os.geteuid() != 0 and group_id not in {os.getegid(), *os.getgroups()}:
        raise StoreError(f"you are not a member of the group {name}", hint="one of its members, or root, can do this")
    return group_id


def _check_owner(store: Store) -> None:
    try:
        status = os.lstat(store.root)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(os.stat(store.root).st_mode):
        raise StoreError(f"{store.root} is not a folder", hint="set PEPIP_HOME to a folder")
    if files.user_id() not in {0, status.st_uid}:
        raise StoreError(f"{store.root} belongs to another user", hint="its owner or root can do this")


def _write_trust(root: str, trusted: trust.Trust | None) -> None:
    path = paths.trust(root)
    if trusted is None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        return
    files.write_whole(path, trust.dump(trusted), exact_mode=0o644)
