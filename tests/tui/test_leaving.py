"""`pepip ui` finishes its operations, and then exits."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from pepip.store import activity_log
from pepip.store.root import Store
from pepip.tui.job import Job, once
from tests.support.screens import Person, use
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

WHEELS = [Wheel("drum", "1.0", files={"drum/__init__.py": ""})]


@pytest.mark.parametrize("fails", [False, True])
def test_the_operations_that_end_last_are_in_the_history(
    app_bench: Workbench, store: Path, capfd: pytest.CaptureFixture[str], *, fails: bool
) -> None:
    """A failure among them is shown on the terminal, and the exit code is 1."""
    app_bench.at("one").install("drum")
    goes_on = threading.Event()

    def work() -> None:
        goes_on.wait(20)
        if fails:
            raise OSError(5, "Input/output error", "/a/file")

    async def script(person: Person) -> None:
        queue = person.app.session.queue
        queue.submit(Job("first", "pepip first", once(work)))
        queue.submit(Job("second", "pepip second", once(lambda: None)))
        await person.press("q")
        await person.answers("finish")
        goes_on.set()
        await person.until(lambda: not person.app.is_running, "the exit")

    app = use(store, script)

    rows = [(row.title, row.state) for row in activity_log.read(Store(str(store)))]
    assert rows == [("first", "failed" if fails else "done"), ("second", "done")]
    assert app.return_code == int(fails)
    shown = capfd.readouterr().err
    assert ("failed: first\nInput/output error: /a/file" in shown) is fails
