"""The store that a command works on, by the user's settings."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.store.root import Store


def open_store() -> Store:
    """Return the store that PEPIP_HOME names, or the default one, with its layers. It need not exist.

    Raises UsageError if PEPIP_HOME is not set and the user has no home folder, or if a layer's path is not absolute.
    """
    from pepip.store.root import configured

    return configured(os.environ)
