"""The jobs of earlier runs of the app: reads them from the store's activity log, and adds new ones to it."""

from __future__ import annotations

import os
import time

from pepip.store import activity_log
from pepip.tui import formatting
from pepip.tui.job import Job, Report, once
from pepip.tui.job_queue import STARTED_IN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.store.root import Store


def read(store: Store) -> list[Job[object]]:
    """Return the finished jobs of earlier runs, oldest first. Their numbers are below zero."""
    rows = activity_log.read(store)
    return [_job(row, number - len(rows)) for number, row in enumerate(rows)]


def _job(row: activity_log.Finished, number: int) -> Job[object]:
    title, state, outcome, problem, *log = map(
        formatting.printable, (row.title, row.state, row.outcome, row.problem, *row.log)
    )
    # The command is kept as it is: it is copied and run again.
    job: Job[object] = Job(title, row.command, once(lambda: None), folder=row.folder)
    job.number, job.state, job.outcome = number, state, outcome
    job.log, job.ended_at, job.seconds = log, row.ended_at, row.seconds
    job.fetched_bytes, job.report = row.received_bytes, Report(outcome, freed_bytes=row.freed_bytes, problem=problem)
    return job


def add(store: Store, job: Job[object]) -> None:
    """Add a finished job to the log. This writes a file, so call it in a worker."""
    row = activity_log.Finished(
        job.title,
        job.command,
        job.state,
        job.outcome,
        list(job.log),
        int(time.time()),
        job.seconds,
        job.fetched_bytes,
        job.report.freed_bytes,
        job.report.problem,
        job.folder if os.path.isdir(job.folder) else STARTED_IN,
    )
    activity_log.add(store, row)
