"""The last answers about releases: the pins that were asked about, the time, and the findings. A file of this user.

If the file is lost, the questions must be asked again. This module asks nothing.
"""

from __future__ import annotations

import contextlib
import json
import os

from pepip import paths
from pepip.fast_namedtuple import NamedTuple
from pepip.host import files, user_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.store.root import Store

Pin = tuple[str, str]
"""The name and the version of a distribution."""

_NAME = "audit.json"
_FORMAT = 1
_MOST_BYTES = 1 << 26

VULNERABLE, YANKED, OUTDATED = "vulnerable", "yanked", "outdated"
KINDS = (VULNERABLE, YANKED, OUTDATED)


class Finding(NamedTuple):
    """A fact about one version of a distribution: it is vulnerable, yanked or outdated. `kind` is one of `KINDS`.

    If it is vulnerable, `id`, `aliases`, `summary` and `link` describe an advisory, and `fixed` are the versions
    that fix it. If it is yanked, `summary` is the reason, empty if none was given. If it is outdated,
    `fixed` has the newest release. Other fields are empty.
    """

    kind: str
    name: str
    version: str
    id: str = ""
    aliases: tuple[str, ...] = ()
    summary: str = ""
    fixed: tuple[str, ...] = ()
    link: str = ""


class Answer(NamedTuple):
    """The answer to one kind of question. `asked_at` is in seconds since 1970.

    `source` names the command of uv that answered, or the OSV records. `pins` are the names and versions that the
    answer covers. A covered pin without a finding is clean. The answer says nothing about other pins.
    """

    kind: str
    asked_at: int
    source: str
    pins: frozenset[Pin]
    findings: tuple[Finding, ...]


def read(store: Store) -> dict[str, Answer]:
    """Return the last answer of each kind, by kind. Empty if the file is missing or invalid."""
    try:
        folder = user_cache.folder_in(paths.cache(store.root))
        document = files.load_json(user_cache.read(folder, _NAME, most_bytes=_MOST_BYTES))
        if document["format"] != _FORMAT:
            return {}
        return {kind: _answer(kind, document[kind]) for kind in KINDS if kind in document}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def modified_ns(store: Store) -> int:
    """Return when the answers were written, in nanoseconds since 1970; 0 if there are none."""
    return user_cache.modified_ns(user_cache.folder_in(paths.cache(store.root)), _NAME)


def note(store: Store, latest: Answer) -> None:
    """Note the last answer of a kind. Does nothing if the store has no cache, or if the file can't be written."""
    cache = paths.cache(store.root)
    if not os.path.isdir(cache):
        return
    folder = user_cache.folder_in(cache)
    with contextlib.suppress(OSError), user_cache.updating(folder):
        document: dict[str, object] = {"format": _FORMAT}
        for kind, answer in {**read(store), latest.kind: latest}.items():
            document[kind] = {
                "asked_at": answer.asked_at,
                "source": answer.source,
                "pins": sorted(answer.pins),
                "findings": [list(finding[1:]) for finding in answer.findings],
            }
        user_cache.write(folder, _NAME, json.dumps(document).encode(), is_lasting=True)


def _answer(kind: str, document: dict[str, list[list[str]]]) -> Answer:
    """Return an answer of the file. Raises TypeError, ValueError or KeyError if it is unsound."""
    findings = []
    for name, version, id_, aliases, summary, fixed, link in document["findings"]:
        finding = Finding(kind, name, version, id_, tuple(aliases), summary, tuple(fixed), link)
        if not all(isinstance(text, str) for text in (*finding[:4], *aliases, summary, *fixed, link)):
            raise TypeError
        findings.append(finding)
    pins = frozenset((name, version) for name, version in document["pins"])
    return Answer(kind, int(str(document["asked_at"])), str(document["source"]), pins, tuple(findings))
