"""Removes entries from the store: an entry is renamed into the trash, whole, and only then taken apart.

No environment links an entry in the trash. Each run that removes entries has a folder there, its grave, and empties
it. If the run was killed, the next run empties its grave. A kept grave stays until the time in its name. It has the
entries in folders named after their buckets, so that `restore` can rename them back. Before a kept grave is emptied,
it gets another name, so that nobody restores an entry that is being deleted.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import time

from pepip import paths
from pepip.errors import StoreError
from pepip.fast_namedtuple import NamedTuple
from pepip.host import files, filesystems, folders, locks, permissions, rights, run_dirs
from pepip.store import buried, staging

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pepip.store.root import Store

_LEAST_FREE_SHARE = 0.2
"""Entries may wait in the trash if at least this share of the disk is free."""

_KEPT = re.compile(r"\d+-\d+\.kept-(\d{1,20})-(\d{1,12})")


class Grave(NamedTuple):
    """A kept grave: its path, when its entries were removed and until when they are kept, in seconds since 1970.

    `entry_ids` are the entries in it, `environments` the paths that its environments had.
    """

    path: str
    removed_at: float
    kept_until: int
    entry_ids: tuple[str, ...]
    environments: tuple[str, ...] = ()


class Restored(NamedTuple):
    """The ids of entries and the paths of environments that are back. `taken` has those whose place is taken."""

    entry_ids: tuple[str, ...]
    environments: tuple[str, ...]
    taken: tuple[str, ...]


def has_room(store: Store) -> bool:
    """Tell whether entries may wait in the trash: at least a fifth of the store's disk is free."""
    return filesystems.free_share(store.root) >= _LEAST_FREE_SHARE


@contextlib.contextmanager
def grave(store: Store, *, keep_seconds: float = 0) -> Iterator[str]:
    """Make a folder in the trash for one run's discarded entries, and yield it. No other run empties it meanwhile.

    With `keep_seconds`, it is kept for that many seconds from now. A folder that has grown never gives its blocks
    back, so each run has its own, and the trash itself stays small. If the disk is too full for a new folder, yield
    the trash itself; then another run may empty it at any time. With `keep_seconds`, StoreError is raised instead.
    """
    whole = paths.trash(store.root)
    now = time.time_ns()
    suffix = f".kept-{now}-{int(now / 1e9 + keep_seconds)}" if keep_seconds > 0 else ""
    with run_dirs.marked(whole, mode=store.lock_mode, suffix=suffix) as folder:
        try:
            os.mkdir(folder, 0o700)  # no other member of a team may place a link where entries are moved to
        except OSError as error:
            if error.errno not in filesystems.FULL:
                raise store.refusal(folder, error) from error
            if suffix:
                hint = "`pepip prune --now` removes unused entries for good"
                raise StoreError("the disk is too full for the trash", hint=hint) from error
            yield whole
            return
        try:
            yield folder
        finally:
            with contextlib.suppress(OSError):
                os.rmdir(folder)  # nothing was moved into it


def discard(store: Store, place: str, own: str = "") -> None:
    """Move the entry at `place` into a new grave, or into the grave `own`.

    If the entry can't be renamed (EXDEV on overlayfs), it is removed where it is. Raises StoreError if that fails,
    with a PermissionError as its cause if the entry is another user's. A failed move leaves the entry unchanged.
    """
    bucket, name = place.split("/")[-2:]
    try:
        try:
            with (
                staging.changing(store, place),
                permissions.writable(store.root, place),
                contextlib.nullcontext(own) if own else grave(store) as folder,
            ):
                if is_kept(folder):
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(f"{folder}/{bucket}", 0o700)
                    folders.move(store.root, place, f"{folder}/{bucket}/{name}")
                else:
                    folders.move(store.root, place, f"{folder}/{name}.{bucket}.{time.monotonic_ns()}")
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            if not rights.is_own(place):  # its owner could put links into it during the removal
                raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), place) from error
            _take_apart(place)
    except OSError as error:
        raise refusal(store, place, error) from error


def discard_replaced(store: Store, replaced: str, place: str) -> None:
    """Move an entry that another one has replaced at `place` from its present path `replaced` into a new grave.

    If that fails, for example because the disk is full, the entry stays where it is.
    """
    bucket, name = place.split("/")[-2:]
    with contextlib.suppress(OSError, StoreError), permissions.writable(store.root, replaced), grave(store) as folder:
        folders.move(store.root, replaced, f"{folder}/{name}.{bucket}.{time.monotonic_ns()}")


def refusal(store: Store, place: str, error: OSError) -> StoreError:
    """Return the error for an entry that can't be moved. Without permission for that, it is another user's."""
    if isinstance(error, PermissionError):
        return StoreError(f"{os.path.basename(place)} is another user's", hint="its owner, or root, may remove it")
    return store.refusal(place, error)


def _take_apart(place: str) -> None:
    """Remove an entry where it is: overlayfs can't rename a folder of a lower layer, such as an image.

    The document goes first. Without it the rest is no entry. If this run is killed, the next one removes the rest.
    """
    permissions.unseal_tree(place)
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        os.unlink(f"{place}/{paths.ENTRY_METADATA}")
    filesystems.remove_tree(place)


def contents(store: Store, *, kept: bool = True) -> list[str]:
    """Return the paths of the graves in the trash. Without `kept`, those whose time is not over are left out."""
    folder = paths.trash(store.root)
    return [f"{folder}/{name}" for name in run_dirs.present(folder) if kept or not _is_time_left(name)]


