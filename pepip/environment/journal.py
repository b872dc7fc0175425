"""The journal of a change to an environment: written before the first change, removed after the last.

A journal that exists when an operation starts belongs to a killed run. The operation then completes that change or
takes it back. A journal may come with a checkout of another person's project, so `load` refuses every name that is
neither an entry's id nor a plain name.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat

from pepip import paths
from pepip.environment.placement import MODES
from pepip.fast_namedtuple import NamedTuple
from pepip.host import files, filesystems, links, locks


class Addition(NamedTuple):
    """An entry that a run means to link, and the facts that its metadata records. See `Installation`."""

    entry_id: str
    direct_url: dict[str, object] | None
    local_path: str
    cache_info: str = ""
    mode: str = ""


class Journal(NamedTuple):
    """The intent of a change.

    `removals` are names in site-packages: `.dist-info` and `.egg-info` folders, and `.egg-link` files. `private` are
    the names of distributions that uv installs, before or after the links are made.
    """

    additions: tuple[Addition, ...] = ()
    removals: tuple[str, ...] = ()
    private: tuple[str, ...] = ()


def dump(journal: Journal) -> bytes:
    """Return the content of a journal's file."""
    document = {"link": journal.additions, "remove": journal.removals, "private": journal.private}
    return json.dumps(document).encode()


def load(content: bytes) -> Journal:
    """Return the journal that a file holds.

    Raises ValueError if the content is no journal, or if a name in it has the wrong form.
    """
    document = files.load_json(content)
    if not isinstance(document, dict):
        raise ValueError("a journal is one object")
    rows, removals, private = (document.get(key, []) for key in ("link", "remove", "private"))
    if not all(isinstance(value, list) for value in (rows, removals, private)):
        raise ValueError("a journal holds lists")
    additions = tuple(map(_addition, rows))
    if not all(isinstance(name, str) and _is_metadata(name) for name in removals):
        raise ValueError("a journal removes only metadata in site-packages")
    if not all(isinstance(name, str) and paths.is_name(name) for name in private):
        raise ValueError("a journal names distributions")
    return Journal(additions, tuple(removals), tuple(private))


def _addition(row: object) -> Addition:
    if not isinstance(row, list) or not 3 <= len(row) <= len(Addition._fields):
        raise ValueError("an addition has three to five fields")
    entry_id, direct_url, local_path, cache_info, mode = [*row, "", ""][: len(Addition._fields)]
    if not isinstance(entry_id, str) or not paths.is_entry_id(entry_id):
        raise ValueError("an entry is named by its bucket and its folder")
    if not (direct_url is None or isinstance(direct_url, dict)):
        raise ValueError("direct_url.json holds an object")
    if not isinstance(local_path, str) or not isinstance(cache_info, str) or "\0" in local_path:
        raise ValueError("a path and a note are texts")
    if not isinstance(mode, str) or mode not in ("", *MODES):
        raise ValueError("files are made by a mode that is known")
    return Addition(entry_id, direct_url, local_path, cache_info, mode)


def _is_metadata(name: str) -> bool:
    return paths.is_name(name) and name.endswith((".dist-info", ".egg-info", ".egg-link"))


def begin(root: str, journal: Journal) -> None:
    """Write the journal.

    An existing journal stays until the new one is complete and replaces it. The files that were set aside for it stay
    until `finish`. Raises OSError if the new journal can't be written; nothing is then left behind if there was no
    journal before.
    """
    folder = paths.scratch(root)
    _remove_link(folder)
    is_pending = os.path.lexists(f"{folder}/{_NAME}")
    try:
        if is_pending:
            kept = {_NAME, os.path.basename(installing(root)), os.path.basename(paths.aside(root))}
            for name in os.listdir(folder):
                if name not in kept:
                    filesystems.remove(f"{folder}/{name}")
        else:
            filesystems.remove_tree(folder)
            os.mkdir(folder)
        files.write_whole(f"{folder}/{_NAME}", dump(journal), unfinished=f"{folder}/journal.new")
    except OSError:
        if not is_pending:
            filesystems.remove_tree(folder)  # nothing was changed, so leave nothing behind
        raise


def is_there(root: str) -> bool:
    """Tell whether any run began a change and did not finish it."""
    return os.path.lexists(paths.scratch(root))


def is_unfinished(root: str) -> bool:
    """Tell whether any run began a change, copy or swap in an environment and did not finish it."""
    return is_there(root) or os.path.lexists(paths.copies(root)) or os.path.lexists(paths.adopting(root))


def installing(root: str) -> str:
    """Return the file that a run locks while uv installs private distributions.

    While the lock is held, the journal belongs to a live run, not to a killed one.
    """
    return f"{paths.scratch(root)}/installing"


def is_in_use(root: str) -> bool:
    """Tell whether the run that wrote the journal is alive and waits until uv has installed private distributions."""
    return _may_be_held(root) and locks.is_held(installing(root))


def is_under_way(root: str) -> bool:
    """Tell whether a live run of pepip or uv changes the environment: it holds the lock, or waits for uv.

    Another user's lock that can't be opened counts as free.
    """
    lock = paths.environment_lock(root)
    return is_in_use(root) or (os.access(lock, os.R_OK) and locks.is_held(lock))


def wait(root: str) -> None:
    """Wait until uv has installed the private distributions.

    The caller must not hold the environment's lock, because uv needs it.
    """
    if _may_be_held(root):
        with locks.held(installing(root)):
            pass


def _may_be_held(root: str) -> bool:
    """Tell whether the lock of `installing` is a regular file. Anything else came with a checkout, and is no lock."""
    try:
        return stat.S_ISREG(os.lstat(installing(root)).st_mode) and not links.read_link(paths.scratch(root))
    except OSError:
        return False


def pending(root: str) -> Journal | None:
    """Return the journal of a killed run, or None if there is none.

    A run that was killed without a complete journal has at most made room for it, so the answer is None. A journal
    that `load` refuses shows only that a change was begun, so the answer is an empty journal. It is the same if the
    journal's folder is a link. Raises OSError if the file can't be read.
    """
    path = f"{paths.scratch(root)}/{_NAME}"
    try:
        if links.read_link(paths.scratch(root)):
            return Journal()
        return load(files.read_regular(path, most_bytes=files.RECORD_BYTES))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError:
        return Journal()


def finish(root: str) -> None:
    """Remove the journal and all that was set aside, because the change is complete or taken back.

    A file beside the journal that can't be removed is no error: the next command tries again.
    """
    folder = paths.scratch(root)
    _remove_link(folder)
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        os.unlink(f"{folder}/{_NAME}")
    if os.path.lexists(folder):
        with contextlib.suppress(OSError):
            filesystems.remove(folder)


def _remove_link(folder: str) -> None:
    """Remove a link that stands in place of the journal's folder. Its target is not pepip's, and is left alone."""
    if links.read_link(folder):
        links.unlink(folder)


_NAME = "journal.json"
