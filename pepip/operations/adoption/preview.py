"""The preview of an adoption: the environments, the distributions to be linked, and the reasons why others stay.

Changes nothing, and starts no program. The survey of an environment is remembered as long as the modification times
of its folders are the same.
"""

from __future__ import annotations

import os
import stat

from pepip import digests, names, paths
from pepip.environment import contents, layout_check, makers, reasons
from pepip.environment import survey as surveys
from pepip.environment.survey import Inodes, Survey, Unlinked
from pepip.fast_namedtuple import NamedTuple
from pepip.host import filesystems, links, overlays, rights, running_processes
from pepip.operations.adoption import find_venvs
from pepip.operations.adoption.freed_space import Candidate, Disk, Freed, measure
from pepip.operations.reporting import Progress
from pepip.store import entries, listing
from pepip.uv import interpreter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence
    from typing import Any

    from pepip.host.running_processes import Process
    from pepip.operations.adoption.find_venvs import Redirect
    from pepip.operations.adoption.freed_space import FreedSpace
    from pepip.store.root import Store
    from pepip.store.scan_cache import ScanCache

_TOPIC = "surveys 4"
_TOO_OLD = ("1.", "2.")
_FOLDER_BYTES = 4096  # of a small folder on a file system where folders occupy blocks


class FoundVenv(NamedTuple):
    """An environment that was found, and the `tool` that made it. `processes` run from it now.

    `reason` says why none of its distributions would be linked; empty if some may be.
    """

    environment: str
    tool: str
    python: str
    reason: str
    survey: Survey
    processes: tuple[Process, ...] = ()


class AdoptionPreview(NamedTuple):
    """All environments that were found, and the space that linking them would free.

    `conda` environments are left alone, and so are `other_folders` of packages, which are in no environment.
    `redirects` lead out of the folders: their environments are among `venvs`, or are left alone. `linkable` is the
    number of distributions that would be linked. `closed` is the topmost folder above the store that other users
    can't enter, empty if there is none. Then `lost_to_others` are the environments that they can enter, and whose
    packages they could no longer use.
    """

    venvs: list[FoundVenv]
    conda: list[str]
    other_folders: list[str]
    unreadable: list[str]
    redirects: list[Redirect]
    freed_space: FreedSpace
    linkable: int
    closed: str = ""
    lost_to_others: tuple[str, ...] = ()

    @property
    def held_bytes(self) -> int:
        """The bytes that all environments occupy. Hard links of the same files count once."""
        held, seen = 0, set()
        for venv in self.venvs:
            held += venv.survey.allocated_bytes
            for copy in venv.survey.copies:
                for group in copy.inodes:
                    if group.mark in seen:
                        held -= group.size_bytes
                    elif group.mark:
                        seen.add(group.mark)
        return held

    def freed_by(self, venv: FoundVenv) -> Freed:
        """Return the part of the total that is due to one environment."""
        return self.freed_space.by_environment.get(self.venvs.index(venv), Freed())


class Selection(NamedTuple):
    """The wanted distributions: those named in `packages`, or all if it names none, less the `excluded` ones.

    `excluded` are shell patterns of distributions, or of the paths of environments.
    """

    packages: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()

    def takes_environment(self, root: str) -> bool:
        """Tell whether an environment is wanted."""
        import fnmatch

        return not any(fnmatch.fnmatch(root, pattern) for pattern in self.excluded)

    def takes(self, name: str) -> bool:
        """Tell whether a distribution is wanted."""
        import fnmatch

        if self.packages and name not in map(names.normalize_name, self.packages):
            return False
        return not any(fnmatch.fnmatch(name, pattern) for pattern in self.excluded)


EVERYTHING = Selection()


