"""The terminal's bell and a desktop notification at the end of a long job: its user may look elsewhere."""

from __future__ import annotations

import os

from pepip.tui import formatting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from textual.app import App

    from pepip.tui.job import Job

SECONDS = 10
"""The bell rings after a job that took at least this time."""


def is_wanted(variables: Mapping[str, str], *, rings: bool) -> bool:
    """Return whether the user wants the bell: by `PEPIP_BELL`, 0 or 1, or else by the settings (`rings`)."""
    return variables.get("PEPIP_BELL", "1" if rings else "0") != "0"


def ring(app: App[Any], job: Job[object], *, rings: bool) -> None:
    """Ring the bell and send a desktop notification (OSC 9) after a job of at least ten seconds, if wanted."""
    driver = app._driver
    if job.seconds >= SECONDS and driver is not None and is_wanted(os.environ, rings=rings):
        driver.write(f"\x07\x1b]9;{notification_of(job)}\x1b\\")
        driver.flush()


def notification_of(job: Job[object]) -> str:
    """Return the text of the notification: one line, without control characters."""
    return formatting.printable(f"pepip: {job.title}: {job.outcome or job.state}")[:200]
