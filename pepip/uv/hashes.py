"""The hashes that requirements files demand, as uv reads them.

`uv pip compile` answers without looking at them, so the choice of a file among those of a version is made here.
uv holds a distribution to its hashes where the requirement pins it (`==`) or names a URL.
Source: pip's requirements file format, and uv's documentation of `--require-hashes`.
"""

from __future__ import annotations

import os
import re

from pepip.paths import normalize_name
from pepip.uv import settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pepip.model import Request

_HASH = r"--hash[= ](\w+):([0-9A-Za-z]+)"
_PINNED = r"^([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(?:===?|@)"
_INCLUDE = r"^(?:-r|-c|--requirements?|--constraints?)[= ]\s*(\S+)"


def demanded(request: Request) -> dict[str, set[str]]:
    """Return the SHA-256 digests that a request allows, by normalized name. Names without any are absent."""
    allowed: dict[str, set[str]] = {}
    for path in (*request.requirement_files, *request.constraint_files):
        for line in _lines(path, set()):
            pinned = re.match(_PINNED, line)
            digests = {digest for algorithm, digest in re.findall(_HASH, line) if algorithm == "sha256"}
            if pinned and digests:
                name = normalize_name(pinned[1])
                allowed[name] = allowed[name] & digests if name in allowed else digests
    return allowed


def are_required(request: Request) -> bool:
    """Tell whether uv may refuse requirements that have no hash: only `uv pip install` itself checks that."""
    if settings.is_on("UV_REQUIRE_HASHES"):
        return True
    if any(line.startswith("--require-hashes") for path in request.requirement_files for line in _lines(path, set())):
        return True
    return settings.mention("require-hashes")


def _lines(path: str, seen: set[str]) -> Iterator[str]:
    """Yield the logical lines of a requirements file and of those that it includes."""
    if path in seen or path.endswith((".toml", ".py", ".cfg")):
        return
    seen.add(path)
    text = read(path).replace("\\\r\n", " ").replace("\\\n", " ")
    for raw_line in text.splitlines():
        line = raw_line.split(" #", 1)[0].strip()
        included = re.match(_INCLUDE, line)
        if included:
            target = included[1]
            if "://" not in target and not os.path.isabs(target):
                separator = "/" if "://" in path else os.sep
                target = f"{path.rpartition(separator)[0] or '.'}{separator}{target}"
            yield from _lines(target, seen)
        elif line and not line.startswith("#"):
            yield line


def read(path: str) -> str:
    """Return the text of a requirements file or lock, which may lie behind a URL. Nothing if it can't be read."""
    if path.startswith(("http://", "https://")):
        from urllib.request import urlopen

        with urlopen(path) as answer:
            return str(answer.read().decode("utf-8", "replace"))
    return settings.content(path.removeprefix("file://")).decode("utf-8", "replace")