def is_kept(grave_path: str) -> bool:
    """Tell whether a grave was made to be kept."""
    return _KEPT.fullmatch(os.path.basename(grave_path)) is not None


def trees_in(grave_path: str) -> list[str]:
    """Return the paths of the entries in a kept grave."""
    buckets = (f"{grave_path}/{bucket}" for bucket in _folders(grave_path) if not bucket.startswith("."))
    return [f"{bucket}/{entry}" for bucket in buckets for entry in _folders(bucket)]


def kept(store: Store) -> list[Grave]:
    """Return this user's kept graves, the latest first. The graves of prunes that still run are among them."""
    folder = paths.trash(store.root)
    found = []
    for name in run_dirs.present(folder):
        match = _KEPT.fullmatch(name)
        path = f"{folder}/{name}"
        if match and _is_time_left(name) and rights.is_own(path):
            entry_ids = tuple(tree[len(path) + 1 :] for tree in trees_in(path))
            environments = tuple(buried.environments_in(path))
            if entry_ids or environments:
                found.append(Grave(path, int(match[1]) / 1e9, int(match[2]), entry_ids, environments))
    return sorted(found, key=lambda item: item.removed_at, reverse=True)


def _is_time_left(name: str) -> bool:
    """Tell whether a name is that of a grave whose time is not over."""
    match = _KEPT.fullmatch(name)
    return match is not None and time.time() < int(match[2])


def _folders(path: str) -> list[str]:
    try:
        with os.scandir(path) as children:
            return sorted(child.name for child in children if child.is_dir(follow_symlinks=False))
    except OSError:
        return []


def empty(store: Store, *, kept: bool = False) -> None:
    """Remove the graves in the trash, as far as this user may, except those of runs that still go on.

    Graves whose time is not over stay, unless `kept` is set. If two processes empty the trash at once, one waits.
    """
    folder = paths.trash(store.root)
    if not os.path.isdir(folder):
        return
    with locks.held(f"{folder}/.lock", mode=store.lock_mode):
        for name in run_dirs.present(folder):
            path = f"{folder}/{name}"
            # The owner of a team's trash may rename members' graves. That would end their undo, and free nothing.
            is_mine = rights.is_own(path) or files.user_id() == 0
            is_over = is_kept(name) and (kept or not _is_time_left(name))
            if is_over and is_mine and not run_dirs.is_in_use(path):
                _give_up(path)
        run_dirs.remove_abandoned(folder, spares=is_kept)


def _give_up(grave_path: str) -> None:
    """Give a kept grave the name of one that is not kept: then nobody restores from it. Another user's stays."""
    with contextlib.suppress(OSError):
        os.rename(grave_path, f"{os.path.dirname(grave_path)}/{os.getpid()}-{time.monotonic_ns()}")


def expire(store: Store) -> None:
    """Remove kept graves whose time is over. Only lists the trash if there are none."""
    names = run_dirs.present(paths.trash(store.root))
    if any(is_kept(name) and not _is_time_left(name) for name in names):
        empty(store)


def make_room(store: Store, *, is_full: bool = False) -> bool:
    """Remove kept graves whose time is over; all of them if the disk has no ample room, or `is_full`.

    Return whether there were any to remove. A few system calls if the trash is empty.
    """
    names = [name for name in run_dirs.present(paths.trash(store.root)) if is_kept(name)]
    everything = bool(names) and (is_full or not has_room(store))
    due = [name for name in names if everything or not _is_time_left(name)]
    if due:
        empty(store, kept=everything)
    return bool(due)


def restore(store: Store, grave: Grave) -> Restored:
    """Move the content of a kept grave back to its places, each by one rename. The caller holds off prunes.

    Entries come first, then the environments that link them. An entry or environment whose place is taken is deleted
    with the grave: an install has stored the wheel again, or another wheel of the same name, or somebody made the
    environment anew. After a kill, each entry is whole, at its place or in the grave. Raises StoreError if the grave
    is gone or in use, if the store can't be written, or if the folder above an environment is gone. The rest then
    stays in the grave.
    """
    back, taken = [], []
    with locks.held(f"{paths.trash(store.root)}/.lock", mode=store.lock_mode):
        if run_dirs.is_in_use(grave.path) or not os.path.isdir(grave.path):
            raise StoreError("the trash was emptied meanwhile, so nothing can be brought back")
        for tree in trees_in(grave.path):  # the prune that filled the grave may have gone on since `kept` looked
            entry_id = tree[len(grave.path) + 1 :]
            path = f"{grave.path}/{entry_id}"
            place = store.path_of(entry_id)
            bucket = os.path.dirname(place)
            store.make_folder(bucket, is_private="~" in os.path.basename(bucket))
            if os.path.lexists(place):
                taken.append(entry_id)
                continue
            try:
                with permissions.writable(store.root, path), permissions.sealing(path, root_stat=store.root_stat):
                    folders.move(store.root, path, place)
            except OSError as error:
                if not os.path.isdir(place):
                    raise store.refusal(place, error) from error
                taken.append(entry_id)
            else:
                back.append(entry_id)
        environments, others = buried.exhume(store, grave.path)
        _give_up(grave.path)
        run_dirs.remove_abandoned(paths.trash(store.root), spares=is_kept)
    return Restored(tuple(back), tuple(environments), (*taken, *others))
