"""The identity of a wheel by its content, however it was packed, and whichever tool installed it.

The rows that count are those of the wheel's own files, without what an installer makes: launchers, INSTALLER,
REQUESTED, RECORD, `direct_url.json` and the like, and bytecode. Files of `.data/purelib` and `.data/platlib` count
where they are installed, scripts with the `#!python` line that an installer replaces. METADATA is among the files, so
that name and version need no mention.
"""

from __future__ import annotations

from pepip import digests, paths
from pepip.wheel import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

PREFIX = "content:"
"""What such an identity begins with: that of an archive begins with the name of its hash."""


def of(hashes: Mapping[str, str], executables: Collection[str], dist_info: str) -> str:
    """Return the identity of the content whose files have these hashes (as RECORD writes SHA-256), by path.

    Paths are those in an unpacked wheel. `executables` may be run; each script may, once it is installed.
    """
    own = record.own_metadata(dist_info)
    data = dist_info.removesuffix(".dist-info") + ".data/"
    scripts = f"{data}scripts/"
    rows = []
    for path, hash_value in hashes.items():
        if path in own or is_bytecode(path):
            continue
        is_program = path in executables or path.startswith(scripts)
        rows.append(f"{merged(path, data)}\0{hash_value}\0{'x' if is_program else ''}")
    text = "\n".join(sorted(rows))
    return PREFIX + digests.hexadecimal(text.encode("utf-8", "surrogateescape"))


def merged(path: str, data: str) -> str:
    """Return a path in which a file of `<data>/purelib` and `<data>/platlib` is where it is installed."""
    if path.startswith((f"{data}purelib/", f"{data}platlib/")):
        return path[len(data) :].partition("/")[2]
    return path


def is_bytecode(path: str) -> bool:
    """Tell whether a file is bytecode that Python compiled beside a module."""
    return path.endswith(".pyc") and f"/{paths.PYCACHE}/" in f"/{path}"


def is_of_content(identity: str) -> bool:
    """Tell whether an identity is one of content."""
    return identity.startswith(PREFIX)
