"""Leases: readers of a layer note there which entries their environments link, so that the owner's prune keeps them.

A layer's registry does not know the environments of its readers. So its owner may open a folder for leases, where
each reader has a file for each environment. Commands of pepip in an environment renew its lease, at most twice
a day. A lease that was not renewed for the layer's number of days no longer counts. A forged lease can only
make the owner keep entries. Without the folder, the owner prunes by age alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import time

from pepip import digests, paths
from pepip.fast_namedtuple import NamedTuple
from pepip.host import files, permissions
from pepip.store import registry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pepip.store.root import Store

DAYS = 60
"""The number of days that a lease counts, unless the owner of the layer names another number."""

MOST_DAYS = 36_500
"""The largest number of days that an owner may name: a hundred years."""

RENEWAL_SECONDS = 86_400

_FORMAT = 1
_MOST_BYTES = 1 << 22
_OPEN_TO_ALL = 0o1777  # each reader removes and renames only their own files


class Policy(NamedTuple):
    """The owner's choice for a layer: whether readers may take leases, and the number of days that a lease counts."""

    takes_leases: bool
    days: int


class Lease(NamedTuple):
    """The entries that one environment of a reader links, by their ids in the layer. `user_id` owns the file."""

    environment: str
    host: str
    user_id: int
    entries: tuple[str, ...]


def policy_of(store_root: str) -> Policy | None:
    """Return the policy of a layer, None if the store's owner has not made it a layer.

    If the policy's file is damaged, the store is still a layer, but takes no leases.
    """
    try:
        document = files.load_json(files.read_regular(paths.layer_policy(store_root)))
        takes_leases, days = bool(document["leases"]), int(document["lease_days"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        takes_leases, days = False, DAYS
    return Policy(takes_leases, days) if 1 <= days <= MOST_DAYS else Policy(takes_leases=False, days=DAYS)


def set_policy(store_root: str, policy: Policy) -> None:
    """Make a store a layer with this policy, and open or close its folder of leases.

    Raises OSError, and StoreError if something else is in the place of that folder, such as a link: in a shared
    store another user may have made it, and it may lead to any folder. The policy is unchanged then.
    """
    content = json.dumps({"format": _FORMAT, "leases": policy.takes_leases, "lease_days": policy.days}).encode()
    path, folder = paths.layer_policy(store_root), paths.leases(store_root)
    if policy.takes_leases or os.path.lexists(folder):
        mode, owner_id = _OPEN_TO_ALL if policy.takes_leases else 0o755, files.owner_id(store_root)
        permissions.ensure_directory(folder, mode=mode, owner_id=owner_id, group_id=-1)
    files.write_whole(path, content + b"\n", exact_mode=0o644)


def are_taken_in(store: Store, entry_ids: Iterable[str]) -> bool:
    """Tell whether the layer of one of these entries has a folder of leases."""
    layer_roots = {paths.layer_of(entry_id) for entry_id in entry_ids if paths.is_layered(entry_id)}
    return any(layer.root in layer_roots and _are_open(layer) for layer in store.layers)


def _are_open(layer: Store) -> bool:
    """Tell whether a layer has a folder of leases. A link counts only if the layer's owner or root made it."""
    folder = paths.leases(layer.root)
    try:
        status = os.lstat(folder)
        is_trusted = not stat.S_ISLNK(status.st_mode) or status.st_uid in {0, layer.root_stat.st_uid}
    except OSError:
        return False
    return is_trusted and os.path.isdir(folder)


def take(store: Store, environment: str, entry_ids: Iterable[str]) -> None:
    """Note in each layer the entries that an environment links, or is about to link. Renew an earlier lease.

    A layer that takes no leases, or that this user may not write, is left unchanged: its owner prunes it by age.
    """
    layered = [entry_id for entry_id in entry_ids if paths.is_layered(entry_id)]
    for layer in store.layers:
        folder = paths.leases(layer.root)
        prefix = f"{paths.packages(layer.root)}/"
        wanted = sorted(entry_id.removeprefix(prefix) for entry_id in layered if entry_id.startswith(prefix))
        with contextlib.suppress(OSError):
            if _are_open(layer):
                _renew(f"{folder}/{_name(environment)}", environment, wanted)


def _name(environment: str) -> str:
    real = paths.real(environment)
    place = "\0".join((_host(), real, registry.id_of(real)))
    return f"{files.user_id()}-{digests.hexadecimal(place.encode('utf-8', 'surrogateescape'))[:16]}.json"


def _host() -> str:
    return os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")


def _renew(path: str, environment: str, entry_ids: list[str]) -> None:
    """Write a lease, or remove it if it would be empty.

    If the lease is unchanged, only its modification time is set anew, at most twice a day.
    """
    if not entry_ids:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        return
    document = {"format": _FORMAT, "environment": environment, "host": _host(), "entries": entry_ids}
    content = json.dumps(document).encode()
    with contextlib.suppress(OSError, ValueError):
        if files.read_regular(path, most_bytes=_MOST_BYTES, is_trusted=True) == content:
            age = time.time() - os.lstat(path).st_mtime
            if not 0 <= age < RENEWAL_SECONDS / 2:  # below zero, if a clock was wrong
                os.utime(path)
            return
    temporary = f"{os.path.dirname(path)}/.{os.getpid()}-{time.monotonic_ns()}.new"
    try:
        files.create(temporary, content, mode=0o600)
        os.chmod(temporary, 0o644)  # the layer's owner must be able to read it, whatever the umask is
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def valid(store: Store) -> list[Lease]:
    """Return the leases of a layer that were renewed within its number of days. Empty if it takes no leases."""
    policy = policy_of(store.root)
    if policy is None or not policy.takes_leases:
        return []
    folder = paths.leases(store.root)
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    earliest = time.time() - policy.days * 86_400
    found = (_read(f"{folder}/{name}", earliest) for name in names if name.endswith(".json"))
    return [lease for lease in found if lease is not None]


def _read(path: str, earliest: float) -> Lease | None:
    """Return the lease in a file, which anybody may have written. None if it is too old or no lease."""
    try:
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode) or status.st_mtime < earliest:
            return None
        document = files.load_json(files.read_regular(path, most_bytes=_MOST_BYTES))
        ids = tuple(item for item in document["entries"] if isinstance(item, str) and paths.is_entry_id(item))
        return Lease(str(document["environment"]), str(document["host"]), status.st_uid, ids)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def users(store: Store) -> dict[str, list[str]]:
    """Return, by the id of an entry, the environments of the readers that have a lease on it."""
    found: dict[str, list[str]] = {}
    for lease in valid(store):
        for entry_id in lease.entries:
            found.setdefault(entry_id, []).append(f"{lease.environment} on {lease.host}")
    return found
