"""Undoing a removal: the entries of the last prune come back from the trash, as long as they are kept there.

The trash keeps them for the time in `PEPIP_TRASH_TIME` or in the user's settings, by default only if the disk has
ample room: see `docs/store.md`.
"""

from __future__ import annotations

import contextlib
import os

from pepip.errors import PepipError, StoreError, UsageError
from pepip.fast_namedtuple import NamedTuple
from pepip.operations import preferences
from pepip.operations.reporting import Progress
from pepip.store import trash

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from pepip.store.root import Store
    from pepip.store.trash import Grave


class Undone(NamedTuple):
    """The ids of the entries and the paths of the environments that are back.

    `taken` are those whose place was taken meanwhile. `removed_at` is when they had been removed, in seconds since
    1970.
    """

    entry_ids: tuple[str, ...]
    environments: tuple[str, ...]
    taken: tuple[str, ...]
    removed_at: float


_DAY_SECONDS = 86_400
_TIME = "PEPIP_TRASH_TIME"


def trash_seconds(variables: Mapping[str, str]) -> float:
    """Return the time for which the trash keeps entries: a day by default, 0 for not at all.

    `PEPIP_TRASH_TIME` sets it, or else the setting `trash`. Raises UsageError if the variable is no time. Settings
    that can't be read are ignored.
    """
    text = variables.get(_TIME, "")
    if not text:
        with contextlib.suppress(PepipError):
            text = preferences.read().trash
    seconds = preferences.seconds_of(text) if text else float(_DAY_SECONDS)
    if seconds is None:
        raise UsageError(
            f"{_TIME}: {text!r} is not a time", hint="write a number and s, m, h, d or w, such as 7d; or 0"
        )
    return seconds


def wanted_trash_seconds(variables: Mapping[str, str]) -> float:
    """Return the time for which the trash keeps a removal that asks for the trash. Raises UsageError if it is off."""
    seconds = trash_seconds(variables)
    if not seconds:
        raise UsageError(
            f"the trash is off, because {_TIME} or the setting `trash` is 0",
            hint=f"set {_TIME}=1d, run `pepip settings trash=1d`, or leave out --trash",
        )
    return seconds


def default_trash_seconds(store: Store, variables: Mapping[str, str]) -> float:
    """Return the time for which the trash keeps a removal by default: 0 if less than a fifth of the disk is free."""
    return trash_seconds(variables) if trash.has_room(store) else 0.0


def last(store: Store) -> Grave:
    """Return the last removal that can be undone. Raises StoreError if there is none."""
    graves = trash.kept(store)
    if not graves:
        raise StoreError("there is nothing to undo", hint=_HINT)
    return graves[0]


_HINT = "`pepip prune --trash` keeps the removed entries in the trash, for the time that `pepip settings` shows"


def undo(store: Store, expected: str = "") -> Generator[Progress, None, Undone]:
    """Bring the entries of the last removal back, yielding progress. Raises StoreError if there is none.

    With `expected`, the path of a grave, raise StoreError if the last removal is another one. Each entry comes back
    by one rename, so a killed run leaves it whole: in the store, or in the trash for the next undo.
    """
    grave = last(store)
    if expected not in {"", grave.path}:
        raise StoreError("this is not the last removal any more", hint="press z to see the last one")
    yield Progress("undo", ", ".join(os.path.basename(entry_id) for entry_id in grave.entry_ids[:3]))
    with store.linking():
        restored = trash.restore(store, grave)
    return Undone(restored.entry_ids, restored.environments, restored.taken, grave.removed_at)
