"""Uses the real app as a person does, without a terminal: presses keys, clicks, and reads the screen.

Every wait has a condition. Nothing sleeps for a fixed time.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from rich.cells import cell_len
from textual._context import visible_screen_stack
from textual.message_pump import MessagePump
from textual.pilot import Pilot
from textual.widgets import Input

from pepip.store.root import Store
from pepip.tui.app import PepipApp
from pepip.tui.dialogs import Dialog
from pepip.tui.disk_wait import DiskWait
from pepip.tui.job import Job
from pepip.tui.table import Table
from tests.support import disk_reads

PATIENCE_SECONDS = 60

Script = Callable[["Person"], Awaitable[None]]


class Person:
    """A person who uses the app. If `disk_hangs`, the person does not wait for a disk before the next key."""

    def __init__(self, app: PepipApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot
        self.disk_hangs = False

    async def press(self, *keys: str) -> None:
        """Press keys. Each is pressed when the app has handled the one before."""
        for key in keys:
            await self.pilot.press(key)
            await self.has_handled()

    async def write(self, line: str, text: str) -> None:
        """Put text into an input line, as if it was typed."""
        await self.until(lambda: self.app.screen.query(line), line)
        self.app.screen.query_one(line, Input).value = text
        await self.pilot.pause()
        await self.has_handled()

    async def click(self, widget: str, offset: tuple[int, int] | None = None, times: int = 1) -> None:
        """Click on a widget, at an offset (column, line) from its corner."""
        await self.pilot.click(widget, offset=offset or (1, 0), times=times)
        await self.has_handled()

    async def click_on(self, words: str, *, line: str = "", aside: int = 0, times: int = 1) -> None:
        """Click on the first `words` on the screen, as soon as they are there, or `aside` columns from their start.

        With `line`, click on the first words in a line that has this text, too.
        """
        await self.until(lambda: self._place_of(words, line), repr(words))
        place = self._place_of(words, line)
        assert place is not None
        await self.pilot.click(offset=(place[0] + aside, place[1]), times=times)
        await self.pilot.pause()
        await self.has_handled()

    def _place_of(self, words: str, line: str) -> tuple[int, int] | None:
        for y, text in enumerate(self.screen.splitlines()):
            if words in text and line in text:
                return cell_len(text[: text.index(words)]), y
        return None

    async def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait until `condition` is true. A failure names `what`."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"{what} never came:\n{self.screen}", pytrace=False)
            await self.pilot.pause(0.02)
        await self.pilot.pause()
        await self.has_handled()

    async def has_handled(self) -> None:
        """Wait until no widget handles a message or has one to handle, and draw the screen.

        A key can take many messages, each handled by another widget. The thread of a `DiskWait` has ended. Others may
        still run.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        await asyncio.sleep(0)  # messages of threads come into the queues
        while self._busy:
            if time.monotonic() > deadline:
                pytest.fail(f"{self._busy} never handled all messages:\n{self.screen}", pytrace=False)
            await asyncio.sleep(0.005)
            if not self._busy:
                self.app.screen._on_timer_update()  # may call what waits for it, and so send messages

    @property
    def _busy(self) -> list[MessagePump]:
        """The widgets that handle a message or have one to handle; none after the end of the app."""
        if not self.app.is_running:
            return []
        if isinstance(self.app.screen, DiskWait) and not self.disk_hangs:
            return [self.app.screen]
        widgets = (widget for screen in self.app.screen_stack for widget in screen.walk_children(with_self=True))
        return [pump for pump in (self.app, *widgets) if not _waits_for_a_message(pump)]

    async def sees(self, *words: str) -> None:
        """Wait until all `words` are on the screen, with any line breaks in them: a long path is broken anywhere."""
        for word in words:
            await self.until(lambda word=word: _unbroken(word) in _unbroken(self.screen), repr(word))  # type: ignore[misc]

    async def has_looked(self) -> None:
        """Wait until the app has read the store from disk."""
        await self.until(
            lambda: (
                self.app.session.catalog is not None and self.app.session.catalog.is_fresh and not self.app.is_reading
            ),
            "a look",
        )

    async def has_done(self, number: int = 1) -> Job:
        """Wait until `number` operations are over and their results are shown. Return the last operation."""
        await self.until(
            lambda: len(self.app.session.queue.jobs) >= number and not self.app.session.queue.unfinished,
            f"operation {number}",
        )
        await self.has_looked()
        return self.app.session.queue.jobs[-1]

    async def answers(self, key: str) -> None:
        """Click a button of a dialog as soon as it is enabled."""
        button = f"#answer-{key}"
        await self.until(lambda: any(not found.disabled for found in self.app.screen.query(button)), button)
        await self.pilot.click(button)
        await self.pilot.pause()
        await self.has_handled()

    @property
    def is_idle(self) -> bool:
        """Whether no worker runs, no widget has a message to handle, and all screens have been drawn."""
        app = self.app
        if not app._dom_ready or any(screen._compositor.size != app.size for screen in app.screen_stack):
            return False
        return (
            all(worker.is_finished for worker in app.workers)
            and not self._busy
            and not any(screen._dirty_widgets or screen._layout_required for screen in app.screen_stack)
        )

    @property
    def screen(self) -> str:
        """The screen as plain text."""
        return text_of(self.app)

    @property
    def focus(self) -> str:
        """The id of the widget that has the focus, or empty if none has."""
        return (self.app.focused.id or "") if self.app.focused else ""

    @property
    def dialog(self) -> Dialog | None:
        """The open dialog, or None."""
        return self.app.screen if isinstance(self.app.screen, Dialog) else None

    def table(self, selector: str) -> Table:
        """Return the table that a selector names."""
        return self.app.screen.query_one(selector, Table)


