"""Which entries an environment's own files were made from, by the link modes that make no links.

There nothing on disk leads to the store, so the environment keeps a note. It may come with a checkout of somebody
else's, and other tools don't know of it: a row counts only while a distribution has the RECORD that was noted.
"""

from __future__ import annotations

import json
import os

from pepip import digests, paths
from pepip.environment.placement import MODES
from pepip.fast_namedtuple import NamedTuple
from pepip.host import files, filesystems

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Source(NamedTuple):
    """The entry that a distribution's files were made from, by which mode, and the SHA-256 of its RECORD."""

    entry_id: str
    mode: str
    record: str


def dump(sources: Mapping[str, Source]) -> bytes:
    """Return the note as its file holds it: sources by the names of `.dist-info` folders."""
    rows = {name: source._asdict() for name, source in sorted(sources.items())}
    return json.dumps({"format": 1, "distributions": rows}, indent=1).encode()


def load(content: bytes) -> dict[str, Source]:
    """Return what a note says. Rows that can't be are left out. Raises ValueError if it is no note."""
    document = files.load_json(content)
    rows = document.get("distributions") if isinstance(document, dict) else None
    if not isinstance(rows, dict):
        raise ValueError("a note has distributions")
    found = {}
    for name, row in rows.items():
        is_metadata = name.endswith(".dist-info") and paths.is_name(name)
        if is_metadata and isinstance(row, dict) and row.keys() == set(Source._fields):
            entry_id, mode, record = (row[field] for field in Source._fields)
            is_known = isinstance(record, str) and isinstance(mode, str) and mode in MODES
            if is_known and isinstance(entry_id, str) and paths.is_entry_id(entry_id):
                found[name] = Source(entry_id, mode, record)
    return found


def read(root: str) -> dict[str, Source]:
    """Return the sources that the environment at `root` notes, none where there is no note, or none to be read."""
    try:
        return load(files.read_regular(paths.provenance(root), most_bytes=files.RECORD_BYTES))
    except (OSError, ValueError):
        return {}


def is_of(source: Source, dist_info: str) -> bool:
    """Tell whether the `.dist-info` folder at this path is still the one that a source was noted of."""
    return digest(dist_info) == source.record


def digest(dist_info: str) -> str:
    """Return what tells the RECORD of a `.dist-info` folder from others, empty if it has none."""
    try:
        return digests.hexadecimal(files.read_regular(f"{dist_info}/RECORD", most_bytes=files.RECORD_BYTES))
    except (OSError, ValueError):
        return ""


def add(root: str, sources: Mapping[str, Source]) -> None:
    """Note sources, before the metadata that they are of is put into place: so no moment knows of none."""
    if sources:
        _write(root, {**read(root), **sources})


def tidy(root: str, site_packages: str) -> None:
    """Forget sources of what is not there any more."""
    noted = read(root)
    kept = {name: source for name, source in noted.items() if is_of(source, f"{site_packages}/{name}")}
    if len(kept) < len(noted):
        _write(root, kept)


def forget(root: str) -> None:
    """Forget all sources: nothing of the environment is the store's any more. Raises OSError."""
    _write(root, {})


def _write(root: str, sources: Mapping[str, Source]) -> None:
    """Write the note whole, or remove it where there is nothing to note. What else somebody left there goes."""
    place = paths.provenance(root)
    new = f"{place}.new"
    if os.path.lexists(new):
        filesystems.remove(new)
    if os.path.lexists(place) and (not sources or os.path.isdir(place)):
        filesystems.remove(place)
    if sources:
        files.create(new, dump(sources))
        os.replace(new, place)
