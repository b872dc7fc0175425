"""The entries that an environment links: whether they are whole, and files in this user's cache about them.

A change needs the data of every entry that the environment links. Reading this one file takes a fraction of the time
that reading all documents takes. The data of an entry count only while its document has the same modification time
and inode: `entries.read` looks at these each time.
"""

from __future__ import annotations

import json

from pepip import __version__, digests, paths
from pepip.environment import contents
from pepip.errors import CorruptEntryError
from pepip.model import Entry
from pepip.store import entries
from pepip.store.root import CachedEntry
from pepip.uv.answer_cache import AnswerCache, states

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from pepip.model import Environment, Installed
    from pepip.store.root import Store

_DATA = Entry._fields.index("data")
_ROWS_PER_CHANGE = 8  # the file is written anew if more than one in eight entries has changed


def recall(store: Store, root: str, present: Callable[[], Iterable[Installed]]) -> None:
    """Load the entries of the environment at `root` from the cache. They count as read by this run.

    An environment that was not changed since it was made has no note of its own. Then the note that all new
    environments with the entries of those `present` share is taken, and the entries that it lacks are read.
    """
    if root in store.recalled_entries:
        return
    rows = _noted(store, _key(store, "entries", paths.real(root)))
    store.recalled_entries[root] = {row.entry.id: row for row in rows}
    items = () if rows else present()
    for row in rows or _noted(store, _key_of_new(store, (item.entry_id for item in items))):
        store.known_entries.setdefault(row.entry.id, row)
    for item in items:
        if item.entry_id not in store.known_entries:
            entry_of(store, item)


def _noted(store: Store, key: str) -> list[CachedEntry]:
    text = AnswerCache(paths.cache(store.root)).recall_last(key)
    try:
        return [CachedEntry(_entry(fields), *state) for fields, *state in json.loads(text or "[]")]
    except (ValueError, TypeError, AttributeError):
        return []  # the file is damaged: `note` writes it anew


def note(store: Store, root: str, present: Iterable[Installed], *, is_new: bool) -> None:
    """Keep the entries of those `present` in the environment at `root`, as far as this run has read them.

    The file stays as it is if few of these entries have changed since they were recalled. A new environment may never
    be changed, so it gets no file of its own. The file that it shares with others is written once in an hour, because
    each hour the documents get new times: see `entries.note_linked`.
    """
    entry_ids = [item.entry_id for item in present]
    before = store.recalled_entries.get(root, {})
    rows = [store.known_entries[entry_id] for entry_id in entry_ids if entry_id in store.known_entries]
    changed = sum(row is not before.get(row.entry.id) for row in rows)
    answers = AnswerCache(paths.cache(store.root))
    if is_new:
        key = _key_of_new(store, entry_ids)
        is_due = bool(rows) and not answers.is_recent(key, entries.NOTE_SECONDS)
    else:
        key = _key(store, "entries", paths.real(root))
        is_due = changed * _ROWS_PER_CHANGE > len(rows)
    if is_due:
        answers.remember(key, json.dumps(rows), states([f"{root}/pyvenv.cfg"]))


def is_as_left(store: Store, environment: Environment) -> bool:
    """Tell whether no other tool has added or removed a distribution since this user's last change by pepip.

    That would change the time of site-packages. The caller holds the environment's lock.
    """
    return AnswerCache(paths.cache(store.root)).recall(_key(store, "left", paths.real(environment.root))) is not None


def note_as_left(store: Store, environment: Environment) -> None:
    """Note the state in which pepip leaves an environment, for `is_as_left`. The caller holds its lock.

    Nothing is noted on a file system that stamps in whole seconds: two changes could have the same stamp.
    """
    evidence = states([f"{environment.site_packages}/."])
    if not evidence[0][1].endswith("0" * 9):
        AnswerCache(paths.cache(store.root)).remember(_key(store, "left", paths.real(environment.root)), "", evidence)


def _entry(fields: list[Any]) -> Entry:
    """Return an entry from its fields in JSON, where tuples are lists."""
    values = [tuple(value) if value.__class__ is list else value for value in fields]
    data = values[_DATA]
    if data:
        values[_DATA] = tuple([(scheme, path) for scheme, path in data])
    return tuple.__new__(Entry, values)


def _key(store: Store, topic: str, *words: str) -> str:
    words = (__version__, *Entry._fields, store.known_roots.own[-1], *words)
    return f"{topic}-{digests.hexadecimal(chr(0).join(words).encode('utf-8', 'surrogateescape'))[:32]}"


def _key_of_new(store: Store, entry_ids: Iterable[str]) -> str:
    return _key(store, "entries-of-new", *sorted(filter(None, entry_ids)))


def entry_of(store: Store, distribution: Installed) -> Entry | None:
    """Return the entry that a distribution is linked from. None if it is not linked, or the store lost the entry."""
    if not distribution.entry_id:
        return None
    try:
        return entries.read(store, distribution.entry_id)
    except (FileNotFoundError, CorruptEntryError):
        return None


def have_losses(store: Store, environment: Environment, present: Iterable[Installed]) -> bool:
    """Tell whether links of an environment lead to lost entries, or to a former place of the store."""
    return any(is_lost(store, item) or is_moved(environment, item) for item in present)


def is_moved(environment: Environment, distribution: Installed) -> bool:
    """Tell whether the links of a distribution lead to where the store was before it was moved."""
    return bool(distribution.entry_id) and contents.leads_nowhere(environment, distribution)


def is_lost(store: Store, distribution: Installed) -> bool:
    """Tell whether the entry of a linked distribution is gone, was changed, or must not be linked."""
    if not distribution.entry_id:
        return False
    entry = entry_of(store, distribution)
    if entry is None or entry.id in store.unusable or not store.trusts_entry(entry.path):
        return True
    return not entries.is_whole(entry)
