"""Ejecting an environment: real files replace all links, so that it no longer needs the store."""

from __future__ import annotations

import contextlib

from pepip import paths
from pepip.environment import contents, eject_links, provenance, venv_id
from pepip.errors import CorruptEntryError, VenvError
from pepip.fast_namedtuple import NamedTuple
from pepip.host import folder_use
from pepip.operations import recover, scan, venvs
from pepip.operations.adoption import find_venvs
from pepip.operations.reporting import Progress
from pepip.store import entries, leases
from pepip.uv.request import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator

    from pepip.model import Entry, Environment
    from pepip.store.root import Store


class Ejected(NamedTuple):
    """The result for an environment: names and versions of the distributions that now have real files.

    `lost` are those that the environment no longer has: their entries were lost, and could not be fetched again.
    """

    environment: str
    distributions: tuple[tuple[str, str], ...]
    lost: tuple[tuple[str, str], ...] = ()


class Linking(NamedTuple):
    """An environment that links the store: the number of its distributions from there, and the bytes of their files.

    With clones, or with files that are hard links already, real files take less than `size_bytes`.
    """

    environment: str
    packages: int
    size_bytes: int


def find(store: Store, folder: str) -> Generator[Progress, None, list[Linking]]:
    """Find the environments below `folder` that link the store, yielding progress."""
    found = yield from find_venvs.discover([folder], left_out={paths.real(store.root)})
    return [row for row in (linking(store, root) for root in found.environments) if row.packages]


def linking(store: Store, root: str) -> Linking:
    """Return how much an environment has from the store. An environment that can't be read has nothing."""
    with contextlib.suppress(OSError):
        linked = {item.store_id for item in contents.distributions_below(root, store.known_roots)} - {""}
        return Linking(root, len(linked), sum(_size_bytes(store, entry_id) for entry_id in linked))
    return Linking(root, 0, 0)


def _size_bytes(store: Store, entry_id: str) -> int:
    try:
        return entries.read(store, entry_id).size_bytes
    except (FileNotFoundError, CorruptEntryError):
        return 0


def eject(store: Store, root: str) -> Generator[Progress, None, Ejected]:
    """Give the environment at `root` real files, yielding progress, and take it out of the registry.

    First, a change of a killed run is completed or taken back, and lost entries are stored again. A distribution of
    an entry that can't be fetched leaves the environment. If a lost entry is still linked then, VenvError is raised,
    and no link is replaced. Raises OSError if the disk is full: then each distribution either is linked or has real
    files, and the next run continues.
    """
    environment = venvs.open_environment(root, store)
    venvs.check_writable(environment)
    if not store.exists() and not any(_linked_ids(store, environment)):
        return Ejected(root, ())
    lost: list[tuple[str, str]] = []
    if recover.is_needed(store, environment):
        lost = yield from recover.recover(store, environment, Request())
    done = []
    with folder_use.in_use(root), venvs.locked(store, root):
        known = _linked_entries(store, environment)
        found = eject_links.linked(environment, store.known_roots, known)
        for number, entry in enumerate(known):
            yield Progress("eject", entry.name, number, len(known))
            eject_links.eject(environment, entry, found[entry.id])
            done.append((entry.name, entry.version))
        provenance.forget(root)
        if store.layers:
            leases.take(store, root, ())
        scan.forget_here(store, root)
        venv_id.forget(root)
    return Ejected(root, tuple(done), tuple(sorted(lost)))


def _linked_entries(store: Store, environment: Environment) -> list[Entry]:
    """Return all entries that an environment links, whatever its metadata says. Raises VenvError if one is lost.

    The result includes entries from which the environment has real files, such as hard links. If such an entry is
    lost, it is left out: the environment does not need it.
    """
    linked, sources = _linked_ids(store, environment)
    found = [_read(store, environment, entry_id) for entry_id in sorted(linked)]
    for entry_id in sorted(sources):
        with contextlib.suppress(FileNotFoundError, CorruptEntryError):
            found.append(entries.read(store, entry_id))
    return found


def _linked_ids(store: Store, environment: Environment) -> tuple[set[str], set[str]]:
    """Return the ids of all entries that an environment links, and of those from which it only has real files."""
    present = contents.installed(environment, store.known_roots)
    linked = {item.entry_id for item in present} | contents.entries_linked(environment.root, store.known_roots)[0]
    return linked - {""}, {item.source_id for item in present} - linked - {""}


def _read(store: Store, environment: Environment, entry_id: str) -> Entry:
    try:
        return entries.read(store, entry_id)
    except (FileNotFoundError, CorruptEntryError) as error:
        name, _, version = paths.entry_name(entry_id).partition("~")[0].rpartition("-")
        again = (
            "" if paths.is_layered(entry_id) else f", or store the package again: `pepip store add {name}=={version}`"
        )
        raise VenvError(
            f"the store has lost {paths.entry_name(entry_id)}, which {environment.root} links",
            hint=f"no installed package owns these links: remove them{again}",
        ) from error
