"""Notes on commands that had nothing to do. While nothing has changed, the same command need not ask uv again.

A command first looks for such a note, so this module imports little. `pepip.operations.settling` writes the notes.
"""

from __future__ import annotations

import os

from pepip import paths
from pepip.uv import answer_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def note_of(store_root: str, words: Sequence[str]) -> str | None:
    """Return the note that the command with these words has nothing to do, None if there is none.

    The note is the line that names the command's environment, or empty if the command prints no such line.
    """
    return answer_cache.AnswerCache(paths.cache(store_root)).recall(key(words))


def key(words: Sequence[str]) -> str:
    """Return the key of the note for the command with these words, in this folder with these variables."""
    return answer_cache.key("settled", os.getcwd(), *_meaningful(words))


def _meaningful(words: Sequence[str]) -> Iterator[str]:
    """Yield the words that the result depends on: not words about output, and not the Python of a new environment."""
    remaining = iter(words)
    for word in remaining:
        if word in {"-q", "--quiet", "--no-progress"}:
            continue
        name, separator, value = word.partition("=")
        if name in {"-p", "--python"} and words[0] == "install":
            value = value if separator else next(remaining, "")
            if _names_environment(value):
                yield f"{name}={value}"
        else:
            yield word


def _names_environment(python: str) -> bool:
    """Tell whether a request for a Python names an environment, by its folder or its interpreter."""
    folder = os.path.dirname(os.path.dirname(python))
    return any(os.path.exists(f"{place}/pyvenv.cfg") for place in (python or ".", folder or "."))
