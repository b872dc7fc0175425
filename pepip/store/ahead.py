"""Lays out wheels in a staging area while uv still downloads others, so that little is left at the end."""

from __future__ import annotations

import contextlib
import os

from pepip.errors import InvalidWheelError
from pepip.store import publish, staged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.host.transfer import Transfer
    from pepip.store.publish import Layout
    from pepip.store.root import Store
    from pepip.store.staged import StagedWheel


class Ahead:
    """The wheels that were laid out ahead, in the staging area at the path `area`.

    Nobody else may use `transfer` while `take` runs. A wheel that can't be laid out is left to the caller, who lays
    it out later and gets the error.
    """

    def __init__(self, store: Store, area: str, transfer: Transfer) -> None:
        self._store, self._area, self._transfer = store, area, transfer
        self._layouts: dict[str, Layout] = {}
        self._count = 0

    def take(self, wheel: str) -> None:
        """Lay out the unpacked wheel at this path."""
        self._count += 1
        workshop = f"{self._area}/ahead.{self._count}"
        with contextlib.suppress(OSError, InvalidWheelError):
            layout = publish.lay_out(self._store, wheel, staged.look(wheel), workshop, self._transfer)
            self._layouts[os.path.basename(wheel)] = layout

    def layout(self, item: StagedWheel) -> Layout | None:
        """Return the layout of a wheel that uv has unpacked in this run, None if there is none, or if RECORD changed.

        A layout is returned once. uv names each unpacked wheel anew, so its name suffices.
        """
        layout = self._layouts.pop(os.path.basename(item.wheel), None)
        record_path = f"{item.dist_info}/RECORD"
        if layout is None or _version(os.stat(f"{item.wheel}/{record_path}")) not in _versions(layout, record_path):
            return None
        return layout


def _versions(layout: Layout, path: str) -> list[tuple[int, ...]]:
    return [_version(file.status) for file in layout.tree.files if file.path == path]


def _version(status: os.stat_result) -> tuple[int, ...]:
    return status.st_ino, status.st_size, status.st_mtime_ns
