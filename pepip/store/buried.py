"""Environments that a prune removes together with the entries that only they link.

If such an environment is on the store's disk, the grave of that prune keeps it, with its registration, and an undo
brings it back. An environment on another disk is removed at once.
"""

from __future__ import annotations

import contextlib
import json
import os

from pepip import paths
from pepip.errors import StoreError
from pepip.host import files, filesystems
from pepip.store import registry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.store.registry_file import Registration
    from pepip.store.root import Store

_FOLDER = ".environments"  # no bucket has such a name
_PLACE, _ROOT, _REGISTRATIONS = "place.json", "environment", "registrations"


def bury(environment: str, registration: Registration, grave: str) -> bool:
    """Move an environment and its registration into a kept grave. Return False if it is on another disk.

    The environment goes first: a registration without an environment does no harm. Raises OSError.
    """
    folder = f"{grave}/{_FOLDER}"
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    own = f"{folder}/{len(os.listdir(folder))}"
    os.mkdir(own, 0o700)
    os.mkdir(f"{own}/{_REGISTRATIONS}", 0o700)
    files.write_whole(f"{own}/{_PLACE}", json.dumps(environment).encode("utf-8", "surrogateescape"))
    if os.stat(environment).st_dev != os.stat(own).st_dev:
        filesystems.remove_tree(own)
        return False
    try:
        os.rename(environment, f"{own}/{_ROOT}")
    except OSError:
        filesystems.remove_tree(own)
        raise
    for file in registry.files_of(registration):
        with contextlib.suppress(OSError):  # another user's file stays, as after a deletion of the environment
            os.rename(file, f"{own}/{_REGISTRATIONS}/{os.path.basename(file)}")
    return True


def environments_in(grave: str) -> list[str]:
    """Return the environments in a grave, by the paths that they had."""
    return [place for _, place in _all_in(grave)]


def trees_in(grave: str) -> list[str]:
    """Return the paths that the environments in a grave have there."""
    return [f"{own}/{_ROOT}" for own, _ in _all_in(grave)]


def exhume(store: Store, grave: str) -> tuple[list[str], list[str]]:
    """Move the environments of a grave back to their places.

    Return the environments that are back, and those whose place is taken. Each registration comes back before its
    environment, so that a later prune keeps the entries that the environment links. The caller holds off prunes.
    Raises StoreError if the folder above an environment is gone. That environment and all that follow then stay in
    the grave.
    """
    back, taken = [], []
    for own, place in _all_in(grave):
        if os.path.lexists(place):
            taken.append(place)
            continue
        folder = os.path.dirname(place)
        if not os.path.isdir(folder):
            raise StoreError(f"the folder {folder} is gone", hint="make it, and undo again")
        for name in os.listdir(f"{own}/{_REGISTRATIONS}"):
            os.rename(f"{own}/{_REGISTRATIONS}/{name}", f"{paths.projects(store.root)}/{name}")
        os.rename(f"{own}/{_ROOT}", place)
        back.append(place)
    return back, taken


def _all_in(grave: str) -> list[tuple[str, str]]:
    """Return the folder of each environment in a grave, and the path that the environment had."""
    found = []
    with contextlib.suppress(OSError):
        for name in sorted(os.listdir(f"{grave}/{_FOLDER}")):
            own = f"{grave}/{_FOLDER}/{name}"
            with contextlib.suppress(OSError, ValueError):
                place = files.load_json(files.read_regular(f"{own}/{_PLACE}"))
                if isinstance(place, str) and os.path.isabs(place) and os.path.isdir(f"{own}/{_ROOT}"):
                    found.append((own, place))
    return found
