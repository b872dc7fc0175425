"""A note of the entries from which an environment's own files were made.

Real files, made by one of `placement.MODES`, do not name an entry as links do. So the environment keeps this note.
The note may come with another person's checkout, and other tools don't update it. So a row counts only while the
distribution still has the noted RECORD.
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
    """The entry from which a distribution's files were made, their mode, and the SHA-256 of its RECORD."""

    entry_id: str
    mode: str
    record: str


def dump(sources: Mapping[str, Source]) -> bytes:
    """Return the content of the note's file. The keys of `sources` are names of `.dist-info` folders."""
    rows = {name: source._asdict() for name, source in sorted(sources.items())}
    return json.dumps({"format": 1, "distributions": rows}, indent=1).encode()


def load(content: bytes) -> dict[str, Source]:
    """Return the sources in a note, by the name of the `.dist-info` folder.

    Invalid rows are left out. Raises ValueError if the content is no note.
    """
    document = files.load_json(content)
    rows = document.get("distributions") if isinstance(document, dict) else None
    if not isinstance(rows, dict):
        raise ValueError("the note does not list distributions")
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
    """Return the sources in the note of the environment at `root`. The result is empty without a readable note."""
    try:
        return load(files.read_regular(paths.provenance(root), most_bytes=files.RECORD_BYTES))
    except (OSError, ValueError):
        return {}


def has_noted_record(source: Source, dist_info: str) -> bool:
    """Tell whether the `.dist-info` folder at this path still has the RECORD of a source."""
    return digest(dist_info) == source.record


def digest(dist_info: str) -> str:
    """Return the hexadecimal SHA-256 of RECORD in a `.dist-info` folder, or an empty string if it can't be read."""
    try:
        return digests.hexadecimal(files.read_regular(f"{dist_info}/RECORD", most_bytes=files.RECORD_BYTES))
    except (OSError, ValueError):
        return ""


def add(root: str, sources: Mapping[str, Source]) -> None:
    """Add sources to the note.

    Call this before the `.dist-info` folders are moved into place, so that each folder has its row from the start.
    """
    if sources:
        _write(root, {**read(root), **sources})


def tidy(root: str, site_packages: str) -> None:
    """Remove the rows of distributions that are gone or have another RECORD."""
    noted = read(root)
    kept = {name: source for name, source in noted.items() if has_noted_record(source, f"{site_packages}/{name}")}
    if len(kept) < len(noted):
        _write(root, kept)


def forget(root: str) -> None:
    """Remove the note: no file of the environment counts as made from an entry any more. Raises OSError."""
    _write(root, {})


def _write(root: str, sources: Mapping[str, Source]) -> None:
    """Replace the note in one step, or remove it if there are no sources.

    Anything else at its path, or at the path of its new version, is removed.
    """
    place = paths.provenance(root)
    new = f"{place}.new"
    if os.path.lexists(new):
        filesystems.remove(new)
    if os.path.lexists(place) and (not sources or os.path.isdir(place)):
        filesystems.remove(place)
    if sources:
        files.write_whole(place, dump(sources), unfinished=new)
