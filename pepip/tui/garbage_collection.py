"""Garbage collection while thousands of objects of a catalog live on: collections of them would delay keys."""

from __future__ import annotations

import gc


class GarbageCollection:
    """The state of the collection in this process. It is off until the first catalog is shown (`start.tune`)."""

    def __init__(self) -> None:
        self._has_frozen = False

    def go_on(self, *, keeps: bool) -> None:
        """Go on collecting. With `keeps`, exempt all objects that exist now.

        `gc.freeze` keeps existing garbage for good. At the first catalog there is little garbage, and the user waits,
        so it stays. At later catalogs, all frozen objects are first collected once.
        """
        if keeps:
            if self._has_frozen:
                gc.unfreeze()
                gc.collect()
            gc.freeze()
            self._has_frozen = True
        gc.enable()
