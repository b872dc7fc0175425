"""The `.dist-info` folders of an environment that were sound at its last change, kept in this user's cache.

The first look at an environment then lists only the folders that have changed since: see `layout_check`.
"""

from __future__ import annotations

import contextlib
import os

from pepip import __version__, digests, paths
from pepip.environment import layout_check
from pepip.uv.answer_cache import AnswerCache, states

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.store.root import Store

_ROWS_PER_CHANGE = 8  # the file is written anew if more than one in eight folders has changed


def check(root: str, store: Store) -> None:
    """Raise VenvError if an environment is damaged: see `layout_check.check`."""
    if root not in store.recalled_folders:
        text = AnswerCache(paths.cache(store.root)).recall(_key(store, root)) or ""
        store.recalled_folders[root] = found = {}
        with contextlib.suppress(ValueError):  # a damaged file: `note` writes it anew
            for line in text.splitlines():
                inode, changed_at_ns, inside = line.split(" ", 2)
                found[f"{root}/{inside}"] = (int(inode), int(changed_at_ns))
        layout_check.recall(found)
    layout_check.check(root, store.known_roots)


def note(store: Store, root: str) -> None:
    """Keep the states of the folders that are known to be sound, if the file lacks many of them."""
    now, before = layout_check.sound(root), store.recalled_folders.get(root, {})
    changed = len(now.items() - before.items())
    if changed * _ROWS_PER_CHANGE > len(now):
        rows = [(path[len(root) + 1 :], state) for path, state in now.items() if path.isprintable()]
        text = "".join(f"{state[0]} {state[1]} {inside}\n" for inside, state in rows)
        AnswerCache(paths.cache(store.root)).remember(_key(store, root), text, states([f"{root}/pyvenv.cfg"]))


def _key(store: Store, root: str) -> str:
    words = (__version__, os.path.realpath(store.root), os.path.realpath(root))
    return f"folders-{digests.hexadecimal(chr(0).join(words).encode('utf-8', 'surrogateescape'))[:32]}"
