"""Detaching gives an environment real files of a distribution, to patch or debug them. Attaching links it again.

Other environments are not affected: the store's entry is only read.
"""

from __future__ import annotations

from pepip.environment import contents, detached_copies
from pepip.environment.metadata import Installation
from pepip.errors import NoStoreError, VenvError
from pepip.fast_namedtuple import NamedTuple
from pepip.host import folder_use
from pepip.names import normalize_name
from pepip.operations import recover, registering, relinking, venvs
from pepip.store import entries, listing
from pepip.uv.request import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pepip.model import Entry, Environment, Installed
    from pepip.store.root import Store


class Detached(NamedTuple):
    """A distribution that has real files now, and the site-packages folder that holds them."""

    name: str
    version: str
    site_packages: str


class Attached(NamedTuple):
    """A distribution that is now linked, and those of its files that had been changed."""

    name: str
    version: str
    changed: list[str]


def detach(store: Store, root: str, names: Sequence[str]) -> list[Detached]:
    """Replace the links of distributions by copies, and return the places of the copies.

    A distribution that has real files made from an entry gets copies, too: these files may be hard links, and writing
    to a hard link would change the entry. Raises VenvError, before any links are replaced, if one of the
    distributions is not installed or did not come from the store. If a run is killed while it detaches a
    distribution, the next command on that environment completes this, or discards copies that are not complete.
    Later distributions stay linked.
    """
    environment = _open(store, root)
    if not store.exists():
        raise NoStoreError(store.root)
    detached = []
    with folder_use.in_use(root), venvs.locked(store, root):
        present = contents.installed(environment, store.known_roots)
        chosen = _find_all(environment, present, names)
        own = next((item for item in chosen if not item.store_id), None)
        if own is not None:
            raise VenvError(f"{own.name} {own.version} has real files already")
        for item in chosen:
            detached_copies.prepare(environment, entries.read(store, item.store_id))
            recover.finish_copies(store, environment)
            detached.append(Detached(item.name, item.version, environment.site_packages))
    return detached


def changed_files(store: Store, root: str, name: str) -> list[str]:
    """Return the files of a detached distribution that differ from its RECORD. Linking it again loses them."""
    environment = _open(store, root)
    distribution = _find(environment, contents.installed(environment, store.known_roots), name)
    return contents.changed_files(environment, distribution)


def attach(store: Store, root: str, names: Sequence[str]) -> list[Attached]:
    """Link distributions that have real files, if the store or a layer holds the very same wheels.

    Their files are removed, even the changed ones: see `changed_files`. Raises VenvError, before anything is changed,
    if one of them is linked already, or has no such entry.
    """
    environment = _open(store, root)
    if not store.exists():
        present = contents.installed(environment, store.known_roots)
        for name in names:
            _installation(store, environment, _find(environment, present, name))  # an error, unless a layer has it
    with folder_use.in_use(root), venvs.locked(store, root):
        present = contents.installed(environment, store.known_roots)
        chosen = _find_all(environment, present, names)
        installations = [_installation(store, environment, item) for item in chosen]
        changed = [contents.changed_files(environment, item) for item in chosen]
        linked = {item.store_id for item in present if item.store_id}
        registering.register(store, root, linked | {item.entry.id for item in installations})
        relinking.relink(store, environment, present, installations, ())
    return [Attached(item.name, item.version, files) for item, files in zip(chosen, changed, strict=True)]


def _open(store: Store, root: str) -> Environment:
    """Return the environment, after recovery from a killed run or from lost entries."""
    environment = venvs.open_environment(root, store)
    venvs.check_writable(environment)
    if recover.is_needed(store, environment):
        for _ in recover.recover(store, environment, Request()):
            pass
    return environment


def _installation(store: Store, environment: Environment, distribution: Installed) -> Installation:
    if distribution.entry_id:
        raise VenvError(f"{distribution.name} {distribution.version} is linked already")
    entry = _same_wheel(store, environment, distribution)
    if entry is None:
        pin = f"{distribution.name}=={distribution.version}"
        raise VenvError(
            f"the store does not hold the wheel that {pin} was installed from",
            hint=f"`pepip install --reinstall-package {distribution.name} {pin}` takes a wheel from the index",
        )
    origin = contents.direct_url(environment, distribution)
    return Installation(entry, origin, "", contents.cache_info(environment, distribution))


def _find_all(environment: Environment, present: list[Installed], names: Sequence[str]) -> list[Installed]:
    """Return the distributions of these names, each once, even if a name is repeated in another spelling."""
    return list(dict.fromkeys(_find(environment, present, name) for name in names))


def _find(environment: Environment, present: list[Installed], name: str) -> Installed:
    found = next((item for item in present if item.name == normalize_name(name)), None)
    if found is None:
        raise VenvError(f"{name} is not installed in {environment.root}")
    return found


def _same_wheel(store: Store, environment: Environment, distribution: Installed) -> Entry | None:
    """Return the entry whose files have the paths and hashes of a distribution's RECORD. None if there is none."""
    wanted = contents.hashes_of(environment, distribution)
    for stored in (*listing.stored(store), *listing.stored_in_layers(store, distribution.name)):
        if (stored.name, stored.version) == (distribution.name, distribution.version) and stored.state == "ok":
            entry = entries.read(store, stored.id)
            if store.trusts_entry(entry.path) and entries.is_whole(entry) and wanted == entries.hashes_of(entry):
                return entry
    return None
