"""Builds the files of a linked distribution that belong to the environment alone: `.dist-info` and the scripts.

RECORD lists the links first and the wheel's rows after them. uv removes files in that order: the links first, then it
finds the other files gone already. pip skips files outside the environment. So no file of the store is removed.
"""

from __future__ import annotations

import functools
import json
import os
import sys

from pepip import paths
from pepip.environment.placement import files_below
from pepip.fast_namedtuple import NamedTuple
from pepip.host import files, filesystems, launchers, links
from pepip.plan.merge import data_path
from pepip.wheel import record, scripts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pepip.environment.placement import Placer
    from pepip.model import Entry, Environment


class Installation(NamedTuple):
    """An entry to be linked, and the facts that the environment itself records about it.

    `direct_url` is None for a distribution from an index (PEP 610). `local_path` is the file that the entry was made
    from, or empty if the file is not on this machine. `cache_info` is uv's earlier note about that file. If it is
    empty, a new note is made, unless `local_path` is empty, too. `mode` is one of `placement.MODES`, or empty for
    links.
    """

    entry: Entry
    direct_url: dict[str, object] | None
    local_path: str
    cache_info: str = ""
    mode: str = ""


def script_names(environment: Environment, entry: Entry) -> set[str]:
    """Return the file names of all scripts that an entry gets in an environment."""
    data = (name for scheme, name in entry.data if scheme == "scripts" and name[-1] != "/")
    return {*(_launcher_name(environment, name) for name in entry.launchers), *data}


def _launcher_name(environment: Environment, name: str) -> str:
    if scripts.OF_PYTHON not in name:
        return name
    return name.replace(scripts.OF_PYTHON, ".".join(environment.interpreter.version.split(".")[:2]))


def build_scripts(
    environment: Environment, entry: Entry, folder: str, placer: Placer, mode: str = ""
) -> list[record.Row]:
    """Write an entry's launchers and `.data` scripts into `folder`. `place_scripts` moves them into place later.

    A script of the same name that is in `folder` already is replaced. Returns the RECORD rows of the scripts that are
    made for this environment. The other scripts have the same bytes as in the entry.
    """
    interpreter = environment.interpreter
    prefix = _relative(interpreter.scripts, interpreter.site_packages)
    contents = _launchers(environment, entry)
    for name in script_names(environment, entry) - contents.keys():
        inside = f"{entry.data_directory}/scripts/{name}"
        source = f"{entry.path}/{inside}"
        content = files.read_regular(source, most_bytes=files.RECORD_BYTES)
        if scripts.wants_interpreter(content):
            relocatable = _is_relocatable(environment.root)
            contents[name] = scripts.with_interpreter(content, interpreter.executable, relocatable=relocatable)
        elif os.stat(source).st_mode & 0o100 or not launchers.HAVE_MODES:
            place = functools.partial(placer.place, entry, inside, is_directory=False, mode=mode)
            _make_anew(f"{folder}/{name}", place)
        else:  # uv makes every script executable, whatever mode the wheel gives it
            contents[name] = content
    for name, content in contents.items():
        _make_anew(f"{folder}/{name}", functools.partial(_create_program, content=content))
    return [record.row_of(f"{prefix}/{name}", content) for name, content in sorted(contents.items())]


def _create_program(path: str, content: bytes) -> None:
    files.create(path, content, mode=0o777)


def _make_anew(path: str, make: Callable[[str], None]) -> None:
    """Call `make` to make a file at `path`. An existing file there is replaced."""
    try:
        make(path)
    except FileExistsError:
        os.unlink(path)
        make(path)


def place_scripts(environment: Environment, folder: str, *, only: set[str] | None = None) -> None:
    """Move built scripts from `folder` into the environment's folder of scripts, then remove `folder`.

    With `only`, just the scripts with those names are moved.
    """
    target = f"{environment.root}/{environment.interpreter.scripts}"
    os.makedirs(target, exist_ok=True)
    for name in os.listdir(folder):
        if only is None or name in only:
            os.replace(f"{folder}/{name}", f"{target}/{name}")
    filesystems.remove_tree(folder)


