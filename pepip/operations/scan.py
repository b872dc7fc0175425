"""Finding environments that link the store but are not registered: moved, copied, or restored from a backup."""

from __future__ import annotations

import contextlib
import os

from pepip import paths
from pepip.environment import contents
from pepip.fast_namedtuple import NamedTuple
from pepip.host import links
from pepip.operations import registering
from pepip.operations.reporting import Progress
from pepip.store import registry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from pepip.store.registry_file import Registration
    from pepip.store.root import Store

_FOLDERS_PER_STEP = 50
_NEVER_ENTERED = {".git", "node_modules", "__pycache__", "site-packages"}
_OF_THE_SYSTEM = {"/proc", "/sys", "/dev"}


class LinkedVenv(NamedTuple):
    """An environment that links the store. `was_known` tells whether it was registered before."""

    environment: str
    entries: frozenset[str]
    was_known: bool


class Scanned(NamedTuple):
    """The environments that a scan found, in the order in which it found them."""

    found: list[LinkedVenv]


def scan(store: Store, folders: Iterable[str]) -> Generator[Progress, None, Scanned]:
    """Register every environment below `folders` that links the store, and return them. Links are not followed.

    Folders that can't be read are skipped. Progress names a folder now and then.
    """
    found: list[LinkedVenv] = []
    if store.exists() and store.is_writable():
        store.create()  # the registry may have been lost
    known = {item.environment for item in registry.registrations(store) if not item.is_damaged}
    for folder in folders:
        for number, (root, is_environment) in enumerate(_folders(paths.absolute(folder))):
            if number % _FOLDERS_PER_STEP == 0:
                yield Progress("scan", root)
            linked = _linked(store, root) if is_environment else None
            if linked:
                with store.linking():
                    registering.register(store, root, linked)
                found.append(LinkedVenv(root, linked, paths.real(root) in known))
    with contextlib.suppress(OSError):
        os.unlink(paths.registry_lost(store.root))  # prunes trust that this scan has found all environments
    return Scanned(found)


def forget(store: Store, path: str) -> list[Registration]:
    """Take an environment, all environments of a project, or one file of the registry out of the registry.

    If several environments have one path, the one that is here stays, and those on another disk or in another
    container are taken out. Returns the registrations that were taken out. Raises OSError if this user may not do
    that.
    """
    meant = {path, paths.real(path)}
    found = [
        item
        for item in registry.registrations(store)
        if meant & {item.environment, item.named, item.project, item.file} - {""}
    ]
    here = [item for item in found if registry.is_here(item)]
    elsewhere = {item.environment for item in found if item not in here}
    found = [item for item in found if item not in here or item.environment not in elsewhere]
    for item in found:
        registry.forget(item)
    return found


def forget_here(store: Store, root: str) -> None:
    """Take the environment at `root` out of the registry. One with this path in another container stays registered.

    Raises OSError if this user may not do that.
    """
    real = paths.real(root)
    for item in registry.registrations(store):
        if item.environment == real and registry.is_here(item):
            registry.forget(item)


def _folders(folder: str) -> Iterator[tuple[str, bool]]:
    """Yield each folder, and whether it is an environment. Environments are not entered."""
    for current, folders, files in links.walk(folder):
        is_environment = "pyvenv.cfg" in files
        folders[:] = [
            name
            for name in folders
            if not is_environment and name not in _NEVER_ENTERED and os.path.join(current, name) not in _OF_THE_SYSTEM
        ]
        yield current, is_environment


def _linked(store: Store, root: str) -> frozenset[str]:
    try:
        made_from = (item.store_id for item in contents.distributions_below(root, store.known_roots))
        return frozenset([*contents.entries_linked(root, store.known_roots)[0], *filter(None, made_from)])
    except OSError:
        return frozenset()
