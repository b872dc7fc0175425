"""Showing the app on a terminal, from its start to its end. Owns the process's signals meanwhile."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time

from pepip.tui.app import PepipApp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.store.root import Store

_SECONDS_TO_LEAVE = 5
_SECONDS_FOR_WHAT_RUNS = 30


def run(store: Store, *, pane: str = "store", theme: str = "") -> int:
    """Show the app on this terminal until it is left. Returns the exit code, that of a signal if one ended it."""
    tune()
    app = PepipApp(store, pane=pane)
    for name in ("SIGHUP", "SIGTERM", "SIGINT"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda number, _: _leave(app, number))
    if theme:
        app.theme = theme
    app.run()
    app.runner.wait(_SECONDS_FOR_WHAT_RUNS)
    return app.return_code or 0


def tune() -> None:
    """Set this process up so that a key is answered at once."""
    sys.setswitchinterval(0.001)  # it waits less for an operation's thread than with Python's 5 ms
    gc.set_threshold(20_000)  # rows and lines come and go by thousands: every 700 would be ever so often
    gc.disable()  # until the first look is shown: collecting what only grows would cost a tenth of the first paint


def _leave(app: PepipApp, number: int) -> None:
    """Let the app leave because of a signal, and see to it that the process ends."""
    app.call_later(app.hang_up, number)
    threading.Thread(target=_end_at_the_latest, args=(app, number), daemon=True).start()


def _end_at_the_latest(app: PepipApp, number: int) -> None:
    """End the process once nothing runs any more, if the app can't.

    Where the terminal is gone, what writes to it may be gone, too, and the app wait for it without end.
    """
    time.sleep(_SECONDS_TO_LEAVE)
    app.runner.cancel_all()
    app.runner.wait(_SECONDS_FOR_WHAT_RUNS)
    os._exit(128 + number)
