"""Checks a store by its files alone. It reads the layout independently of pepip's own check."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import os
import stat
from pathlib import Path

_UNRECORDED = {"pepip-entry.json"}


def entries_of(store: Path) -> list[str]:
    """Return the names of a store's entries, such as `six-1.17.0`. Several entries may have the same name."""
    return sorted(entry.name for entry in store.glob("packages/*/*"))


def problems_of(store: Path, *, sealed: bool = True) -> list[str]:
    """Return a line for each faulty file in an entry: it is missing, differs from RECORD, or is not in RECORD.

    With `sealed`, also return a line for each folder in an entry that is writable and must not be.
    """
    found = []
    for entry in sorted(store.glob("packages/*/*")):
        shown = entry.relative_to(store / "packages")
        found += [f"{shown}: {problem}" for problem in _problems_of_entry(entry)]
        found += [f"{shown}: {problem}" for problem in _writable_folders(entry) if sealed]
    return found


def leftovers_of(store: Path) -> list[str]:
    """Return the paths in a store's staging and trash folders, except locks."""
    return sorted(
        path.relative_to(store).as_posix()
        for name in ("staging", "trash")
        for path in store.glob(f"{name}/*")
        if path.name != ".lock"
    )


def _problems_of_entry(entry: Path) -> list[str]:
    try:
        document = json.loads((entry / "pepip-entry.json").read_text())
        with (entry / document["dist_info"] / "RECORD").open(newline="") as file:
            rows = {row[0]: row[1] for row in csv.reader(file) if row}
    except (OSError, ValueError, KeyError) as error:
        return [f"cannot be read: {error}"]
    present = {
        Path(folder, name).relative_to(entry).as_posix()
        for folder, _, names in os.walk(entry)
        for name in names
        if Path(folder).name not in {"__pycache__", ".pepip"}
    }
    found = [f"{path} is not in RECORD" for path in sorted(present - rows.keys() - _UNRECORDED)]
    for path, recorded in rows.items():
        if path not in present:
            found.append(f"{path} is missing")
        elif recorded and recorded != _hash(entry / path):
            found.append(f"{path} differs from RECORD")
    return found


def _writable_folders(entry: Path) -> list[str]:
    """Return lines for outermost packages that anybody may write, and other folders that not only the owner may."""
    return [
        f"the folder {Path(folder).relative_to(entry)} may be written"
        for folder, _, names in os.walk(entry)
        if stat.S_IMODE(os.stat(folder).st_mode)
        & (0o222 if Path(folder).parent == entry and "__init__.py" in names else 0o022)
    ]


def _hash(path: Path) -> str:
    digest = hashlib.sha256(path.read_bytes()).digest()
    return f"sha256={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
