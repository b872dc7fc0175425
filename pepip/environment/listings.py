"""Tells where nothing can be in the way, by listing each folder once.

A new environment has few of the folders that get links. On a network file system each look for a file that does not
exist takes as long as the making of a link.
"""

from __future__ import annotations

import os


class Listings:
    """The names in the folders of an environment that get links, at the start of a change."""

    def __init__(self, root: str) -> None:
        self._names = {root: _names_in(root)}

    def may_have(self, place: str) -> bool:
        """Tell whether something may be at `place`.

        False if its folder has no such name, in upper or lower case. A name that is not ASCII may be there whenever
        the folder is not empty.
        """
        parent, _, name = place.rpartition("/")
        if parent not in self._names:
            self._names[parent] = _names_in(parent) if self.may_have(parent) else set()
        names = self._names[parent]
        return names is None or (bool(names) and (name.casefold() in names or not name.isascii()))


def _names_in(folder: str) -> set[str] | None:
    """Return the names in a folder, with case folded, because some file systems ignore case.

    The set is empty if the folder does not exist. The answer is None if the folder can't be listed, for example
    without permission.
    """
    try:
        return set(map(str.casefold, os.listdir(folder)))
    except (FileNotFoundError, NotADirectoryError):
        return set()
    except OSError:
        return None
