"""Reconstructs the wheel of an installed distribution.

Every byte is read and compared with RECORD. Nothing is changed.
"""

from __future__ import annotations

import os
import stat

from pepip import digests, paths
from pepip.environment import file_modes, reasons
from pepip.fast_namedtuple import NamedTuple
from pepip.host import files, launchers, links, rights
from pepip.plan.merge import data_path
from pepip.wheel import content_identity, record, scripts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pepip.model import Environment, Installed
    from pepip.wheel.digest_cache import DigestCache

_MOST_BYTES = 1 << 28
_RESERVED = (paths.ENTRY_METADATA, paths.READY)


class OwnFilesError(Exception):
    """A distribution must keep its own files. `reason` says why, and `changed` names the files concerned."""

    def __init__(self, reason: str, changed: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.changed = changed


class AsWheel(NamedTuple):
    """The wheel of an installed distribution, reconstructed from its files.

    `files` maps the path of each file in the wheel to its path relative to the environment. `texts` has the original
    content of files that an installer changed, and `hashes` has the hashes as RECORD writes them; both are by path in
    the wheel. `executables` are paths in the wheel. `launchers` is as in `model.Entry`. `states` has the inode, size
    in bytes, modification time in nanoseconds and mode of each file, by its path relative to the environment.
    """

    name: str
    version: str
    dist_info: str
    files: dict[str, str]
    texts: dict[str, bytes]
    hashes: dict[str, str]
    executables: frozenset[str]
    launchers: dict[str, str]
    states: dict[str, tuple[int, int, int, int]]

    @property
    def shared(self) -> set[str]:
        """The paths, relative to the environment, of all files that links can replace: all files but scripts."""
        scripts_folder = paths.data_folder(self.dist_info) + "/scripts/"
        return {path for shown, path in self.files.items() if not shown.startswith(scripts_folder)}

    @property
    def identity(self) -> str:
        """The wheel's identity by its content."""
        return content_identity.of(self.hashes, self.executables, self.dist_info)


class _Listed(NamedTuple):
    """A file that RECORD lists: its row, its path relative to the environment, and its path in the wheel.

    `status` is None if the file is missing.
    """

    row: record.Row
    path: str
    shown: str
    status: os.stat_result | None


class _Intact(NamedTuple):
    """A file that is as RECORD says. `text` is the content that a script has in the wheel, None for other files.

    `hash_value` is the hash of the file in the wheel.
    """

    path: str
    shown: str
    status: os.stat_result
    text: bytes | None
    hash_value: str


def read(environment: Environment, distribution: Installed, digest_cache: DigestCache) -> AsWheel:
    """Read every file of a distribution, compare it with RECORD, and return the wheel.

    Raises OwnFilesError if a file differs from RECORD, or if the wheel can't be reconstructed.
    """
    rows, declared = _metadata(environment, distribution)
    found: list[_Intact] = []
    changed: list[str] = []
    for listed in _listed_files(environment, distribution, rows, declared):
        intact = _compared(environment, distribution, listed, digest_cache)
        if intact is None:
            changed.append(listed.row.path)
        else:
            found.append(intact)
    if changed:
        raise OwnFilesError(reasons.CHANGED, tuple(sorted(changed)))
    wheel = _wheel_of(distribution, found, declared)
    if f"{wheel.dist_info}/METADATA" not in wheel.files or f"{wheel.dist_info}/WHEEL" not in wheel.files:
        raise OwnFilesError(reasons.NO_WHEEL)
    return wheel


def _metadata(environment: Environment, distribution: Installed) -> tuple[list[record.Row], dict[str, str]]:
    """Return the rows of RECORD, and the object references of all declared launchers by file name.

    Raises OwnFilesError if either can't be read.
    """
    place = f"{environment.site_packages}/{distribution.dist_info}"
    if links.read_link(f"{place}/METADATA"):
        raise OwnFilesError(reasons.LINKED_BY_OTHERS)
    try:
        content = files.read_regular(f"{place}/RECORD", most_bytes=_MOST_BYTES)
        return record.rows_of(content), dict(_declared(place))
    except FileNotFoundError as error:
        raise OwnFilesError(reasons.NO_RECORD) from error
    except (OSError, ValueError) as error:
        raise OwnFilesError(f"its metadata can't be read: {error}") from error


def _listed_files(
    environment: Environment, distribution: Installed, rows: Iterable[record.Row], declared: dict[str, str]
) -> Iterator[_Listed]:
    """Yield the files that RECORD lists, without those that an installer made.

    Raises OwnFilesError if one can't be in an entry, or is a file of others.
    """
    is_real: dict[str, bool] = {}
    for row in rows:
        if _is_of_installer(row, distribution.dist_info):
            continue
        path = record.in_environment(row.path, environment.interpreter.site_packages)
        obstacle = reasons.of_path(row.path, path)
        if obstacle:
            raise OwnFilesError(obstacle)
        if not links.is_below_real_folders(environment.root, path, is_real):
            raise OwnFilesError(reasons.LINKED_BY_OTHERS, (row.path,))
        shown = _path_in_wheel(environment, distribution, path, declared)
        if not shown:
            continue
        if shown.startswith(_RESERVED):
            raise OwnFilesError(f"it has a file named {row.path}", (row.path,))
        status = _status(f"{environment.root}/{path}")
        if status is None and links.read_link(f"{environment.root}/{path}"):
            raise OwnFilesError(reasons.LINKED_BY_OTHERS)
        if status is None and not row.hash_value:
            continue  # virtualenv lists files that it has not made
        if status is not None and status.st_uid != files.user_id():
            raise OwnFilesError(reasons.OF_OTHERS, (row.path,))
        if status is not None and rights.gives_rights(f"{environment.root}/{path}", status):
            raise OwnFilesError(reasons.SPECIAL, (row.path,))
        yield _Listed(row, path, shown, status)


def _compared(
    environment: Environment, distribution: Installed, listed: _Listed, digest_cache: DigestCache
) -> _Intact | None:
    """Return a file if it is as RECORD says, None if it is missing or differs."""
    row, path, shown, status = listed
    if status is None:
        return None
    text = _restored(environment, path, shown, distribution.dist_info)
    if not (_matches(environment, path, row, status, digest_cache) or _is_row_of_wheel(row, text)):
        return None
    digest = _digest(environment, path, status, digest_cache) if text is None else digests.binary(text)
    return _Intact(path, shown, status, text, record.hash_value(digest))


def _wheel_of(distribution: Installed, found: Sequence[_Intact], declared: dict[str, str]) -> AsWheel:
    """Return the wheel that has these files. Launchers are left out: each environment gets its own."""
    kept = [file for file in found if file.text is None or not _is_launcher(file.text, declared)]
    return AsWheel(
        name=distribution.name,
        version=distribution.version,
        dist_info=distribution.dist_info,
        files={file.shown: file.path for file in kept},
        texts={file.shown: file.text for file in kept if file.text is not None},
        hashes={file.shown: file.hash_value for file in kept},
        executables=frozenset(file.shown for file in found if file.status.st_mode & stat.S_IXUSR),
        launchers=_launchers(declared),
        states={file.path: state_of(file.status) for file in found},
    )


def state_of(status: os.stat_result) -> tuple[int, int, int, int]:
    """Return the inode, size in bytes, modification time in nanoseconds and mode of a file.

    The change time is left out, because a new or removed hard link changes it.
    """
    return status.st_ino, status.st_size, status.st_mtime_ns, stat.S_IMODE(status.st_mode)


def _is_of_installer(row: record.Row, dist_info: str) -> bool:
    """Tell whether a row is for a file that an installer or pepip made in site-packages, or for bytecode.

    virtualenv marks each distribution that it seeds with a file `<name>-<version>.virtualenv`.
    """
    stem = dist_info.removesuffix(".dist-info")
    is_own = row.path in record.own_metadata(dist_info) or row.path in {
        f"{stem}.virtualenv",
        f"{dist_info}/{file_modes.NOTE}",
    }
    return is_own or content_identity.is_bytecode(row.path)


def _declared(dist_info: str) -> Iterator[tuple[str, str]]:
    """Yield the file name of the launcher and the object reference of each entry point that has a launcher.

    Raises ValueError if a name can't be the name of a script, and OSError if `entry_points.txt` can't be read.
    """
    try:
        content = files.read_regular(f"{dist_info}/entry_points.txt", most_bytes=_MOST_BYTES)
    except FileNotFoundError:
        return
    for point in scripts.entry_points(content.decode("utf-8", "replace")):
        if not scripts.is_script_name(point.name):
            raise ValueError(f"it declares a script named {point.name!r}")
        yield launchers.file_name(point.name), point.reference


def _launchers(declared: dict[str, str]) -> dict[str, str]:
    if launchers.ARE_PROGRAMS:
        return dict.fromkeys(declared, "")
    return {name: scripts.launcher(reference) for name, reference in sorted(declared.items())}


def _path_in_wheel(environment: Environment, distribution: Installed, path: str, declared: dict[str, str]) -> str:
    """Return the path in the wheel of a file of the environment, or an empty string for a launcher."""
    interpreter = environment.interpreter
    data = paths.data_folder(distribution.dist_info)
    base, programs = f"{interpreter.site_packages}/", f"{interpreter.scripts}/"
    if path.startswith(base):
        return path[len(base) :]
    if path.startswith(programs):
        name = path[len(programs) :]
        return "" if name in declared else f"{data}/scripts/{name}"
    for name in (distribution.name, distribution.dist_info.partition("-")[0]):
        headers = data_path("headers", "", interpreter, name)
        if path.startswith(headers):
            return f"{data}/headers/{path[len(headers) :]}"
    return f"{data}/data/{path}"


def _status(path: str) -> os.stat_result | None:
    """Return the status of the regular file at `path`, or None if there is none."""
    try:
        status = os.lstat(path)
    except (OSError, ValueError):
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def _digest(environment: Environment, path: str, status: os.stat_result, digest_cache: DigestCache) -> bytes:
    """Return the SHA-256 digest of a file. The file is read only if `digest_cache` has no digest for it.

    Raises OwnFilesError if the file can't be read, or if it changes while it is read.
    """
    known = digest_cache.digest(status)
    if known is None:
        try:
            digest_cache.read(f"{environment.root}/{path}")
        except OSError as error:
            raise OwnFilesError(f"{error.filename}: {error.strerror}") from error
        known = digest_cache.digest(status)
    if known is None:
        raise OwnFilesError("its files change while they are read")
    return known


def _matches(
    environment: Environment, path: str, row: record.Row, status: os.stat_result, digest_cache: DigestCache
) -> bool:
    if row.size and row.size != str(status.st_size):
        return False
    is_sha256 = row.hash_value.startswith("sha256=")
    known = _digest(environment, path, status, digest_cache) if is_sha256 else None
    return record.matches(row, f"{environment.root}/{path}", known)


def _is_row_of_wheel(row: record.Row, content: bytes | None) -> bool:
    """Tell whether RECORD has the wheel's own row for a script with this `content` in the wheel.

    pip 22.0 changes the first line of a script, and leaves the hash in RECORD as it was.
    """
    return content is not None and row.hash_value == record.hash_value(digests.binary(content))


def _restored(environment: Environment, path: str, shown: str, dist_info: str) -> bytes | None:
    """Return the content that a script has in its wheel, or None if the file is no script.

    Installers change no other files. Raises OwnFilesError if the script can't be read.
    """
    data = paths.data_folder(dist_info)
    if not shown.startswith(f"{data}/scripts/"):
        return None
    try:
        content = files.read_regular(f"{environment.root}/{path}", most_bytes=files.RECORD_BYTES)
    except OSError as error:
        raise OwnFilesError(f"{error.filename}: {error.strerror}") from error
    return scripts.restored(content)


def _is_launcher(content: bytes, declared: dict[str, str]) -> bool:
    """Tell whether a script imports an entry point's module, as a launcher does.

    Installers make more launchers for pip, which are named after versions of Python, such as `pip3.12`.
    """
    modules = {reference.partition(":")[0].strip().encode() for reference in declared.values()}
    return content.startswith(b"#!python\n") and any(b"\nfrom %s import " % module in content for module in modules)
