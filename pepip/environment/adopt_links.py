"""Replaces the files of an installed distribution by links to an entry with the same bytes.

Where the system can exchange two names in one step, no file is ever missing. Files that installers and programs made
are kept: scripts, INSTALLER, `direct_url.json`, and all files that no RECORD lists, except bytecode. RECORD lists the
linked folders first, as in every linked distribution.
"""

from __future__ import annotations

import functools
import os
import stat
import sys

from pepip import paths
from pepip.environment import contents, file_modes, reasons
from pepip.environment.as_wheel import OwnFilesError, state_of
from pepip.environment.placement import placer_for
from pepip.environment.swap import Swap, is_begun
from pepip.host import attributes, files, links, transfer
from pepip.plan.merge import merge
from pepip.wheel import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pepip.environment.as_wheel import AsWheel
    from pepip.environment.placement import Placer
    from pepip.host.disk_usage import Usage
    from pepip.model import Entry, Environment, Installed, Link, Plan

_MOST_BYTES = 1 << 28


def plan(
    environment: Environment,
    linked: Iterable[Entry],
    coming: dict[str, tuple[AsWheel, Entry]],
    staying: Iterable[Installed],
) -> Plan:
    """Return the plan of an environment that links the `coming` distributions in addition to the `linked` ones.

    A folder stays real if it holds files of a `staying` distribution, or files (not bytecode) that no distribution
    lists. Raises ClashError as `merge` does.
    """
    linked = list(linked)
    foreign = contents.foreign_directories(environment, staying)
    merged = merge(linked, environment.interpreter, foreign_directories=foreign)
    listed = {path for wheel, _ in coming.values() for path in wheel.states}
    foreign |= _folders_with_others(environment, listed | merged.links.keys())
    entries = [*linked, *(entry for _, entry in coming.values())]
    return merge(entries, environment.interpreter, foreign_directories=foreign)


def _folders_with_others(environment: Environment, known: set[str]) -> set[str]:
    """Return the folders, relative to site-packages, that hold more than the files in `known`, with their ancestors.

    `known` paths are relative to the environment. Bytecode does not count, but a folder without any known file does.
    """
    found: set[str] = set()
    base = environment.interpreter.site_packages
    folders = {above for path in known for above in paths.ancestors(path)}
    pending = [""]
    while pending:
        folder = pending.pop()
        with os.scandir(f"{environment.site_packages}/{folder}") as children:
            for child in children:
                path = f"{folder}/{child.name}" if folder else child.name
                if f"{base}/{path}" in known or _is_cached(f"{path}/"):
                    continue
                if f"{base}/{path}" in folders and child.is_dir(follow_symlinks=False):
                    pending.append(path)
                    continue
                found.update(above for above in paths.ancestors(path) if not above.endswith(".dist-info"))
    return found


def link(environment: Environment, wheel: AsWheel, entry: Entry, plan: Plan, *, may_clone: bool) -> Usage:
    """Link one distribution by the plan. Return the disk usage that this freed.

    With `may_clone`, the file system has clones, and blocks that a removed file shares with other files are not
    counted. The caller holds the environment's lock, and has proven that the entry has the same bytes as `wheel`.
    Raises OwnFilesError if a file has changed since it was read, or can't be replaced, and OSError if a link can't
    be made. After an error the environment is as before, or, if an exchange could not be undone, the next command
    undoes it.
    """
    own = {path: item for path, item in plan.links.items() if item.owner == entry.name}
    info = f"{environment.interpreter.site_packages}/{entry.dist_info}"
    placer = placer_for(environment, [entry])
    swap = Swap(environment.root)
    try:
        for path, item in own.items():
            if path.startswith(f"{info}/"):
                continue
            place = f"{environment.root}/{path}"
            if item.is_directory:
                _check_folder(environment, path, wheel)
            elif placer.is_placed(place, item.target):
                continue
            else:
                _check_file(environment, path, wheel)
            swap.prepare(path, functools.partial(_link, entry, item, placer))
        build = functools.partial(
            _build_metadata, environment=environment, wheel=wheel, entry=entry, own=own, placer=placer
        )
        for folder, _, _ in links.walk(f"{environment.root}/{info}"):
            _check_owner(environment, folder)
        swap.prepare(info, build)
    except BaseException:
        swap.give_up()
        raise
    try:
        return swap.carry_out(may_clone=may_clone)
    except PermissionError as error:
        if is_begun(environment.root):  # an exchange could not be taken back: the next run takes it back
            raise
        place = error.filename2 or error.filename
        inside = (os.path.relpath(place, environment.root),) if isinstance(place, str) else ()
        raise OwnFilesError("its files can't be replaced", inside) from error


def _link(entry: Entry, item: Link, placer: Placer, place: str) -> None:
    placer.place(entry, item.target[len(entry.path) + 1 :], place, is_directory=item.is_directory)


def _check_owner(environment: Environment, folder: str) -> None:
    """Raise OwnFilesError if another user owns a folder: whatever replaces it would be this user's."""
    if os.lstat(folder).st_uid != files.user_id():
        raise OwnFilesError(reasons.OF_OTHERS, (folder[len(environment.root) + 1 :],))


