"""Registering environments. Each first gets an id of its own, so that no other environment is taken for it.

Each layer that takes leases, and from which the environment links, gets a lease for it, too.
"""

from __future__ import annotations

import os

from pepip.environment import venv_id
from pepip.store import registry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pepip.store.root import Store


def register(store: Store, environment: str, entry_ids: Iterable[str]) -> bool:
    """Note that an environment links entries, or is about to: see `registry.register` and `leases.take`."""
    venv_id.ensure(os.path.realpath(environment))
    entry_ids = tuple(entry_ids)
    if store.layers:
        from pepip.store import layers, leases

        layers.note_linked(store.root, entry_ids)
        leases.take(store, environment, entry_ids)
    return registry.register(store, environment, entry_ids)
