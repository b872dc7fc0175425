"""Writes the notes that `pepip.uv.up_to_date` reads: a command had nothing to do.

To tell that requirements are met, uv reads the environment and files, but no index. The states of these places are
noted. While they are the same, the same command in the same folder with the same variables has nothing to do.
"""

from __future__ import annotations

import os
import sys

from pepip import paths
from pepip.errors import StoreError
from pepip.uv.answer_cache import UNTIL, AnswerCache, states

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pepip.model import Entry, Environment, Installed
    from pepip.operations.deciding import CommandLine
    from pepip.store.root import Store

_PYTHON = ("-p", "--python")
_SECOND_NS = 1_000_000_000
_LAG_NS = _SECOND_NS // 20  # a file system may stamp a change this much earlier than the clock


def note(
    store: Store,
    asked: CommandLine,
    environment: Environment,
    present: Sequence[Installed],
    have: Iterable[Entry],
    *,
    is_locked: bool,
) -> None:
    """Note that the request is met, so that the same command has nothing to do.

    Only plain requests are noted, and projects whose lock names only files of indexes. An environment that satisfies
    a command with `--python` also satisfies it without, so both commands are noted. Nothing is noted if a place that
    the answer depends on may have changed since the command began. If the caller holds the environment's lock
    (`is_locked`), changes in the environment itself do not count. `present` are the environment's distributions,
    `have` those of its entries that were read already.
    """
    from pepip.operations import venvs
    from pepip.store import entries
    from pepip.uv import cacheable, up_to_date
    from pepip.uv.request import Request

    if not asked.words:
        return
    if isinstance(asked.request, Request):
        files = cacheable.files(asked.request) if cacheable.is_plain(asked.request) else None
    else:
        files = cacheable.files_of_project(asked.request) or None
    if files is None:
        return
    around = _places_around(environment.root, files)
    inside = _places_inside(store, environment, present)
    known = {entry.id: entry for entry in have}
    try:
        linked = [known.get(item.entry_id) or entries.read(store, item.entry_id) for item in present if item.entry_id]
    except (OSError, StoreError):
        return  # an entry is lost or damaged: the next command finds that out
    watched = around if is_locked and not _is_coarse(environment.site_packages) else [*around, *inside]
    if not any(_may_have_changed(place, asked.began_at_ns) for place in watched):
        places = [*around, *inside, *_renewal(store, linked), *_purge_evidence(linked)]
        evidence = [*states(places), *_seals(linked)]
        named = venvs.in_words(environment) if isinstance(asked.request, Request) else ""
        python, others = _split_python(asked.words)
        answers = AnswerCache(paths.cache(store.root))
        answers.remember(up_to_date.key(asked.words), named, [*evidence, *states(_places_of_python(python))])
        if python and not (venvs.environment_of(python) or os.environ.get("UV_PYTHON")):
            answers.remember(up_to_date.key(others), named, evidence)


def note_without_sync(store_root: str, words: Sequence[str], root: str, *, is_told: bool) -> None:
    """Note that `pepip run` with these words syncs nothing: its options say so (`is_told`), or there is no project.

    `root` is the environment in which uv may run the command. If a killed run has left a change there, nothing is
    noted.
    """
    from pepip.uv import settings, up_to_date

    evidence = states([*_places_around(root, [f"{root}/pyvenv.cfg"]), paths.scratch(root)])
    if not os.path.lexists(paths.scratch(root)) and (is_told or not settings.project_folder()):
        AnswerCache(paths.cache(store_root)).remember(up_to_date.key(words), up_to_date.NO_SYNC, evidence)


def _split_python(words: Sequence[str]) -> tuple[str, list[str]]:
    """Split the words of a command into its request for a Python, and the others. Only `install` may have one."""
    from pepip.uv import arguments

    if words[0] != "install":
        return "", list(words)
    python = ""
    for option in _PYTHON:
        python = next(arguments.values_of(words, option), python)
    return python, arguments.without(words, values=_PYTHON)


