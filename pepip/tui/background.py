"""Work in threads that may fail: a disk may be away at any time. A failure is told, and does not end the app."""

from __future__ import annotations

import traceback
from functools import partial

from pepip.errors import PepipError
from pepip.tui import formatting
from pepip.tui.messages import WorkFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import App
    from textual.dom import DOMNode


def run(
    owner: DOMNode,
    work: Callable[[], object],
    *,
    group: str,
    refused: Callable[[str], object] | None = None,
    is_exclusive: bool = True,
) -> None:
    """Run `work` in a thread of `owner`, an app, a screen or a widget. Call this in the app's own thread.

    If `work` raises an exception, Textual would end the app. Instead, the thread calls `refused` with the reason in
    one sentence, unless the worker was cancelled; by default, the app shows the reason. A fault of pepip is shown in
    any case, with its traceback. With `is_exclusive`, the earlier work of the group is cancelled.
    """
    owner.run_worker(
        partial(_guarded, owner.app, work, refused),
        thread=True,
        exclusive=is_exclusive,
        group=group,
        description=group,  # else Textual would format the arguments, such as the whole catalog
    )


def _guarded(app: App[object], work: Callable[[], object], refused: Callable[[str], object] | None) -> None:
    from textual.worker import get_current_worker

    details = ""
    try:
        work()
    except (PepipError, OSError) as error:
        reason = reason_of(error)
    except Exception as error:  # noqa: BLE001 - a fault of pepip must not end the app, and the user must see it
        reason, details = f"internal error in pepip: {type(error).__name__}", traceback.format_exc()
    else:
        return
    is_cancelled = get_current_worker().is_cancelled
    if details or (refused is None and not is_cancelled):
        app.post_message(WorkFailed(reason, details))
    if refused is not None and not is_cancelled:
        refused(reason)


def reason_of(error: PepipError | OSError) -> str:
    """Return an error as a sentence in printable characters."""
    words = error.message if isinstance(error, PepipError) else f"{error.strerror or error}"
    place = "" if isinstance(error, PepipError) else error.filename2 or error.filename or ""
    return formatting.printable(f"{words}: {place}" if place else words)
