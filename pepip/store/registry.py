"""The registry: one small file for each environment that links the store. Pruning starts from these files.

The links of an environment show which entries it links. Its file also lists the entries after pepip's last change, in
case the environment can't be reached later. The file also has the device and the mount point of that time, which
tell a deleted folder from a disk that is not mounted.
"""

from __future__ import annotations

import contextlib
import os
import time

from pepip import digests, paths
from pepip.host import filesystems, permissions
from pepip.host.files import read_id, read_regular
from pepip.store import registry_file
from pepip.store.registry_file import Registration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pepip.store.root import Store


def file_name(environment: str, *marks: str, user: str = "") -> str:
    """Return a registry file's name: the project's name, a hash of the environment's path and `marks`, the `user`."""
    project = os.path.basename(os.path.dirname(environment)) or "root"
    if project.startswith("environments-v"):  # this folder of uv's cache has the environments of all scripts
        project = os.path.basename(environment)
    readable = "".join(character if character.isalnum() else "-" for character in project)[:40]
    digest = digests.hexadecimal("\0".join((environment, *filter(None, marks))).encode("utf-8", "surrogateescape"))
    return f"{readable}-{digest[:16]}{user and '-' + user}.json"


def file_of(store: Store, environment: str) -> str:
    """Return the file in which an environment is registered, by this run or before; empty if it is not registered."""
    if environment in store.registered:
        return store.registered[environment]
    real = paths.real(environment)
    if not os.path.isdir(real):
        return ""
    candidates = _files(store, real, id_of(real), filesystems.place(real).location)
    return next(filter(os.path.lexists, candidates), "")


def _files(store: Store, real: str, environment_id: str, location: str) -> list[str]:
    """Return the files in which this user may register an environment, given its real path.

    Environments on two disks or in two containers never have the same files, even if their paths are equal, or one is
    a copy of the other.
    """
    marks = (environment_id, location)
    folder = paths.projects(store.root)
    return [f"{folder}/{name}" for name in (file_name(real, *marks), file_name(real, *marks, user=_user()))]


def id_of(environment: str) -> str:
    """Return the id that an environment carries, empty if it has none."""
    return read_id(paths.environment_id(environment))


def is_here(registration: Registration) -> bool:
    """Tell whether the environment at its path is the registered one.

    Otherwise the registered one is gone, or belongs to another disk or container. A copy of an environment has the
    same id. Then the location tells which one is registered.
    """
    root = registration.environment
    if not os.path.isdir(root) or registration.id not in {"", id_of(root)}:
        return False
    return registration.location in {"", filesystems.place(root).location}


def may_be_copied(store: Store, registration: Registration, *, is_alone: bool) -> bool:
    """Tell whether the environment here may be a copy of the registered one, which belongs to another container.

    A copy has the same id. If the store is on the same mount, both may be in an image. Then each container has a
    store of its own, unless another registration has this path and this id (`is_alone` is false).
    """
    here = filesystems.place(registration.environment).location
    if registration.location in {"", here}:
        return False
    return not is_alone or filesystems.place(store.root).location != here


def register(store: Store, environment: str, entry_ids: Iterable[str], *, named: str = "") -> bool:
    """Register that `environment` (an absolute path) links these entries, or is about to link them. Idempotent.

    The environment is registered once, by its real path: links on the way to it may lead elsewhere later. `named` is
    the path by which its project knows it, if that is another one. A damaged file is replaced. If the file belongs to
    another user, this user writes another file beside it. Returns False if this user may not write the registry; then
    pruning does not know the environment.
    """
    real = paths.real(environment)
    place = filesystems.place(real)
    wanted = Registration(
        file="",
        environment=real,
        project=paths.real(os.path.dirname(named or environment)),
        device=os.stat(environment).st_dev,
        mount_point=place.mount_point,
        entries=tuple(sorted(set(entry_ids))),
        named=named or environment,
        filesystem=filesystems.identity(environment),
        registered_at=int(time.time()),
        id=id_of(real),
        location=place.location,
    )
    candidates = _files(store, real, wanted.id, wanted.location)
    own = f"{candidates[-1].removesuffix('.json')}-{time.monotonic_ns()}.json"
    for path in (*candidates, own):
        known = read(path)
        store.registered[environment] = path
        if _is_registered(known, wanted):
            return True
        try:
            is_written = _write(store, path, wanted)
        except PermissionError:
            continue  # another user of the store owns this file: try the next name
        if is_written and known is None and wanted.id:
            _forget_older(path, wanted)
        return is_written
    return False


