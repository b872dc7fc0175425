"""The registry: one small file per environment that links the store. They are the roots of pruning.

What an environment links is read from its links. A file also notes which entries those were when pepip last changed
the environment, for when it can't be reached; and the device and mount point that held it, which tell a deleted
folder from a disk that went away.
"""

from __future__ import annotations

import contextlib
import os
import time

from pepip import digests, paths
from pepip.host import filesystems, permissions
from pepip.host.files import read_regular
from pepip.model import Registration
from pepip.store import registry_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pepip.store.home import Store


def file_name(environment: str, *, user: str = "") -> str:
    """Return the registry's file for an environment: its project's name, a hash of its path, perhaps a `user`."""
    project = os.path.basename(os.path.dirname(environment)) or "root"
    readable = "".join(character if character.isalnum() else "-" for character in project)[:40]
    return f"{readable}-{digests.hexadecimal(environment.encode())[:16]}{user and '-' + user}.json"


def files(store: Store, environment: str) -> list[str]:
    """Return the files in which this user may have registered an environment, whatever links it is reached by."""
    real = os.path.realpath(environment)
    user = str(os.geteuid()) if hasattr(os, "geteuid") else ""
    folder = paths.projects(store.home)
    return [f"{folder}/{name}" for name in (file_name(real), file_name(real, user=user))]


def register(store: Store, environment: str, entry_ids: Iterable[str]) -> bool:
    """Note that `environment` (an absolute path) links entries, or is about to. Idempotent.

    It is registered by its real path, once, whatever links it is reached by: those may lead elsewhere tomorrow.
    A damaged file is written anew; beside one of another user this user's own is written. Returns False where this
    user may not write the registry, and so pruning can't know of the environment.
    """
    real = os.path.realpath(environment)
    wanted = Registration(
        file="",
        environment=real,
        project=os.path.realpath(os.path.dirname(environment)),
        device=os.stat(environment).st_dev,
        mount_point=filesystems.mount_point(environment),
        entries=tuple(sorted(set(entry_ids))),
        named=environment,
        filesystem=filesystems.identity(environment),
        registered_at=int(time.time()),
    )
    for path in files(store, environment):
        if _says(read(path), wanted):
            return True
        try:
            return _write(store, path, wanted)
        except PermissionError:
            continue  # another user of the store registered it and keeps the file
    return False


def _write(store: Store, path: str, registration: Registration) -> bool:
    """Write a file of the registry whole.

    Returns False where this user may write none, raises PermissionError if it is another user's.
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
            file.write(registry_file.dump(registration))
            if registration.device != os.stat(path.rpartition("/")[0]).st_dev:
                # Elsewhere links could outlive a power cut that this file doesn't. On one file system what is
                # renamed first is there first; an empty file would be found damaged, and block pruning.
                file.flush()
                os.fsync(file.fileno())
        permissions.make_file_readable(temporary, like=store.like)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return True


def registrations(store: Store) -> list[Registration]:
    """Return what the registry holds, damaged files too, by environment: one for each, however many files."""
    try:
        children = os.listdir(paths.projects(store.home))
    except FileNotFoundError:
        return []
    names = (name for name in sorted(children) if name.endswith(".json") and not name.startswith("."))
    by_key: dict[str, Registration] = {}
    for name in names:
        item = read(f"{paths.projects(store.home)}/{name}")
        if item is None:
            continue
        key = item.file if item.is_damaged else item.environment
        by_key[key] = _united(by_key[key], item) if key in by_key else item
    return sorted(by_key.values(), key=lambda item: (item.environment, item.file))


def files_of(registration: Registration) -> list[str]:
    """Return the files of the registry that say this."""
    return [registration.file, *registration.others]


def forget(registration: Registration) -> None:
    """Take an environment out of the registry. Raises OSError where this user may not."""
    for file in files_of(registration):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(file)


def _united(one: Registration, other: Registration) -> Registration:
    entry_ids = None
    if one.entries is not None and other.entries is not None:
        entry_ids = tuple(sorted({*one.entries, *other.entries}))
    return one._replace(entries=entry_ids, others=(*one.others, other.file))


def read(path: str) -> Registration | None:
    """Return what a file of the registry says, also that it is damaged; None if it was removed meanwhile."""
    try:
        return registry_file.load(read_regular(path, most_bytes=registry_file.MOST_BYTES), path)
    except FileNotFoundError:
        return None
    except OSError as error:
        damage = error.strerror or str(error)
    except ValueError as error:
        damage = str(error)
    return Registration(path, "", "", 0, "", None, damage=damage)


def _says(known: Registration | None, wanted: Registration) -> bool:
    """Tell whether a file says all that one would write: the same of the environment, and at least those entries."""
    if known is None or known.is_damaged or known.entries is None:
        return False
    same = known._replace(file=wanted.file, entries=wanted.entries, registered_at=wanted.registered_at)
    return same == wanted and set(known.entries) >= set(wanted.entries or ())
