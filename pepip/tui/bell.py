"""The bell and the note of the terminal at the end of a long job: the user has turned to something else meanwhile."""

from __future__ import annotations

import os

from pepip.tui import formatting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from textual.app import App

    from pepip.tui.job_queue import Job

SECONDS = 10
"""The duration from which on a job calls for attention."""


def is_wanted(variables: Mapping[str, str]) -> bool:
    """Return whether the user wants it. `PEPIP_BELL=0` turns it off."""
    return variables.get("PEPIP_BELL", "") != "0"


def call(app: App[Any], job: Job[object]) -> None:
    """Ring the bell and send a note of the desktop (OSC 9) if a job that is over has taken ten seconds."""
    driver = app._driver
    if job.seconds >= SECONDS and driver is not None and is_wanted(os.environ):
        driver.write(f"\x07\x1b]9;{note_of(job)}\x1b\\")
        driver.flush()


def note_of(job: Job[object]) -> str:
    """Return the note: one line, without control characters."""
    return formatting.printable(f"pepip: {job.title}: {job.outcome or job.state}")[:200]
