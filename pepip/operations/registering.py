"""Registering environments. Each first gets an id of its own, so that no other environment is taken for it.

A layer that takes leases gets a lease for each environment that links from it.
"""

from __future__ import annotations

import os

from pepip import paths
from pepip.environment import project_venv, venv_id
from pepip.host import rights
from pepip.store import registry
from pepip.uv import settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pepip.store.root import Store


def register(store: Store, environment: str, entry_ids: Iterable[str]) -> bool:
    """Note that an environment links entries, or is about to: see `registry.register` and `leases.take`.

    The environment of a project may lie elsewhere: the project's link or redirect file to it is noted, too.
    """
    venv_id.ensure(paths.real(environment))
    entry_ids = tuple(entry_ids)
    if store.layers:
        from pepip.store import layers, leases

        layers.note_linked(store.root, entry_ids)
        leases.take(store, environment, entry_ids)
    return registry.register(store, environment, entry_ids, named=_name_of(store, environment))


def _name_of(store: Store, environment: str) -> str:
    """Return the `.venv` of the project to which an environment belongs, as far as it is known, or its own path."""
    named = project_venv.name_of(environment, settings.start_folder())
    if named == environment and os.path.basename(environment) != ".venv":
        path = registry.file_of(store, environment)
        known = registry.read(path) if path and rights.owns(path) else None
        if known and not known.is_damaged and known.named and project_venv.leads_to(known.named, environment):
            return known.named
    return named
