"""Using the app as a person does: pressing keys, clicking, and reading the screen, without a terminal.

The app is the real one. Whoever waits names the condition; nothing sleeps for a fixed time.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from pepip.store.root import Store
from pepip.tui.app import PepipApp
from pepip.tui.dialogs import Dialog
from pepip.tui.job_queue import Job
from pepip.tui.table import Table

PATIENCE_SECONDS = 60

Script = Callable[["Person"], Awaitable[None]]


class Person:
    """Somebody at the app."""

    def __init__(self, app: PepipApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    async def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        await self.pilot.press(*keys)

    async def write(self, line: str, text: str) -> None:
        """Put text into a line to be typed, and say that it changed."""
        await self.until(lambda: self.app.screen.query(line), line)
        self.app.screen.query_one(line, Input).value = text
        await self.pilot.pause()

    async def click(self, widget: str, offset: tuple[int, int] | None = None, times: int = 1) -> None:
        """Click on a widget, at an offset from its corner."""
        await self.pilot.click(widget, offset=offset or (1, 0), times=times)

    async def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"{what} never came:\n{self.screen}", pytrace=False)
            await self.pilot.pause(0.02)
        await self.pilot.pause()

    async def sees(self, *words: str) -> None:
        """Wait until words are on the screen, wherever its lines break."""
        for word in words:
            await self.until(lambda word=word: word in re.sub(r"[\s│▏]+", " ", self.screen), repr(word))  # type: ignore[misc]

    async def has_looked(self) -> None:
        """Wait until the app has looked at the disk."""
        await self.until(
            lambda: self.app.catalog is not None and self.app.catalog.is_fresh and not self.app.is_reading, "a look"
        )

    async def has_done(self, number: int = 1) -> Job:
        """Wait until so many operations are over, and what they did is shown. Returns the last of them."""
        await self.until(
            lambda: len(self.app.runner.jobs) >= number and not self.app.runner.busy, f"operation {number}"
        )
        await self.has_looked()
        return self.app.runner.jobs[-1]

    async def answers(self, key: str) -> None:
        """Press the button of a dialog, once it can be."""
        button = f"#answer-{key}"
        await self.until(lambda: not self.app.screen.query_one(button).disabled, button)
        await self.pilot.click(button)
        await self.pilot.pause()

    @property
    def screen(self) -> str:
        """What is on the screen, as plain text."""
        return text_of(self.app)

    @property
    def focus(self) -> str:
        """The name of what has the focus, empty if nothing has."""
        return (self.app.focused.id or "") if self.app.focused else ""

    @property
    def dialog(self) -> Dialog | None:
        """The dialog that is open."""
        return self.app.screen if isinstance(self.app.screen, Dialog) else None

    def table(self, selector: str) -> Table:
        """Return a list."""
        return self.app.screen.query_one(selector, Table)


def use(store: Path, script: Script, *, size: tuple[int, int] = (120, 36), pane: str = "store") -> PepipApp:
    """Let a person use the app on a store, and return it, left."""

    async def run() -> PepipApp:
        app = PepipApp(Store(str(store)), pane=pane)
        async with app.run_test(size=size, notifications=True) as pilot:
            person = Person(app, pilot)
            await person.has_looked()
            await script(person)
            app.runner.cancel_all()
            await asyncio.get_running_loop().run_in_executor(None, app.runner.wait, PATIENCE_SECONDS)
        return app

    return asyncio.run(run())


def text_of(app: PepipApp) -> str:
    """Return what an app shows, as plain text."""
    width, height = app.size
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in lines[:height])[
        : width * height * 4
    ]


def normalized(svg: str) -> str:
    """Return a picture's text without what has no meaning: numbers of styles, and blanks between elements."""
    return re.sub(r">\s+<", ">\n<", svg).strip() + "\n"


def words_of(svg: str) -> str:
    """Return the letters of a picture, without places, colours and blanks."""
    return re.sub(r"\s|&#160;", "", "".join(re.findall(r"<text[^>]*>([^<]*)</text>", svg)))
