"""The store that a command works on: the one that the user's settings name."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.store.root import Store


def open_store() -> Store:
    """Return the store that PEPIP_HOME names, or the default one. It may not exist yet.

    Raises UsageError if PEPIP_HOME is not set and the user has no home folder.
    """
    from pepip.paths import default_store_root
    from pepip.store.root import Store

    return Store(default_store_root(os.environ))
