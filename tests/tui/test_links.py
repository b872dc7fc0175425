"""Links in the detail of an entry."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from rich.text import Text
from textual.app import App, ComposeResult
from textual.widgets import Static

from pepip.tui import audit_findings
from tests.support import catalogs

pytestmark = pytest.mark.unit

ADDRESS = "https://drum.example/'[x]\"/changes"


def test_a_click_on_a_link_copies_its_address(tmp_path: Path) -> None:
    """The address may have any characters. The app opens no browser, which might paint over it."""
    found = catalogs.of(str(tmp_path))
    (details,) = catalogs.details(found, "numpy", "2.4.1")
    text = Text()
    audit_findings.describe_links(text, details._replace(links={"changelog": ADDRESS}, licence="word " * 12), 40)
    copied: list[str] = []

    class Detail(App[None]):
        def compose(self) -> ComposeResult:
            yield Static(text, id="detail")

        def action_copy_link(self, address: str) -> None:
            copied.append(address)

    async def run() -> list[str]:
        app = Detail()
        async with app.run_test(size=(40, 12)) as pilot:
            lines = [str(app.query_one("#detail").render_line(y).text).rstrip() for y in range(8)]
            row = next(y for y, line in enumerate(lines) if "drum.example" in line)
            await pilot.click("#detail", offset=(14, row))
            await pilot.pause()
            return lines

    lines = asyncio.run(run())

    assert copied == [ADDRESS]
    start = next(number for number, line in enumerate(lines) if "licence" in line)
    assert lines[start + 1].startswith(" " * 12 + "word")
