"""The identity of a wheel by its content, which depends neither on the archive nor on the tool that installed it.

Only the wheel's own files count. Bytecode and files that an installer makes do not: launchers, INSTALLER, REQUESTED,
RECORD, `direct_url.json` and the like. Files of `.data/purelib` and `.data/platlib` count at the path where they are
installed. Scripts count with the `#!python` line that an installer replaces. METADATA is one of the files, so the
identity covers name and version.
"""

from __future__ import annotations

from pepip import digests, paths
from pepip.wheel import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

PREFIX = "content:"
"""The start of an identity by content. The identity of an archive starts with the name of its hash algorithm."""


def of(hashes: Mapping[str, str], executables: Collection[str], dist_info: str) -> str:
    """Return the identity of a wheel's content. `hashes` has the hash (SHA-256 as in RECORD) of each file by path.

    Paths are paths in the unpacked wheel. `executables` are the files that may be executed. Scripts always count as
    executable, because an installer makes them so.
    """
    own = record.own_metadata(dist_info)
    data = paths.data_folder(dist_info) + "/"
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
    """Return the installed path of a file below `<data>purelib` or `<data>platlib`. Other paths are unchanged."""
    if path.startswith((f"{data}purelib/", f"{data}platlib/")):
        return path[len(data) :].partition("/")[2]
    return path


def is_bytecode(path: str) -> bool:
    """Tell whether a file is bytecode that Python compiled beside a module."""
    return path.endswith(".pyc") and f"/{paths.PYCACHE}/" in f"/{path}"


def is_of_content(identity: str) -> bool:
    """Tell whether an identity was computed from content."""
    return identity.startswith(PREFIX)
