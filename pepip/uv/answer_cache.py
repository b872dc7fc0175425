"""The cache of uv's answers. It keeps an answer as long as uv itself would answer the same.

The key of an answer is the question: words, variables, the text of settings. The evidence of an answer is the state
of files: uv's program, files that the user named, index pages in uv's cache. If one of them changes, the answer is no
longer used. Each user has separate answers, because an answer decides which files are installed. The answers lie in
`cache/`, which can be lost without harm.
"""

from __future__ import annotations

import os
import time

from pepip import __version__, digests
from pepip.host import user_cache
from pepip.paths import PYCACHE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

_DIGITS = 32  # of a key's digest, in hexadecimal
_MOST_ANSWERS = 512
_MOST_BYTES = 1 << 26
_VARIABLES = frozenset(
    ("HOME", "PATH", "VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_DEFAULT_ENV", "APPDATA", "LOCALAPPDATA")
)
UNTIL = "until:"
_PREFIXES = ("UV_", "XDG_", "PYTHON", "PEPIP_")


class AnswerCache:
    """The answers of one user in the folder `cache`. If that folder does not exist, no answer is kept."""

    __slots__ = ("_folder", "cache")

    def __init__(self, cache: str) -> None:
        self.cache = cache
        self._folder = user_cache.folder_in(cache)

    def recall(self, key: str) -> str | None:
        """Return the answer, or None if there is none or its evidence has changed."""
        evidence, answer = self._read(key)
        for line in evidence.split("\n"):
            state, _, place = line.partition("\t")
            if place and state_of(place) != state:
                return None
        return answer

    def recall_last(self, key: str) -> str | None:
        """Return the last answer, also if its evidence has changed. None if there is none."""
        return self._read(key)[1]

    def is_recent(self, key: str, seconds: int) -> bool:
        """Tell whether an answer was kept less than so many seconds ago. Does not read it."""
        try:
            return 0 <= time.time() - os.stat(f"{self._folder}/{key}").st_mtime < seconds
        except OSError:
            return False

    def _read(self, key: str) -> tuple[str, str | None]:
        """Return the evidence of an answer, and the answer. It is None if there is none."""
        try:
            content = user_cache.read(self._folder, key, most_bytes=_MOST_BYTES)
        except (OSError, ValueError):
            return "", None  # missing, or not this user's own: another user's answer could name any distribution
        title, _, rest = content.partition(b"\n")
        if title != _first_line(key, rest):
            return "", None
        evidence, _, answer = rest.decode("utf-8", "surrogateescape").partition("\n\n")
        return evidence, answer

    def remember(self, key: str, answer: str, evidence: Iterable[tuple[str, str]]) -> None:
        """Keep an answer that rests on `evidence`: places, and their states before uv was asked.

        If the answer can't be written, the next run asks uv again.
        """
        import contextlib

        rows = dict(evidence)
        if not os.path.isdir(self.cache) or any("\n" in place for place in rows):
            return
        lines = "".join(f"{state}\t{place}\n" for place, state in rows.items())
        content = f"{lines}\n{answer}".encode("utf-8", "surrogateescape")
        with contextlib.suppress(OSError):
            user_cache.write(self._folder, key, _first_line(key, content), b"\n", content)
            self._make_room()

    def _make_room(self) -> None:
        """Remove the older half of the answers if there are too many. Files whose names are no keys stay."""
        names = [name for name in os.listdir(self._folder) if _is_key(name)]
        if len(names) > _MOST_ANSWERS:
            places = sorted(
                (f"{self._folder}/{name}" for name in names), key=lambda place: os.stat(place).st_mtime_ns
            )
            for place in places[: len(places) // 2]:
                os.unlink(place)


def key(topic: str, *words: str, ignored: Collection[str] = ()) -> str:
    """Return the key of a question: its topic, and a digest of its words and of the variables that uv may read.

    The variables in `ignored` do not count. If the answer depends on the machine, `machine.facts` must be among the
    words.
    """
    variables = sorted(
        f"{name}={value}"
        for name, value in os.environ.items()
        if (name.startswith(_PREFIXES) or name in _VARIABLES) and name not in ignored
    )
    text = "\0".join((__version__, *words, "", *variables))
    return f"{topic}-{digests.hexadecimal(text.encode('utf-8', 'surrogateescape'))[:_DIGITS]}"


def _first_line(key: str, rest: bytes) -> bytes:
    """Return the first line of an answer's file: it proves that the rest is whole, as it was written."""
    return f"{key} {digests.hexadecimal(rest)}".encode()


def _is_key(name: str) -> bool:
    digest = name.rpartition("-")[2]
    return len(digest) == _DIGITS and not digest.strip("0123456789abcdef")


def state_of(place: str) -> str:
    """Return the state of the file or folder at `place`, for comparison; empty if nothing is there.

    The state of a place `folder/*` is the names in the folder, without `__pycache__`, which a first import adds. The
    state of a place `folder/.` is the folder's modification time alone. A place `until:TIME`, in seconds since 1970,
    has the same state until that time.
    """
    if place.startswith(UNTIL):
        return "early" if time.time() < float(place.removeprefix(UNTIL)) else ""
    try:
        if place.endswith("/*"):
            names = sorted(set(os.listdir(place[:-2])) - {PYCACHE})
            return digests.hexadecimal("/".join(names).encode("utf-8", "surrogateescape"))[:32]
        status = os.stat(place)
    except OSError:
        return ""
    if place.endswith("/."):
        return str(status.st_mtime_ns)
    return f"{status.st_mtime_ns} {status.st_size} {status.st_ino}"


def states(places: Iterable[str]) -> list[tuple[str, str]]:
    """Return places with their states: evidence, as `AnswerCache.remember` takes it."""
    return [(place, state_of(place)) for place in places]