def _check_folder(environment: Environment, path: str, wheel: AsWheel) -> None:
    """Raise OwnFilesError unless a folder holds only bytecode and unchanged files of `wheel`.

    Raise it also if another user owns the folder or one below it.
    """
    for folder, folders, names in links.walk(f"{environment.root}/{path}"):
        _check_owner(environment, folder)
        relative = folder[len(environment.root) + 1 :]
        for name in [*names, *(name for name in folders if links.read_link(f"{folder}/{name}"))]:
            if not _is_cached(f"{relative}/{name}") or f"{relative}/{name}" in wheel.states:
                _check_file(environment, f"{relative}/{name}", wheel)


def _is_cached(path: str) -> bool:
    """Tell whether a file lies in `__pycache__`, where Python and numba keep compiled code."""
    return f"/{paths.PYCACHE}/" in f"/{path}"


def _check_file(environment: Environment, path: str, wheel: AsWheel) -> None:
    try:
        status = os.lstat(f"{environment.root}/{path}")
    except OSError as error:
        raise OwnFilesError("its files change while they are read", (path,)) from error
    if not stat.S_ISREG(status.st_mode) or wheel.states.get(path) != state_of(status):
        raise OwnFilesError("its files change while they are read", (path,))


def _build_metadata(
    place: str, *, environment: Environment, wheel: AsWheel, entry: Entry, own: dict[str, Link], placer: Placer
) -> None:
    """Build the `.dist-info` folder that replaces the existing one.

    It has the links of the plan, a new RECORD, all other files of the existing one, and, if some modes are unusual or
    files have attributes, a note of them.
    """
    info = f"{environment.interpreter.site_packages}/{entry.dist_info}"
    pending = [""]
    while pending:
        folder = pending.pop()
        source = f"{environment.root}/{info}{folder}"
        os.mkdir(place + folder)
        with os.scandir(source) as children:
            for child in children:
                target, item = f"{place}{folder}/{child.name}", own.get(f"{info}{folder}/{child.name}")
                if item is not None:
                    _link(entry, item, placer, target)
                elif child.is_dir(follow_symlinks=False):
                    pending.append(f"{folder}/{child.name}")
                elif folder or child.name != "RECORD":
                    _take(child, target)
        os.chmod(place + folder, stat.S_IMODE(os.stat(source).st_mode))
        attributes.write(place + folder, attributes.read(source))
    rows = []
    note = _note_of(environment, info, wheel, own)
    if note.modes or note.attributes:
        content = file_modes.dump(note)
        files.create(f"{place}/{file_modes.NOTE}", content)
        rows.append(record.row_of(f"{entry.dist_info}/{file_modes.NOTE}", content))
    _write_record(environment, entry, own, rows, f"{place}/RECORD")


def _note_of(environment: Environment, info: str, wheel: AsWheel, own: dict[str, Link]) -> file_modes.Note:
    """Return the unusual modes and all attributes of what links replace, and the mode of RECORD if it is unusual."""
    modes = {path: state[-1] for path, state in wheel.states.items() if path in wheel.shared}
    for path, item in own.items():
        if item.is_directory:
            for folder, _, _ in links.walk(f"{environment.root}/{path}"):
                if os.path.basename(folder) != paths.PYCACHE:
                    modes[folder[len(environment.root) + 1 :]] = stat.S_IMODE(os.stat(folder).st_mode)
    found = {path: attributes.read(f"{environment.root}/{path}") for path in modes}
    modes[f"{info}/RECORD"] = stat.S_IMODE(os.lstat(f"{environment.root}/{info}/RECORD").st_mode)
    unusual = file_modes.unusual(modes, environment.site_packages)
    return file_modes.Note(unusual, {path: some for path, some in found.items() if some})


def _take(child: os.DirEntry[str], target: str) -> None:
    """Make `target` a hard link to `child`, a file or a symbolic link. Copy it where no hard link is possible."""
    if not links.share_inode(child.path, target):
        if sys.platform == "darwin" and child.is_symlink():  # a clone is a link, too, and `chmod` follows it
            links.symbolic_link(os.readlink(child.path), target)
            return
        mode = stat.S_IMODE(child.stat(follow_symlinks=False).st_mode)
        transfer.Transfer().file(child.path, target, mode)


def _write_record(
    environment: Environment, entry: Entry, own: dict[str, Link], rows: list[record.Row], target: str
) -> None:
    """Write the rows for folders that are linked whole, then `rows`, then the existing RECORD unchanged."""
    source = f"{environment.site_packages}/{entry.dist_info}/RECORD"
    before = files.read_regular(source, most_bytes=_MOST_BYTES)
    base = environment.interpreter.site_packages + "/"
    folders = [path.removeprefix(base) for path, item in own.items() if item.is_directory]
    files.create(target, *record.of_environment(folders, b"", rows), before)
    os.chmod(target, stat.S_IMODE(os.lstat(source).st_mode))
    attributes.write(target, attributes.read(source))
