"""Notes on commands that had nothing to do. While nothing has changed, the same command need not ask uv again.

A command first looks for such a note, so this module imports little. `pepip.operations.up_to_date_notes` writes the
notes, and `pepip.operations.uv_environments` writes those on environments in uv's cache.
"""

from __future__ import annotations

import os

from pepip import paths
from pepip.uv import answer_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

NO_SYNC = "no sync"
"""The note on a `pepip run` for which no environment is synced: there is no project, or its options say so."""

_OF_OUTPUT = ("-q", "--quiet", "--no-progress")  # the result does not depend on them


def note_of(store_root: str, words: Sequence[str]) -> str | None:
    """Return the note that the command with these words has nothing to do, None if there is none.

    The note is the line that names the command's environment, or empty if the command prints no such line. For
    `run` it is NO_SYNC or empty.
    """
    return answer_cache.AnswerCache(paths.cache(store_root)).recall(key(words))


def key(words: Sequence[str]) -> str:
    """Return the key of the note for the command with these words, in this folder with these variables."""
    return answer_cache.key("settled", os.getcwd(), *(word for word in words if word not in _OF_OUTPUT))


def are_linked(store_root: str, words: Sequence[str]) -> bool:
    """Tell whether a note says that uv changes no environment in its cache for these words of a command line."""
    return answer_cache.AnswerCache(paths.cache(store_root)).recall(key_of_links(words)) is not None


def key_of_links(words: Sequence[str]) -> str:
    """Return the key of the note on the environments that uv makes in its cache for these words."""
    return answer_cache.key("linked", os.getcwd(), *words)
