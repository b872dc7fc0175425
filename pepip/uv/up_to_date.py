"""Notes on commands that had nothing to do. While nothing has changed, the same command need not ask uv again.

A command first looks for such a note, so this module imports little. `pepip.operations.settling` writes the notes.
"""

from __future__ import annotations

import os

from pepip import paths
from pepip.uv import answer_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_OF_OUTPUT = ("-q", "--quiet", "--no-progress")  # the result does not depend on them


def note_of(store_root: str, words: Sequence[str]) -> str | None:
    """Return the note that the command with these words has nothing to do, None if there is none.

    The note is the line that names the command's environment, or empty if the command prints no such line.
    """
    return answer_cache.AnswerCache(paths.cache(store_root)).recall(key(words))


def key(words: Sequence[str]) -> str:
    """Return the key of the note for the command with these words, in this folder with these variables."""
    return answer_cache.key("settled", os.getcwd(), *(word for word in words if word not in _OF_OUTPUT))
