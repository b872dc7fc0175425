"""The journal of a change to an environment: written before the first link, removed after the last.

If it is there when an operation starts, the run that wrote it was killed. What it meant to do is then done again.
"""

from __future__ import annotations

import contextlib
import json
import os

from pepip import paths
from pepip.host import files, filesystems
from pepip.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.environment.metadata import Installation


class Addition(NamedTuple):
    """An entry that a run means to link, and what its metadata records: see `Installation`."""

    entry_id: str
    direct_url: dict[str, object] | None
    local_path: str
    cache_info: str = ""


def begin(root: str, additions: list[Installation], removals: list[str]) -> None:
    """Write the journal: entries to link, and `.dist-info` folders to remove."""
    folder = paths.scratch(root)
    filesystems.remove_tree(folder)
    try:
        os.mkdir(folder)
        _write(folder, additions, removals)
    except OSError:
        filesystems.remove_tree(folder)  # nothing was changed: leave nothing behind
        raise


def _write(folder: str, additions: list[Installation], removals: list[str]) -> None:
    document = {
        "link": [Addition(added.entry.id, *added[1:]) for added in additions],
        "remove": removals,
    }
    files.create(f"{folder}/journal.new", json.dumps(document).encode())
    os.rename(f"{folder}/journal.new", f"{folder}/journal.json")


def is_there(root: str) -> bool:
    """Tell whether a change was begun and not finished, by whomever."""
    return os.path.lexists(paths.scratch(root))


def pending(root: str) -> tuple[list[Addition], list[str]] | None:
    """Return what a killed run meant to link and to remove, None if no run was killed.

    A journal that was not finished belongs to a run that had changed nothing yet.
    """
    try:
        with open(f"{paths.scratch(root)}/journal.json", "rb") as file:
            document = json.loads(file.read())
        return [Addition(*row) for row in document["link"]], list(document["remove"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, IndexError, TypeError):
        return [], []


def finish(root: str) -> None:
    """Remove the journal: every link is in place."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        os.unlink(f"{paths.scratch(root)}/journal.json")
    filesystems.remove_tree(paths.scratch(root))