def use(
    store: Path,
    script: Script,
    *,
    size: tuple[int, int] = (120, 36),
    pane: str = "store",
    folder: Path = Path("/nowhere"),
    layers: Sequence[Path] = (),
) -> PepipApp:
    """Run a script of a person who uses the app on a store, started in `folder`. Return the app after its end.

    No thread may fail by a fault of pepip, and the app's own thread may not read a disk: it may hang.
    """

    async def run() -> PepipApp:
        app = PepipApp(Store(str(store), list(map(str, layers))), pane=pane, folder=str(folder))
        async with app.run_test(size=size, notifications=True) as pilot:
            person = Person(app, pilot)
            await person.has_looked()
            await script(person)
            app.session.queue.cancel_all()
            await asyncio.get_running_loop().run_in_executor(None, app.session.queue.wait, PATIENCE_SECONDS)
        return app

    with disk_reads.recorded(store.parent) as reads:
        app = asyncio.run(run())
    assert app.faults == []
    assert reads == []
    return app


def text_of(app: PepipApp) -> str:
    """Return the screen of an app as plain text."""
    width, height = app.size
    # A dialog draws the screen below it only if Textual knows that screen, and keeps what it has drawn.
    visible_screen_stack.set(app._background_screens)
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in lines[:height])[
        : width * height * 4
    ]


def normalized(svg: str) -> str:
    """Return the text of an SVG picture with one line break for all blanks between elements."""
    return re.sub(r">\s+<", ">\n<", svg).strip() + "\n"


def words_of(svg: str) -> str:
    """Return the letters of an SVG picture, without positions, colours and blanks."""
    return re.sub(r"\s|&#160;", "", "".join(re.findall(r"<text[^>]*>([^<]*)</text>", svg)))


def _waits_for_a_message(pump: MessagePump) -> bool:
    """Return whether a widget has handled all messages. Its queue no longer has the one that it is handling."""
    has_one = pump._message_queue.ready_event
    return bool(has_one._waiters) and not has_one.is_set()


def _unbroken(text: str) -> str:
    """Return a text without blanks, line breaks and the borders of boxes."""
    return re.sub(r"[\s│▏]+", "", text)
