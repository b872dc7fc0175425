"""Showing the app on a terminal, from its start to its end. Owns the process's signals meanwhile."""

from __future__ import annotations

import gc
import signal
import sys

from pepip.tui.app import PepipApp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.store.home import Store

_SECONDS_FOR_WHAT_RUNS = 30


def run(store: Store, *, pane: str = "store", theme: str = "") -> int:
    """Show the app on this terminal until it is left. Returns the exit code, that of a signal if one ended it."""
    sys.setswitchinterval(0.001)  # a key waits less for an operation's thread than with Python's 5 ms
    gc.disable()  # until the first look is shown: collecting what only grows would cost a tenth of the first paint
    app = PepipApp(store, pane=pane)
    for name in ("SIGHUP", "SIGTERM", "SIGINT"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda number, _: app.call_later(app.hang_up, number))
    if theme:
        app.theme = theme
    app.run()
    app.runner.wait(_SECONDS_FOR_WHAT_RUNS)
    return app.return_code or 0
