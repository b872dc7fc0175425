"""The format of the registry's files: one JSON file for each environment that links the store.

`load` and `dump` alone know the names of the fields. In a shared store any user may have written a file, so `load`
checks the type of each field and names the wrong one. Does not know where the files lie.
"""

from __future__ import annotations

import json
import os

from pepip import paths
from pepip.fast_namedtuple import NamedTuple
from pepip.host import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FORMAT = 1
MOST_BYTES = 16 << 20
"""Larger files are refused. A registration of 10,000 entries has less than 1 MB."""


class Registration(NamedTuple):
    """One file of the registry: where an environment is, and which entries it linked when pepip last changed it.

    `environment` is the environment's real path. `named` is the path by which its project names it.
    `device`, `mount_point` and `filesystem` (0 if not known) say where the environment lay then. `registered_at` is
    seconds since 1970, 0 if not known. `id` is the environment's own id. `location` tells one disk or container from
    another: see `filesystems.Place`. If an old pepip wrote the file, `id` and `location` may be empty, and `entries`
    may be None.
    `damage` says in words why the file can't be read, and is empty if it can. Nothing else in a damaged file is
    known. `others` are the files of other users for the same environment.
    """

    file: str
    environment: str
    project: str
    device: int
    mount_point: str
    entries: tuple[str, ...] | None
    damage: str = ""
    named: str = ""
    filesystem: int = 0
    others: tuple[str, ...] = ()
    registered_at: int = 0
    id: str = ""
    location: str = ""

    @property
    def is_damaged(self) -> bool:
        """Whether the file can't be read."""
        return bool(self.damage)


def dump(registration: Registration) -> bytes:
    """Return the content of the file for a registration. The paths of its files are not part of the content."""
    ids = registration.entries
    document = {
        "format": FORMAT,
        "environment": registration.environment,
        "project": registration.project,
        "named": registration.named,
        "device": registration.device,
        "filesystem": registration.filesystem,
        "mount_point": registration.mount_point,
        "entries": None if ids is None else [entry_id for entry_id in ids if not paths.is_layered(entry_id)],
        "layered": [entry_id for entry_id in ids or () if paths.is_layered(entry_id)],
        "registered_at": registration.registered_at,
        "id": registration.id,
        "location": registration.location,
    }
    return json.dumps(document, indent=1).encode()


def load(content: bytes, path: str) -> Registration:
    """Return the registration in the file at `path`. Raises ValueError with a message for people if it is damaged.

    Older pepips wrote no `named`, `filesystem`, `entries`, `layered`, `registered_at`, `id` or `location`. Entries of
    layers are in a field of their own, so that older pepips can read the file.
    """
    document = files.load_json(content)
    if not isinstance(document, dict):
        raise ValueError("it is no JSON object")
    if document.get("format") != FORMAT:
        raise ValueError(f"its format is {document.get('format')}, this pepip reads {FORMAT}")
    entries = _entry_ids(document, "entries")
    return Registration(
        file=path,
        environment=_path(document, "environment"),
        project=_path(document, "project"),
        device=_number(document, "device"),
        mount_point=_path(document, "mount_point"),
        entries=None if entries is None else tuple(sorted({*entries, *(_entry_ids(document, "layered") or ())})),
        named=_path(document, "named" if "named" in document else "environment"),
        filesystem=_number(document, "filesystem", default=0),
        registered_at=_number(document, "registered_at", default=0),
        id=_text(document, "id"),
        location=_text(document, "location"),
    )


def _path(document: dict[str, Any], key: str) -> str:
    """Return an absolute path that can be passed to the system. Raises ValueError for anything else."""
    value = document.get(key)
    try:
        if isinstance(value, str) and os.path.isabs(value) and b"\0" not in os.fsencode(value):
            return value
    except UnicodeEncodeError:  # half of a surrogate pair
        pass
    raise ValueError(f"its {key} is no absolute path")


def _text(document: dict[str, Any], key: str) -> str:
    value = document.get(key, "")
    if not isinstance(value, str):
        raise ValueError(f"its {key} is not a string")
    return value


def _number(document: dict[str, Any], key: str, *, default: int | None = None) -> int:
    value = document.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) >> 64:
        raise ValueError(f"its {key} is no whole number of 64 bits")
    return value


def _entry_ids(document: dict[str, Any], key: str) -> tuple[str, ...] | None:
    """Return ids of entries, None if an older pepip wrote none. Raises ValueError for a text that is no entry id."""
    value = document.get(key)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) and paths.is_entry_id(item) for item in value):
        raise ValueError(f"its {key} is no list of entries")
    return tuple(value)
