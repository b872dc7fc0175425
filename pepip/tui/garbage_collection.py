"""Garbage collection in the app. A catalog has thousands of objects, and a collection of them would delay keys."""

from __future__ import annotations

import gc


class GarbageCollection:
    """The garbage collection of this process. It is off until the first catalog is shown (`start.tune`)."""

    def __init__(self) -> None:
        self._has_frozen = False

    def resume(self, *, freezes: bool) -> None:
        """Switch collection on. With `freezes`, exempt all objects that exist now from it.

        `gc.freeze` also exempts garbage, for good. At the first catalog there is little garbage, and the user waits,
        so the garbage stays. At each later catalog, one collection of all frozen objects comes first.
        """
        if freezes:
            if self._has_frozen:
                gc.unfreeze()
                gc.collect()
            gc.freeze()
            self._has_frozen = True
        gc.enable()
