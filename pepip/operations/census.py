"""The census: the store's entries, and the links on disk of the environments that the registry knows.

For an environment that can't be reached, the entries noted in the registry stand for its links.
"""

from __future__ import annotations

import os
from collections import Counter

from pepip import humanized, paths
from pepip.environment import contents, detached_copies, journal, project_venv, purposes, swap, venv_id
from pepip.environment.purposes import PROJECT, TOOL, Purpose
from pepip.fast_namedtuple import NamedTuple
from pepip.host import disk_usage, files, filesystems, running_processes
from pepip.model import Installed
from pepip.store import listing, registry
from pepip.uv import interpreter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pepip.store.listing import Stored
    from pepip.store.registry_file import Registration
    from pepip.store.root import Store
    from pepip.store.scan_cache import ScanCache

OK = "ok"
BROKEN = "broken"
CHANGING = "changing"
MISSING = "missing"
UNREACHABLE = "unreachable"

_SCRIPT_DELETED = "its script was deleted"

READABLE = frozenset({OK, BROKEN, CHANGING})
"""The states of environments that are there and can be read."""


class KnownVenv(NamedTuple):
    """An environment that the registry knows.

    `state` is `ok`; `broken` (its interpreter is gone, a change to it was interrupted, its links lead to the former
    place of the store, or the store has lost entries that it links); `changing` (it looks broken, because a change is
    under way); `missing` (deleted); or `unreachable` (its disk is not there, or can't be read). `reason` gives the
    reason in a sentence. `entries` are the ids of the entries that it links, or has real files from. For an
    unreachable environment, they are the ids noted in the
    registry, or None if the registry has no such note.
    """

    environment: str
    project: str
    python: str
    state: str
    reason: str
    packages: tuple[Installed, ...]
    entries: frozenset[str] | None
    registration: Registration
    purpose: Purpose = Purpose(PROJECT)

    @property
    def name(self) -> str:
        """The environment's name for people: its path, or the name of its script or tool."""
        return self.purpose.name or self.environment

    def is_called(self, name: str, folder: str) -> bool:
        """Tell whether a user means this environment by a name: its path, its project, its script, or its tool.

        A relative path begins in `folder`.
        """
        path = paths.absolute(os.path.join(folder, name))
        script = self.purpose.script
        places = {
            self.environment,
            self.name,
            self.project if self.purpose.kind == PROJECT else "",
            script.path if script else "",
        }
        return bool({path, paths.real(path)} & places) or (self.purpose.kind == TOOL and self.purpose.name == name)

    @property
    def is_abandoned(self) -> bool:
        """Whether the environment is there, but its script was deleted."""
        return self.state == MISSING and self.reason == _SCRIPT_DELETED

    @property
    def copied(self) -> frozenset[str]:
        """The ids of entries from which the environment has real files, and to which it has no links."""
        linked = {item.entry_id for item in self.packages}
        return frozenset(item.source_id for item in self.packages) - linked - {""}

    @property
    def linked(self) -> frozenset[str]:
        """The ids of entries that the environment links, as far as they are known."""
        return (self.entries or frozenset()) - self.copied


class Census(NamedTuple):
    """All entries, all known environments, and the files of the registry that can't be read.

    `unregistered` are environments that lie beside known ones and are not registered, with the ids of the entries
    that they link. `layered` are the entries of layers, if they were asked for: no prune counts or removes them.
    """

    stored: list[Stored]
    projects: list[KnownVenv]
    damaged: list[Registration]
    unregistered: dict[str, frozenset[str]]
    layered: tuple[Stored, ...] = ()

    def users(self) -> dict[str, list[str]]:
        """Return the environments that link each entry, or have real files from it, by the entry's id."""
        found: dict[str, list[str]] = {}
        for known in self.projects:
            for entry_id in known.entries or ():
                found.setdefault(entry_id, []).append(known.environment)
        for environment, entry_ids in self.unregistered.items():
            for entry_id in entry_ids:
                found.setdefault(entry_id, []).append(environment)
        return found


def take(store: Store, *, memory: ScanCache | None = None, with_layers: bool = False) -> Census:
    """Return the census. Every link of an environment counts, whatever the environment's metadata says.

    `memory` may answer for entries and environments that have not changed since the last scan. The disk is only read.
    An environment that vanishes while its links are read counts as unreachable. Entries of layers are listed only
    `with_layers`.
    """
    stored = listing.stored(store, memory)
    ids = {item.id for item in stored}
    registered = registry.registrations(store)
    readable = [(item, purposes.of(item.environment, item.named)) for item in registered if not item.is_damaged]
    abandoned = _abandoned(readable)
    counts = Counter((item.environment, item.id) for item, _ in readable)
    projects = [
        _look(
            store,
            item,
            purpose,
            ids,
            memory,
            is_abandoned=item.environment in abandoned,
            is_alone=counts[item.environment, item.id] == 1,
        )
        for item, purpose in readable
    ]
    roots = [root for item in registered for root in (item.environment, item.named) if root]
    unregistered = _beside(store, roots, memory)
    layered = tuple(listing.stored_in_layers(store)) if with_layers else ()
    return Census(stored, projects, [item for item in registered if item.is_damaged], unregistered, layered)