def _forget_older(path: str, wanted: Registration) -> None:
    """Remove the registrations that `wanted` makes obsolete, as far as this user may.

    Such a registration belongs to an earlier environment at the same place, which exists no longer, or an older pepip
    has written it for this environment.
    """
    folder, name = os.path.split(path)
    project = f"{name.rpartition('.json')[0].removesuffix(f'-{_user()}').rpartition('-')[0]}-"
    for other in os.listdir(folder):
        if other == name or not other.startswith(project):
            continue
        known = read(f"{folder}/{other}")
        if known is None or known.is_damaged or _facts(known) != _facts(wanted):
            continue
        of_old_pepip = not (known.id or known.location)
        if of_old_pepip or (known.id != wanted.id and known.location == wanted.location):
            with contextlib.suppress(OSError):
                os.unlink(f"{folder}/{other}")


def _user() -> str:
    return str(os.geteuid()) if hasattr(os, "geteuid") else ""


def _facts(registration: Registration) -> tuple[object, ...]:
    return registration.environment, registration.device, registration.mount_point, registration.filesystem


def _write(store: Store, path: str, registration: Registration) -> bool:
    """Write a file of the registry whole, or leave it unchanged.

    Returns False if this user may not make files in the registry, raises PermissionError if `path` is another user's.
    """
    try:
        temporary = f"{os.path.dirname(path)}/.{os.getpid()}-{time.monotonic_ns()}.new"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600)
    except PermissionError:
        return False
    except OSError:
        if store.is_writable():
            raise
        return False
    try:
        with os.fdopen(descriptor, "wb") as file:
            permissions.make_file_readable(file.fileno(), root_stat=store.root_stat)
            file.write(registry_file.dump(registration))
            if registration.device != os.stat(path.rpartition("/")[0]).st_dev:
                # After a power cut, links on another file system could be there while this file is empty. An empty
                # file is damaged and blocks pruning. A single file system keeps the order: this rename, then the
                # links.
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return True


def registrations(store: Store) -> list[Registration]:
    """Return the registrations, damaged ones included, sorted by environment.

    Files that describe one environment alike count as one. Files that differ all count, so that no user can make
    another user's environment look deleted by a forged file.
    """
    try:
        children = os.listdir(paths.projects(store.root))
    except FileNotFoundError:
        return []
    names = (name for name in sorted(children) if name.endswith(".json") and not name.startswith("."))
    by_key: dict[tuple[object, ...], Registration] = {}
    for name in names:
        item = read(f"{paths.projects(store.root)}/{name}")
        if item is None:
            continue
        key = (item.file,) if item.is_damaged else (*_facts(item), item.id, item.location)
        by_key[key] = _united(by_key[key], item) if key in by_key else item
    return sorted(by_key.values(), key=lambda item: (item.environment, item.file))


def files_of(registration: Registration) -> list[str]:
    """Return the files of the registry that hold this registration."""
    return [registration.file, *registration.others]


def forget(registration: Registration) -> None:
    """Remove an environment from the registry. Raises OSError if this user may not."""
    for file in files_of(registration):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(file)


def _united(one: Registration, other: Registration) -> Registration:
    entry_ids = None
    if one.entries is not None and other.entries is not None:
        entry_ids = tuple(sorted({*one.entries, *other.entries}))
    return one._replace(entries=entry_ids, others=(*one.others, other.file))


def read(path: str) -> Registration | None:
    """Return the registration in a file, even if the file is damaged. None if there is no such file."""
    try:
        return registry_file.load(read_regular(path, most_bytes=registry_file.MOST_BYTES), path)
    except FileNotFoundError:
        return None
    except OSError as error:
        damage = error.strerror or str(error)
    except ValueError as error:
        damage = str(error)
    return Registration(path, "", "", 0, "", None, damage=damage)


def _is_registered(known: Registration | None, wanted: Registration) -> bool:
    """Tell whether a file already has the wanted registration: the same environment, and at least these entries."""
    if known is None or known.is_damaged or known.entries is None:
        return False
    same = known._replace(file=wanted.file, entries=wanted.entries, registered_at=wanted.registered_at)
    return same == wanted and set(known.entries) >= set(wanted.entries or ())
