"""What was seen of entries and environments, remembered for as long as the times of their folders say the same.

It lies in `cache/`, in a folder of each user's own. Without it every answer is the same, and slower. Pruning does not
ask it.
"""

from __future__ import annotations

import contextlib
import json
import os

from pepip import digests
from pepip.host import files, user_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NAME = "seen.json"
_FORMAT = 3
_MOST_BYTES = 1 << 28

_RESTS_ON = {"weights": "entries", "own": "packages", "links": "links"}
"""In which topic a name must have been met now, for what a topic says of it to be kept."""


class ScanCache:
    """Answers by topic and name, each with the evidence that it rests on. Other evidence makes it forgotten."""

    def __init__(self, cache: str) -> None:
        """Remember in a folder of this user's own in `cache`. Where there is no `cache`, nothing is remembered."""
        self._cache = cache
        self._folder = user_cache.folder_in(cache)
        self._before = self._read()
        self._now: dict[str, dict[str, list[Any]]] = {}
        self._is_changed = False

    def recall(self, topic: str, name: str, evidence: Any) -> Any:
        """Return the answer that was given on the same evidence, None if there is none."""
        row = self._before.get(topic, {}).get(name)
        if row is None or row[0] != evidence:
            return None
        self._now.setdefault(topic, {})[name] = row
        return row[1]

    def evidence(self, topic: str, name: str) -> Any:
        """Return the evidence of the answer that is remembered, to be checked, None if there is none."""
        row = self._before.get(topic, {}).get(name)
        return None if row is None else row[0]

    def remembered(self, topic: str) -> dict[str, list[Any]]:
        """Return all rows of a topic, evidence and answer by name, as they were written down: none is checked."""
        return self._before.get(topic, {})

    def note(self, topic: str, name: str, evidence: Any, answer: Any) -> None:
        """Remember an answer. Both are what JSON can hold, lists rather than tuples."""
        self._now.setdefault(topic, {})[name] = [evidence, answer]
        self._is_changed = True

    def save(self) -> None:
        """Write down what is known now. What was not asked about stays, unless it is of an entry that is gone."""
        if not self._is_changed or not os.path.isdir(self._cache):
            return
        topics = {topic: {**rows, **self._now.get(topic, {})} for topic, rows in self._before.items()}
        topics = {**self._now, **topics}
        for topic, basis in _RESTS_ON.items():
            if basis in self._now:
                alive = self._now[basis]
                topics[basis] = alive
                topics[topic] = {name: row for name, row in topics.get(topic, {}).items() if name in alive}
        text = json.dumps(topics).encode()
        with contextlib.suppress(OSError):  # it costs the time to look again, and nothing else
            user_cache.write(self._folder, _NAME, _seal(text), b"\n", text)

    def _read(self) -> dict[str, dict[str, list[Any]]]:
        try:
            content = user_cache.read(self._folder, _NAME, most_bytes=_MOST_BYTES)
            seal, _, text = content.partition(b"\n")
            topics: dict[str, dict[str, list[Any]]] = files.load_json(text) if seal == _seal(text) else {}
            return topics
        except (OSError, ValueError):
            return {}


def _seal(text: bytes) -> bytes:
    """Return the first line of the file, which tells a text that was written here, whole, from any other."""
    return f"{_FORMAT} {digests.hexadecimal(text)}".encode()