def preview(
    store: Store, folders: Sequence[str], memory: ScanCache | None = None, choice: Selection = EVERYTHING
) -> Generator[Progress, None, AdoptionPreview]:
    """Survey every environment below `folders`, yielding progress, and return an AdoptionPreview. Changes nothing."""
    left_out = {paths.real(store.root)}
    found = yield from find_venvs.discover(folders, left_out=left_out)
    roots = [root for root in found.environments if choice.takes_environment(root)]
    processes = running_processes.users_of(roots)
    mounts = filesystems.mount_points()
    venvs = []
    for number, root in enumerate(roots):
        yield Progress("scan", root, number, len(roots))
        mount = next((point for point in mounts if point.startswith(f"{root}/")), "")
        reason = f"{mount} is a mount of its own" if mount else ""
        venvs.append(_look(store, root, tuple(processes.get(root, ())), memory, reason))
    candidates = _candidates(venvs, choice)
    freed_space = _measure_freed_space(store, venvs, candidates, memory)
    redirects = [item for item in found.redirects if choice.takes_environment(item.environment)]
    places = found.conda, found.other_folders, found.unreadable, redirects
    concerned = sorted({venvs[item.environment].environment for item in candidates})
    closed = rights.closed_to_others(_nearest_folder(paths.real(store.root)))
    lost_to_others = tuple(root for root in concerned if closed and not rights.closed_to_others(root))
    return AdoptionPreview(venvs, *places, freed_space, len(candidates), closed, lost_to_others)


def _nearest_folder(path: str) -> str:
    return next(above for above in paths.upward(path) if os.path.isdir(above))


def _candidates(venvs: Sequence[FoundVenv], choice: Selection) -> list[Candidate]:
    return [
        Candidate(number, venv.survey.device, copy)
        for number, venv in enumerate(venvs)
        if not venv.reason
        for copy in venv.survey.copies
        if not copy.reason and choice.takes(copy.name)
    ]


def _measure_freed_space(
    store: Store, venvs: Sequence[FoundVenv], candidates: Sequence[Candidate], memory: ScanCache | None
) -> FreedSpace:
    wanted = {candidate.copy.name for candidate in candidates}
    disk = _disk_of(store, venvs, candidates)
    return measure(candidates, stored=_stored_contents(store, wanted, memory), disk=disk)