def _places_of_python(request: str) -> list[str]:
    """Return the places of the programs that a request for a Python may name. A version names none."""
    if {"/", os.sep} & set(request):
        return [request]
    if not request[:1].isalpha():
        return []
    ending = ".exe" if sys.platform == "win32" and not request.endswith(".exe") else ""
    return [f"{folder}/{request}{ending}" for folder in os.environ.get("PATH", "").split(os.pathsep)]


def _places_around(root: str, files: Iterable[str]) -> list[str]:
    """Return the places that decide that the environment at `root` is meant, and those that hold the request."""
    from pepip.uv import program, settings

    active = [os.environ.get(name, "") for name in ("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT")]
    others = [*active, *(place for folder in paths.upward(os.getcwd()) for place in (folder, f"{folder}/.venv"))]
    markers = [f"{place}/pyvenv.cfg" for place in others if place != root]
    redirects = [place for place in others if not os.path.isdir(place)]  # a file there names an environment (PEP 832)
    return [program.path(), *settings.places(), *markers, *filter(None, redirects), *files]


def _places_inside(store: Store, environment: Environment, present: Iterable[Installed]) -> list[str]:
    """Return the places that say whether an environment is whole, and which distributions it has."""
    from pepip.store import registry

    root, site_packages = environment.root, environment.site_packages
    metadata = [f"{site_packages}/{item.dist_info}" for item in present]
    return [
        f"{root}/pyvenv.cfg",
        environment.interpreter.executable,
        paths.scratch(root),
        paths.copies(root),
        *filter(None, [registry.file_of(store, root)]),
        f"{site_packages}/*",
        *metadata,
        *(f"{folder}/METADATA" for folder in metadata),  # through the links: the store may have been moved
    ]


def _seals(linked: Iterable[Entry]) -> list[tuple[str, str]]:
    """Return the sealed folders of entries, each with the state of an unchanged folder.

    The state is the modification time alone.
    """
    from pepip.store import entries

    places = [f"{path}/." for entry in linked for path in entries.sealed(entry)]
    if sys.platform == "win32":  # folders of an entry are not sealed there
        return states(places)
    return [(place, str(entries.SEALED_AT_NS)) for place in places]


def _renewal(store: Store, linked: Iterable[Entry]) -> list[str]:
    """Return the time at which leases of an environment must be renewed, as a place; none if it has no leases."""
    if not store.layers:
        return []
    import time

    from pepip.store import leases

    if not leases.are_taken_in(store, [entry.id for entry in linked]):
        return []
    return [f"{UNTIL}{time.time() + leases.RENEWAL_SECONDS:.0f}"]


def _purge_evidence(linked: Iterable[Entry]) -> list[str]:
    """Return the places that show whether a purge by the site has deleted files, and the time of the next touch.

    Empty if the user has named no time of a purge.
    """
    if "PEPIP_PURGE_AFTER" not in os.environ:
        return []
    from pepip.operations import purges

    if not purges.seconds():
        return []
    return [purges.next_touch(), *(f"{folder}/." for entry in linked for folder in purges.folders(entry))]


def _is_coarse(place: str) -> bool:
    """Tell whether a file system may stamp in whole seconds, so that two changes can have the same stamp."""
    return os.stat(place).st_mtime_ns % _SECOND_NS == 0


def _may_have_changed(place: str, since_ns: int) -> bool:
    """Tell whether a place may have changed at `since_ns` or later, even if its stamp is earlier.

    File systems stamp by a clock that lags. Some stamp in units of one or two seconds.
    """
    try:
        changed_at_ns = os.stat(place.removesuffix("/*")).st_mtime_ns
    except OSError:
        return False
    return changed_at_ns >= since_ns - (_LAG_NS if changed_at_ns % _SECOND_NS else 2 * _SECOND_NS)