def build_folder(
    environment: Environment,
    installation: Installation,
    placer: Placer,
    scratch: str,
    *,
    folders: Iterable[str],
    script_rows: list[record.Row],
) -> None:
    """Build an entry's complete `.dist-info` as the folder `scratch`, which is renamed into place later.

    `folders`, relative to the environment, are the folders of the entry that are linked whole. Files that lie ready
    in the entry with the right content are taken as hard links, if the environment may be on the store's device and
    the distribution is linked.
    """
    entry, mode = installation.entry, installation.mode
    try:
        os.mkdir(scratch)
    except FileExistsError:  # a failed attempt left it
        filesystems.remove_tree(scratch)
        os.mkdir(scratch)
    own = _own_files(installation)
    for name, is_directory in _shipped(entry, mode):
        if name not in own:  # if a wheel ships a file that an installer writes, the installer's file wins
            if "/" in name:
                os.makedirs(f"{scratch}/{os.path.dirname(name)}", exist_ok=True)
            inside = f"{entry.dist_info}/{name}"
            placer.place(entry, inside, f"{scratch}/{name}", is_directory=is_directory, mode=mode)
    is_near = placer.is_near(entry.path) and not mode
    ready = f"{entry.path}/{paths.READY}"
    for name, content in own.items():
        is_shared = is_near and content == record.OF_EACH.get(name)
        if not (is_shared and links.share_inode(f"{ready}/{name}", f"{scratch}/{name}")):
            files.create(f"{scratch}/{name}", content)
    base = environment.interpreter.site_packages + "/"
    now = {folder.removeprefix(base) for folder in folders}
    is_plain = is_near and now == _linked_whole(entry) and own == record.OF_EACH
    if is_plain and links.share_inode(f"{ready}/RECORD", f"{scratch}/RECORD"):
        return  # this RECORD is the same in every environment
    rows = [record.row_of(f"{entry.dist_info}/{name}", content) for name, content in own.items()]
    of_wheel = _wheel_rows(environment, entry, {row.path for row in script_rows})
    if mode:
        files.create(f"{scratch}/RECORD", record.of_installer(of_wheel, [*script_rows, *rows]))
    else:
        files.create(f"{scratch}/RECORD", *record.of_environment(now, of_wheel, [*script_rows, *rows]))
    os.chmod(f"{scratch}/RECORD", os.stat(f"{entry.path}/{entry.dist_info}/RECORD").st_mode | 0o600)


def _shipped(entry: Entry, mode: str) -> Iterator[tuple[str, bool]]:
    """Yield each path in the wheel's `.dist-info` folder, and whether it is a folder that is linked whole."""
    inside = entry.dist_info + "/"
    for path in (path for path in entry.directories if path.startswith(inside)):
        if mode:
            yield from ((file.removeprefix(inside), False) for file in files_below(entry, path))
        else:
            yield path.removeprefix(inside), True
    yield from ((path.removeprefix(inside), False) for path in entry.files if path.startswith(inside))


def _linked_whole(entry: Entry) -> set[str]:
    """Return the folders of an entry that are linked whole if no other distribution has files in them."""
    return {*entry.directories, *(f"{path}/{paths.PYCACHE}" for path in entry.bytecode)}


def rewrite_leading_rows(environment: Environment, entry: Entry, folders: Iterable[str]) -> None:
    """Put rows for the linked `folders` at the head of a RECORD, in place of all its earlier rows for folders.

    `folders` are relative to the environment.

    This is needed when folders of the distribution become real, or become links again.
    """
    site_packages = environment.site_packages
    path = f"{site_packages}/{entry.dist_info}/RECORD"
    rows = record.read(path)
    now = {folder.removeprefix(environment.interpreter.site_packages + "/") for folder in folders}
    kept = [
        row for row in rows if row.hash_value or not (row.path in now or os.path.isdir(f"{site_packages}/{row.path}"))
    ]
    text = _leading_rows(environment, folders) + record.render(kept)
    content = text.encode("utf-8", "surrogateescape")
    files.write_whole(path, content, unfinished=f"{paths.scratch(environment.root)}/RECORD")