def _disk_of(store: Store, venvs: Sequence[FoundVenv], candidates: Sequence[Candidate]) -> Disk:
    """Return the disk of the store, or the one on which it will be made.

    Folders there are taken to be as large as those of the candidates.
    """
    home = paths.real(store.root)
    device = os.stat(_nearest_folder(home)).st_dev
    size_bytes, number = (sum(item.copy.folders[field] for item in candidates) for field in (0, 1))
    places = {item.survey.device: item.environment for item in venvs}
    inode_bytes = {device: filesystems.inode_bytes(place) for device, place in places.items()}
    folder_bytes = min(size_bytes // number if number else _FOLDER_BYTES, _FOLDER_BYTES)
    return Disk(home, device, folder_bytes, inode_bytes)


def _stored_contents(store: Store, names: set[str], memory: ScanCache | None) -> set[str]:
    """Return the `Copy.content` (a digest of the rows of RECORD) of each sound entry with one of these names."""
    found = set()
    for item in (*listing.stored(store, memory), *listing.stored_in_layers(store)):
        if item.name in names and item.state == "ok":
            entry = entries.read(store, item.id)
            with open(f"{entry.path}/{entry.dist_info}/RECORD", "rb") as file:
                found.add(surveys.content_of_entry(entry.name, entry.version, entry.dist_info, file.read()))
    return found


def _look(
    store: Store, root: str, processes: tuple[Process, ...], memory: ScanCache | None, reason: str
) -> FoundVenv:
    settings = makers.settings_of(root)
    tool, python = makers.tool_of(root, settings), makers.python_of(settings)
    try:
        survey = _without_lower_layers(root, _remembered(root, memory) or _survey(store, root, memory))
    except OSError as error:
        nothing = Survey((), 0, 0, 0, 0, 0, ())
        return FoundVenv(root, tool, python, f"{error.filename or root}: {error.strerror}", nothing, processes)
    reason = _obstacle(root, python) or reason or _without_access(store, processes)
    return FoundVenv(root, tool, python, reason, survey, processes)


def _without_lower_layers(root: str, survey: Survey) -> Survey:
    """Return the survey. Distributions in a lower layer of overlayfs get `LOWER_LAYER` as their reason to stay."""
    infos = {
        f"{folder}/{copy.dist_info}": copy
        for folder in surveys.site_packages_in_use(root)
        for copy in survey.copies
        if not copy.reason
    }
    lower = {infos[path] for path in overlays.in_lower_layer(infos)}
    if not lower:
        return survey
    why = reasons.LOWER_LAYER
    copies = (copy._replace(reason=why, content="") if copy in lower else copy for copy in survey.copies)
    return survey._replace(copies=tuple(copies))


def _obstacle(root: str, python: str) -> str:
    """Return the reason why no distribution of an environment may be linked, in words; empty if there is none."""
    if not any(os.path.exists(f"{root}/{path}") for path in interpreter.PROGRAMS):
        return "its interpreter is gone"
    if python.startswith(_TOO_OLD):
        return f"pepip does not work with Python {python}"
    if not interpreter.is_readable_by_uv(root):
        return "its path is not valid UTF-8"
    owner = rights.other_owner(root)
    if owner:
        return f"it belongs to {owner}"
    folders = [folder[len(root) + 1 :] for folder in contents.site_packages_of(root)]
    outside = layout_check.link_that_leads_out(root, (*folders, "lib", "bin"))
    if outside:
        return f"{outside} is a link that leads out of it"
    for folder in surveys.site_packages_in_use(root):
        inside = folder[len(root) + 1 :]
        link = next((above for above in (*paths.ancestors(inside), inside) if links.read_link(f"{root}/{above}")), "")
        if link:
            return f"its packages lie behind the link {link}"
    obstacle = rights.obstacle_to_changing(root).replace(root, "it")
    obstacles = (rights.obstacle_to_changing(f"{root}/{folder}") for folder in folders)
    return obstacle or next(filter(None, obstacles), "")


def _without_access(store: Store, processes: Iterable[Process]) -> str:
    """Return a sentence about a user who runs one of the processes and may not read the store; empty if none does."""
    for process in processes:
        user = running_processes.user_without_access(process.number, paths.real(store.root))
        if user is not None:
            name = rights.name_of(user)
            return f"{name} runs {process.name} in it, and may not read the store"
    return ""


def _survey(store: Store, root: str, memory: ScanCache | None) -> Survey:
    survey = surveys.survey(root, store.known_roots)
    if memory:
        times = _times(root, survey.folders)
        if times:
            evidence = ["\n".join(survey.folders), times]
            memory.note(_TOPIC, root, evidence, _as_json(survey))
    return survey


def _remembered(root: str, memory: ScanCache | None) -> Survey | None:
    """Return the remembered survey of an environment, None if there is none or if a folder has changed since."""
    evidence = memory.evidence(_TOPIC, root) if memory else None
    if memory is None or not isinstance(evidence, list):
        return None
    folders = str(evidence[0]).split("\n")
    if _times(root, folders) != evidence[1]:
        return None
    row = memory.recall(_TOPIC, root, evidence)
    copies = tuple(_copy(*fields) for fields in row[0])
    return Survey._make([copies, *row[1:], tuple(folders)])


def _copy(*fields: Any) -> Unlinked:
    """Return an `Unlinked` from the fields that JSON kept."""
    *texts, changed, content, inodes, bytecode, folders, links, new_folders = fields
    groups = tuple(map(Inodes._make, inodes))
    return Unlinked._make(
        [*texts, tuple(changed), content, groups, tuple(bytecode), tuple(folders), links, new_folders]
    )


def _as_json(survey: Survey) -> list[Any]:
    return [list(survey.copies), *survey[1:-1]]


def _times(root: str, folders: Iterable[str]) -> str:
    """Return a digest of the modification times of folders, relative to `root`; empty if one can't be read."""
    look: Callable[[str], os.stat_result] = os.lstat
    times = []
    try:
        for folder in folders:
            status = look(f"{root}/{folder}")
            if not stat.S_ISDIR(status.st_mode):
                return ""
            times.append(status.st_mtime_ns)
    except OSError:
        return ""
    return digests.hexadecimal(repr(times).encode())
