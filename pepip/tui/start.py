"""Runs the app on a terminal. Owns the signals of the process while the app runs."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from pepip.errors import PepipError
from pepip.operations import preferences
from pepip.tui import escape_key
from pepip.tui.app import PepipApp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.store.root import Store

_SECONDS_TO_LEAVE = 5
_SECONDS_FOR_JOBS = 30
_SECONDS_FOR_THREADS = 2
_THREADS = "pepip-app"


def run(store: Store, *, pane: str = "store", theme: str = "") -> int:
    """Run the app on this terminal. Return the exit code.

    If a signal ended the app, the exit code is 128 plus the signal's number.
    """
    tune()
    app = PepipApp(store, pane=pane)
    for name in ("SIGHUP", "SIGTERM", "SIGINT"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda number, _: _leave(app, number))
    with contextlib.suppress(PepipError):  # the catalog has a notice for unreadable settings
        app.use(preferences.read())
    if theme:
        app.theme = theme
    _run_in_a_loop(app)
    app.session.queue.wait(_SECONDS_FOR_JOBS)
    app.complete_history()
    _end_if_threads_hang(app.return_code or 0)
    return app.return_code or 0


def _run_in_a_loop(app: PepipApp) -> None:
    """Run the app to its end, as `asyncio.run` does, but wait for no thread: its disk may hang."""
    loop = asyncio.new_event_loop()
    loop.set_default_executor(ThreadPoolExecutor(thread_name_prefix=_THREADS))
    try:
        app.run(loop=loop)
    finally:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def _end_if_threads_hang(exit_code: int) -> None:
    """Wait a moment for the app's threads. If one goes on, end the process: Python's own end would wait for it."""
    deadline = time.monotonic() + _SECONDS_FOR_THREADS
    threads = [thread for thread in threading.enumerate() if thread.name.startswith(_THREADS)]
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    if any(thread.is_alive() for thread in threads):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(exit_code)


def tune() -> None:
    """Let this process answer keys at once."""
    sys.setswitchinterval(0.001)  # else the app waits up to 5 ms for the thread of a job
    gc.set_threshold(20_000)  # Python's 700 collects too often for thousands of rows
    escape_key.separate()
    gc.disable()  # until the first catalog: a collection would free little, and take a tenth of the first paint


def _leave(app: PepipApp, number: int) -> None:
    """Let the app exit after a signal, and make sure that the process ends."""
    app.call_later(app.exit_on_signal, number)
    threading.Thread(target=_end_at_the_latest, args=(app, number), daemon=True).start()


def _end_at_the_latest(app: PepipApp, number: int) -> None:
    """End the process if the app has not ended after 5 seconds.

    First cancel all jobs, and wait up to 30 seconds for them. Without a terminal, the thread that writes to it may
    have ended, and the app would wait for this thread forever.
    """
    time.sleep(_SECONDS_TO_LEAVE)
    app.session.queue.cancel_all()
    app.session.queue.wait(_SECONDS_FOR_JOBS)
    app.complete_history()
    os._exit(128 + number)