def _look(
    store: Store,
    registration: Registration,
    purpose: Purpose,
    stored_ids: set[str],
    memory: ScanCache | None,
    *,
    is_abandoned: bool,
    is_alone: bool,
) -> KnownVenv:
    """Return the state of one registered environment, and the entries that it links."""
    root = registration.environment
    state, reason = _whereabouts(registration, root)
    meant = project_venv.meant_by(registration.named) if state == MISSING and registration.named else ""
    if meant and os.path.isfile(f"{meant}/pyvenv.cfg"):
        root = paths.real(meant)  # the folder was moved, and the link to it was made again
        state, reason = _whereabouts(registration, root)
    recorded = None if registration.entries is None else frozenset(registration.entries)
    if state == OK and is_abandoned:
        state, reason = MISSING, _SCRIPT_DELETED
    if state != OK:
        linked = frozenset() if state == MISSING else recorded
        return KnownVenv(root, registration.project, "", state, reason, (), linked, registration, purpose)
    for look in range(_LOOKS):
        try:
            packages = _packages(store, root, memory)
            every = frozenset(item.entry_id for item in packages if item.entry_id) | _links(store, root, memory)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and look + 1 < _LOOKS:
                continue  # a change removes folders at this moment
            reason = f"{error.filename or root}: {error.strerror}"
            return KnownVenv(root, registration.project, "", UNREACHABLE, reason, (), recorded, registration, purpose)
        reason = _defect(root, _loss(store, every, stored_ids), packages)
        if reason and journal.is_under_way(root):
            state, reason = CHANGING, "a change to it is under way"
        if not reason or state == CHANGING:
            break
    else:
        state = BROKEN
    made = frozenset(item.source_id for item in packages if item.source_id)
    python = python_of(root)
    every |= made
    rest = (recorded or frozenset()) - every
    if rest and registry.may_be_copied(store, registration, is_alone=is_alone):
        every |= rest
    return KnownVenv(root, registration.project, python, state, reason, tuple(packages), every, registration, purpose)


_LOOKS = 2
"""A change may end between the look at an environment and the question whether it is under way. So look once more."""


def _abandoned(registered: Iterable[tuple[Registration, Purpose]]) -> set[str]:
    """Return the environments in uv's cache whose scripts were deleted, and from which no process runs.

    Where running processes can't be listed, such an environment stays until uv removes it from its cache.
    """
    found = {
        item.environment
        for item, purpose in registered
        if purpose.script is not None and venv_id.is_script_deleted(purpose.script)
    }
    return found - running_processes.users_of(found).keys() if running_processes.can_be_listed() else set()


def _beside(store: Store, roots: Iterable[str], memory: ScanCache | None) -> dict[str, frozenset[str]]:
    """Return environments that are not registered but lie beside known ones, with the ids of the entries they link.

    A copy of a project mostly lies near it, and so does a moved project. If `code/a/.venv` is known, the candidates
    are `code/*/.venv` and `code/a/*`.
    """
    known = set(roots)
    candidates: set[str] = set()
    for folder, name in {(os.path.dirname(os.path.dirname(root)), os.path.basename(root)) for root in known}:
        candidates.update(f"{child}/{name}" for child in _folders(folder))
    for folder in {os.path.dirname(root) for root in known}:
        candidates.update(_folders(folder))
    found = {}
    for root in sorted(candidates - known):
        if os.path.isfile(f"{root}/pyvenv.cfg") and paths.real(root) not in known:
            try:
                linked = _links(store, root, memory)
            except OSError:
                continue
            if linked:
                found[root] = linked
    return found


