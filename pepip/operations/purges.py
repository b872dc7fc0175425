"""Purges: the site deletes files that nobody has used for a while, one by one.

Clusters purge their scratch file systems. The variable `PEPIP_PURGE_AFTER` names that time, such as `60d`. Without
it nothing here is done. With it, each command that changes or checks an environment looks for entries that have lost
files. It also sets the times of last access of the files of the environment and of its entries, so that the purge
leaves these files. Modification times stay, since bytecode is valid only for one modification time of its source.
"""

from __future__ import annotations

import contextlib
import os
import time

from pepip import digests, humanized, paths
from pepip.environment import contents
from pepip.errors import UsageError
from pepip.host import files, parallel
from pepip.host.links import read_link, walk
from pepip.operations import foreign_writes
from pepip.operations.reporting import Progress
from pepip.store import check
from pepip.uv.answer_cache import UNTIL, AnswerCache, states

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from pepip.model import Entry, Environment
    from pepip.store.root import Store

VARIABLE = "PEPIP_PURGE_AFTER"
_TOUCHES = 4
"""A used environment is touched so many times within the time of the purge."""
_JUST_WRITTEN_NS = 60_000_000_000
"""A file that was written within this time is not touched: it needs no touch, and may still be written."""


def seconds() -> float:
    """Return the age at which the site deletes files, 0 if it does not. Raises UsageError if the value is no time."""
    text = os.environ.get(VARIABLE, "")
    found = humanized.parse_age(text) if text not in {"", "0"} else 0.0
    if found is None:
        raise UsageError(
            f"{VARIABLE}: {text!r} is not a time", hint="write a number and h, d or w, such as 60d; or 0"
        )
    return found


def give_up_purged(store: Store, environment: Environment) -> Generator[Progress, None, None]:
    """Find entries of an environment that have lost files, so that they are stored anew. Touch the files in use.

    A warning names each such entry. An entry that only somebody else can repair is named, too, but stays in use. Does
    nothing unless the user has named the time of a purge.
    """
    age = seconds()
    if not age:
        return
    ids = sorted({item.entry_id for item in contents.installed(environment, store.known_roots) if item.entry_id})
    written = []

    def look_at(entry_id: str) -> None:
        if foreign_writes.is_written(store.path_of(entry_id)):
            written.append(entry_id)

    parallel.each(look_at, ids, in_turn=not store.has_remote)
    for entry_id in sorted(written):
        yield from _give_up(store, entry_id)
    notes, name = AnswerCache(paths.cache(store.root)), f"touched-{_digest(environment.root)}"
    if notes.recall(name) is None:
        _touch(store, environment, [store.path_of(entry_id) for entry_id in ids if not paths.is_layered(entry_id)])
        notes.remember(name, "", states([next_touch()]))


def next_touch() -> str:
    """Return the time at which a used environment must be touched again, as a place for `answer_cache.states`."""
    return f"{UNTIL}{time.time() + seconds() / _TOUCHES:.0f}"


def folders(entry: Entry) -> list[str]:
    """Return all folders of an entry but `__pycache__`: the time of a folder changes when it loses a file."""
    found = []
    for folder, inner, _ in walk(entry.path):
        inner[:] = [name for name in inner if name != paths.PYCACHE]
        found.append(folder)
    return found


def _give_up(store: Store, entry_id: str) -> Iterator[Progress]:
    """Let an entry that has lost files count as lost, if this user may repair it. Yield a warning.

    The entry of a layer counts as lost in this run only. Other flaws are left to other checks.
    """
    path = store.path_of(entry_id)
    lost = next((flaw.path for flaw in check.inspect(path) if flaw.kind == "missing"), "")
    if not lost:
        return
    said = f"{os.path.basename(path)} in {paths.layer_of(entry_id) or store.root} has lost files, such as {lost}"
    if paths.is_layered(entry_id):
        store.unusable.add(entry_id)
        yield Progress("warning", said)
    elif store.owns_entry(path):
        foreign_writes.break_seal(store, path)
        yield Progress("warning", said)
    else:
        yield Progress("warning", f"{said}: its owner, or root, can repair it with `pepip store repair`")


def _touch(store: Store, environment: Environment, entry_paths: list[str]) -> None:
    """Set the times of last access of this user's files and links. Folders that can't be listed are passed over."""
    for folder in (store.root, paths.projects(store.root)):
        with contextlib.suppress(OSError):  # the first command on this machine: nothing has been stored yet
            _touch_files(path for name in os.listdir(folder) if os.path.isfile(path := f"{folder}/{name}"))
    parallel.each(_touch_tree, [environment.root, *entry_paths], in_turn=not store.has_remote)


def _touch_tree(root: str) -> None:
    for folder, inner, names in walk(root):
        links = (name for name in inner if read_link(f"{folder}/{name}"))
        _touch_files(f"{folder}/{name}" for name in (*names, *links))


def _touch_files(places: Iterator[str]) -> None:
    now_ns = time.time_ns()
    follows = os.utime not in os.supports_follow_symlinks
    user_id = files.user_id()
    for place in places:
        with contextlib.suppress(OSError):
            status = os.stat(place, follow_symlinks=follows)
            is_just_written = abs(now_ns - status.st_mtime_ns) < _JUST_WRITTEN_NS
            if status.st_uid == user_id and not is_just_written:
                os.utime(place, ns=(now_ns, status.st_mtime_ns), follow_symlinks=follows)


def _digest(text: str) -> str:
    return digests.hexadecimal(os.path.realpath(text).encode("utf-8", "surrogateescape"))[:32]