def _leading_rows(environment: Environment, folders: Iterable[str]) -> str:
    base = environment.interpreter.site_packages + "/"
    return record.render(record.Row(folder.removeprefix(base), "", "") for folder in sorted(folders))


def _wheel_rows(environment: Environment, entry: Entry, replaced: set[str]) -> bytes:
    """Return the rows of the wheel's own RECORD, with `.data` paths changed to their paths in the environment.

    Rows for paths in `replaced` are left out: the caller has rows of its own for those scripts.
    """
    content = record.of_entry(entry.path, entry.dist_info, entry.unlisted)
    if not entry.data:
        return content
    interpreter = environment.interpreter
    prefix = entry.data_directory + "/"
    base = interpreter.site_packages.split("/")

    def place(path: str) -> str:
        scheme, _, inside = path[len(prefix) :].partition("/")
        shown = _from_folder(base, data_path(scheme, inside, interpreter, entry.name))
        return "" if shown in replaced else shown

    return record.moved(content, prefix, place)


def _from_folder(folder: list[str], path: str) -> str:
    """Return `path` relative to `folder`, as RECORD writes it. `folder` is a list of the names in its path.

    Both are relative to an environment.
    """
    shared = 0
    if path.startswith(folder[0] + "/"):
        parts = path.split("/")
        while shared < min(len(folder), len(parts) - 1) and folder[shared] == parts[shared]:
            shared += 1
        path = "/".join(parts[shared:])
    return "../" * (len(folder) - shared) + path


@functools.cache
def _relative(path: str, folder: str) -> str:
    """Return `path` relative to `folder`, as RECORD writes it. Both are relative to an environment."""
    return os.path.relpath(path, folder).replace(os.sep, "/")


def _own_files(installation: Installation) -> dict[str, bytes]:
    """Return the files of a `.dist-info` folder that an installer writes. As with uv, REQUESTED is always written."""
    found = dict(record.OF_EACH)
    found.update((name, text.encode()) for name, text in installation.entry.metadata.items())
    if installation.direct_url is not None:
        found["direct_url.json"] = json.dumps(installation.direct_url, separators=(",", ":")).encode()
    if installation.cache_info:
        found["uv_cache.json"] = installation.cache_info.encode()
    elif installation.local_path and (note := _timestamp(installation.local_path)):
        found["uv_cache.json"] = note
    return found


def _timestamp(path: str) -> bytes:
    """Return the note by which uv detects a change of a local archive, or empty bytes if the archive is gone.

    The note holds the archive's change time (ctime), on Windows the time of its last modification.
    """
    try:
        status = os.stat(path)
    except OSError:
        return b""
    time_ns = status.st_mtime_ns if sys.platform == "win32" else status.st_ctime_ns
    seconds, nanoseconds = divmod(time_ns, 1_000_000_000)
    information = {
        "timestamp": {"secs_since_epoch": seconds, "nanos_since_epoch": nanoseconds},
        "commit": None,
        "tags": None,
        "env": {},
        "directories": {},
    }
    return json.dumps(information, separators=(",", ":")).encode()


def _launchers(environment: Environment, entry: Entry) -> dict[str, bytes]:
    """Return the content of each entry point's launcher, by file name."""
    executable = environment.interpreter.executable
    if not launchers.ARE_PROGRAMS:
        relocatable = _is_relocatable(environment.root)
        python = os.path.basename(executable) if relocatable else executable
        line = scripts.shebang(python, relocatable=relocatable)
        return {_launcher_name(environment, name): line + text.encode() for name, text in entry.launchers.items()}
    if not entry.launchers:
        return {}
    text = files.read_regular(f"{entry.path}/{entry.dist_info}/entry_points.txt").decode()
    points = list(scripts.entry_points(text))
    return {
        launchers.file_name(point.name): launchers.program(
            point.name, point.reference, is_gui=point.is_gui, interpreter=executable
        )
        for point in points
    }


def _is_relocatable(root: str) -> bool:
    lines = files.read_regular(f"{root}/pyvenv.cfg", follows=True).decode("utf-8", "replace").splitlines()
    return any(line.replace(" ", "").strip().lower() == "relocatable=true" for line in lines)
