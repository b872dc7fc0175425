"""A cache of facts about entries and environments, valid while the times of their folders are unchanged.

Each user has such a file in `cache/`. Without the file every answer is the same, but takes longer. Pruning does not
use the cache.
"""

from __future__ import annotations

import contextlib
import json
import os

from pepip import digests, paths
from pepip.host import files, user_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NAME = "seen.json"
_FORMAT = 4
_MOST_BYTES = 1 << 28

_NAMES_IN = {"weights": "entries", "own": "packages", "links": "links"}
"""Maps a topic to the topic that has all names that exist now. `save` drops rows of other names.

It keeps rows of entries in layers.
"""


_OF_ITEMS = ("packages", "links")
"""Topics whose answers are lists. Many lists share items, so file and memory have each item only once."""


class ScanCache:
    """Answers by topic and name, each with its evidence. An answer is used again only with the same evidence.

    Items of answers in the topics of `_OF_ITEMS` are strings or rows; a row that was read from the file is a tuple.
    A caller keeps in `made` the object that it made of each row, so that equal rows become one object.
    """

    def __init__(self, cache: str) -> None:
        """Use this user's own folder in `cache`. If the folder `cache` does not exist, `save` writes nothing."""
        self._cache = cache
        self._folder = user_cache.folder_in(cache)
        self._before = self._read()
        self._now: dict[str, dict[str, list[Any]]] = {}
        self._is_changed = False
        self.made: dict[tuple[Any, ...], Any] = {}

    def recall(self, topic: str, name: str, evidence: Any) -> Any:
        """Return the answer that was noted with the same evidence, None if there is none."""
        row = self._before.get(topic, {}).get(name)
        if row is None or row[0] != evidence:
            return None
        self._now.setdefault(topic, {})[name] = row
        return row[1]

    def evidence(self, topic: str, name: str) -> Any:
        """Return the evidence of a remembered answer, which the caller has to check; None if there is no answer."""
        row = self._before.get(topic, {}).get(name)
        return None if row is None else row[0]

    def in_use(self, topic: str) -> dict[str, Any]:
        """Return the evidence of all answers that the current scan has used or noted, by name."""
        return {name: row[0] for name, row in self._now.get(topic, {}).items()}

    def remembered(self, topic: str) -> dict[str, list[Any]]:
        """Return all rows of a topic from the file: evidence and answer, by name. The evidence is not checked."""
        return self._before.get(topic, {})

    def note(self, topic: str, name: str, evidence: Any, answer: Any) -> None:
        """Remember an answer. Evidence and answer are JSON values, with lists instead of tuples."""
        self._now.setdefault(topic, {})[name] = [evidence, answer]
        self._is_changed = True

    def begin_anew(self) -> None:
        """Begin another scan. It can recall the answers of the last scan, without reading the file again."""
        self._before = {**self._before, **self._now}
        self._now = {}
        self._is_changed = False

    def save(self) -> None:
        """Write the file if an answer was noted. Rows that this scan did not use stay unless their names are gone."""
        if not self._is_changed or not os.path.isdir(self._cache):
            return
        topics = {topic: {**rows, **self._now.get(topic, {})} for topic, rows in self._before.items()}
        topics = {**self._now, **topics}
        for topic, basis in _NAMES_IN.items():
            if basis in self._now:
                alive = self._now[basis]
                topics[basis] = alive
                rows = topics.get(topic, {}).items()
                topics[topic] = {name: row for name, row in rows if name in alive or paths.layer_of(name)}
        text = json.dumps(_packed(topics)).encode()
        with contextlib.suppress(OSError):  # a lost file only costs the time to read everything again
            user_cache.write(self._folder, _NAME, _first_line(text), b"\n", text)

    def _read(self) -> dict[str, dict[str, list[Any]]]:
        try:
            content = user_cache.read(self._folder, _NAME, most_bytes=_MOST_BYTES)
            seal, _, text = content.partition(b"\n")
            return _unpacked(files.load_json(text)) if seal == _first_line(text) else {}
        except (OSError, ValueError):
            return {}


def _packed(topics: dict[str, dict[str, list[Any]]]) -> dict[str, Any]:
    """Return the content of the file: `topics`, with numbers in the place of items, and the `items` of each topic."""
    items: dict[str, list[Any]] = {}
    found = dict(topics)
    for topic in _OF_ITEMS:
        numbers: dict[Any, int] = {}
        found[topic] = {
            name: [evidence, [numbers.setdefault(_hashable(item), len(numbers)) for item in answer]]
            for name, (evidence, answer) in topics.get(topic, {}).items()
        }
        items[topic] = list(numbers)
    return {"items": items, "topics": found}


def _unpacked(content: dict[str, Any]) -> dict[str, dict[str, list[Any]]]:
    topics: dict[str, dict[str, list[Any]]] = content["topics"]
    for topic, found in content["items"].items():
        items = [_hashable(item) for item in found]
        for row in topics[topic].values():
            row[1] = [items[number] for number in row[1]]
    return topics


def _hashable(item: Any) -> Any:
    return tuple(item) if isinstance(item, list) else item


def _first_line(text: bytes) -> bytes:
    """Return the first line of the file: it proves that the text has this format, and is complete."""
    return f"{_FORMAT} {digests.hexadecimal(text)}".encode()
