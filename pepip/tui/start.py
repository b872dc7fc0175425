"""Runs the app on a terminal. Owns the signals of the process while the app runs."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import threading
import time

from pepip.errors import PepipError
from pepip.operations import preferences
from pepip.tui.app import PepipApp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.store.root import Store

_SECONDS_TO_LEAVE = 5
_SECONDS_FOR_WHAT_RUNS = 30


def run(store: Store, *, pane: str = "store", theme: str = "") -> int:
    """Show the app on this terminal until it exits. Return the exit code.

    If a signal ended the app, the exit code is 128 plus the signal's number.
    """
    tune()
    app = PepipApp(store, pane=pane)
    for name in ("SIGHUP", "SIGTERM", "SIGINT"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda number, _: _leave(app, number))
    with contextlib.suppress(PepipError):  # the catalog has a notice of it
        app.use(preferences.read())
    if theme:
        app.theme = theme
    app.run()
    app.session.queue.wait(_SECONDS_FOR_WHAT_RUNS)
    return app.return_code or 0


def tune() -> None:
    """Tune this process to respond to keys at once."""
    sys.setswitchinterval(0.001)  # the app waits less for a job's thread than with Python's 5 ms
    gc.set_threshold(20_000)  # thousands of rows come and go: every 700 objects is too often
    gc.disable()  # until the first catalog is shown: collections would free little, and cost a tenth of the paint


def _leave(app: PepipApp, number: int) -> None:
    """Let the app exit because of a signal, and make sure that the process ends."""
    app.call_later(app.hang_up, number)
    threading.Thread(target=_end_at_the_latest, args=(app, number), daemon=True).start()


def _end_at_the_latest(app: PepipApp, number: int) -> None:
    """End the process if the app does not end it within 5 seconds.

    Cancels all jobs first, and waits up to 30 seconds for them. If the terminal is gone, the thread that writes to it
    may be gone, too, and the app would wait for it forever.
    """
    time.sleep(_SECONDS_TO_LEAVE)
    app.session.queue.cancel_all()
    app.session.queue.wait(_SECONDS_FOR_WHAT_RUNS)
    os._exit(128 + number)