def _folders(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as children:
            return [child.path for child in children if child.is_dir()]
    except OSError:
        return []


def _links(store: Store, root: str, memory: ScanCache | None) -> frozenset[str]:
    """Return the ids of all entries that any link in an environment leads into. Raises OSError."""
    folders = memory.evidence("links", root) if memory else None
    if memory and folders is not None and disk_usage.are_unchanged(root, folders):
        return frozenset(memory.recall("links", root, folders))
    linked, times = contents.entries_linked(root, store.known_roots)
    if memory:
        memory.note("links", root, times, sorted(linked))
    return frozenset(linked)


def _packages(store: Store, root: str, memory: ScanCache | None) -> list[Installed]:
    """Return the distributions of an environment.

    `memory` answers while the modification times of the site-packages folders are the same: installing or removing a
    distribution changes such a time.
    """
    folders = contents.site_packages_of(root)
    evidence = [[folder, os.stat(folder).st_mtime_ns] for folder in folders]
    known = memory.recall("packages", root, evidence) if memory else None
    if memory and known is not None:
        return recalled(memory, known)
    packages = contents.distributions_below(root, store.known_roots)
    if memory:
        memory.note("packages", root, evidence, [list(item) for item in packages])
    return packages


def recalled(memory: ScanCache, rows: Iterable[Sequence[str]]) -> list[Installed]:
    """Return remembered distributions. Equal ones are one object: many environments have the same."""
    made = memory.made
    return [made.get(row) or made.setdefault(row, Installed._make(row)) for row in map(tuple, rows)]


def _whereabouts(registration: Registration, root: str) -> tuple[str, str]:
    """Return whether an environment is there, was deleted, or can't be reached; and the reason in a sentence.

    An environment counts as deleted only if the nearest existing folder above it is in the same place as when it was
    registered (see `_displacement`). Otherwise its disk is missing, or it belongs to another container. A folder that
    holds no environment may be an empty mount point, so that folder itself must be in the same place, too. If another
    environment is at the path, the registered one was replaced, or belongs to another container.
    """
    is_there = True
    try:
        os.stat(root)
        os.scandir(root).close()
    except (FileNotFoundError, NotADirectoryError):
        is_there = False
    except OSError as error:
        return UNREACHABLE, f"{error.filename or root}: {error.strerror}"
    is_environment = is_there and os.path.lexists(f"{root}/pyvenv.cfg")
    if is_environment and registration.id in {"", registry.id_of(root)}:
        return OK, ""
    above = root if is_there else os.path.dirname(root)
    while True:
        try:
            os.stat(above)
            break
        except (FileNotFoundError, NotADirectoryError):
            is_there = False
            above = os.path.dirname(above)
        except OSError as error:
            return UNREACHABLE, f"{above}: {error.strerror}"
    displacement = _displacement(registration, above)
    if displacement:
        return UNREACHABLE, f"another environment is at its path: {displacement}" if is_environment else displacement
    if is_environment:
        return MISSING, "another environment took its place"
    return (OK, "") if is_there else (MISSING, "it was deleted or moved")


def _displacement(registration: Registration, folder: str) -> str:
    """Return in a sentence why a folder is not in the place that the registration notes; empty if it is there.

    The folder is the environment's own, or one above it.
    """
    place = filesystems.place(folder)
    if place.mount_point != registration.mount_point:
        return f"the disk of {registration.mount_point} is not there"
    if registration.location:
        is_same = place.location == registration.location
        if is_same:
            return ""
        return f"another disk is at {registration.mount_point}, or the environment belongs to another container"
    if os.stat(folder).st_dev != registration.device:
        return f"the disk of {registration.mount_point} is not there"
    if registration.filesystem not in {0, filesystems.identity(folder)}:
        return f"another disk is at {registration.mount_point}"
    return ""


def _loss(store: Store, linked: Iterable[str], stored_ids: set[str]) -> str:
    """Return a sentence that names the linked entries that are lost, and their store; empty if none is lost."""
    lost: dict[str, list[str]] = {}
    for entry_id in linked:
        home = store.home_of(entry_id)
        # An entry that is not among the listed ones may have been stored since.
        if home is None or not (entry_id in stored_ids or _is_there(store.path_of(entry_id))):
            lost.setdefault(paths.layer_of(entry_id), []).append(paths.entry_name(entry_id))
    away = store.layers_away() if lost else {}
    for root, found in sorted(lost.items()):
        names = humanized.listed(sorted(found))
        if root in away:
            return f"it links {names} from the layer {root}, which {away[root]}"
        if root and root not in (layer.root for layer in store.layers):
            return f"{root} is no longer a layer, but the environment links {names} from there"
        return f"it links {names}, which the {f'layer {root}' if root else 'store'} has lost"
    return ""


def _is_there(path: str) -> bool:
    """Tell whether an entry is at a path. A link does not count: another user may have made it."""
    return os.path.isdir(path) and not os.path.islink(path)


def _defect(root: str, loss: str, packages: Sequence[Installed]) -> str:
    """Return the defect of an existing environment in a sentence, empty if it has none.

    `loss` is the sentence for lost entries.
    """
    if not any(os.path.exists(f"{root}/{path}") for path in interpreter.PROGRAMS):
        return "its interpreter is gone"
    if journal.pending(root) is not None or detached_copies.is_begun(root) or swap.is_begun(root):
        return "a change to it was interrupted: the next `pepip install` or `pepip sync` there completes it"
    if loss:
        return loss
    linked = next((item for item in packages if item.entry_id), None)
    if linked and not any(
        os.path.exists(f"{folder}/{linked.dist_info}/METADATA") for folder in contents.site_packages_of(root)
    ):
        return "its links lead to the former place of the store"
    return ""


def python_of(root: str) -> str:
    """Return the version of an environment's Python, as its `pyvenv.cfg` says."""
    try:
        content = files.read_regular(f"{root}/pyvenv.cfg", follows=True, leaves_no_trace=True)
    except OSError:
        return ""
    pairs = [line.partition("=") for line in content.decode("utf-8", "replace").splitlines()]
    return next((value.strip() for key, _, value in pairs if key.strip() in {"version_info", "version"}), "")
