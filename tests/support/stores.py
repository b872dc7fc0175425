"""Whether a store is whole, by the files alone: an independent reading of the layout, not pepip's own check."""

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
    """Return the names of a store's entries, such as `six-1.17.0`, each as often as it is there."""
    return sorted(entry.name for entry in store.glob("packages/*/*"))


def problems_of(store: Path, *, sealed: bool = True) -> list[str]:
    """Return a line for each fault of an entry: what is missing, differs from RECORD, or is nobody's.

    Where `sealed`, also for each folder of an entry that may be written and must not be.
    """
    found = []
    for entry in sorted(store.glob("packages/*/*")):
        shown = entry.relative_to(store / "packages")
        found += [f"{shown}: {problem}" for problem in _problems_of_entry(entry)]
        found += [f"{shown}: {problem}" for problem in _writable_folders(entry) if sealed]
    return found


def leftovers_of(store: Path) -> list[str]:
    """Return what lies in a store's folders for passing things, but for the trash's own lock."""
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
    """Return what may be written: topmost packages by anybody, other folders by others than their owner."""
    return [
        f"the folder {Path(folder).relative_to(entry)} may be written"
        for folder, _, names in os.walk(entry)
        if stat.S_IMODE(os.stat(folder).st_mode)
        & (0o222 if Path(folder).parent == entry and "__init__.py" in names else 0o022)
    ]


def _hash(path: Path) -> str:
    digest = hashlib.sha256(path.read_bytes()).digest()
    return f"sha256={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
