"""Pictures of the app, made without a terminal. The same store always gives the same picture."""

from __future__ import annotations

import asyncio
import os
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pepip.store.root import Store
    from pepip.tui.app import PepipApp

_FONT = "'Fira Code', 'DejaVu Sans Mono', Menlo, Consolas, monospace"


def themes() -> list[str]:
    """Return the names of all themes."""
    from textual.theme import BUILTIN_THEMES

    return sorted(BUILTIN_THEMES)


def take(store: Store, *, pane: str, size: tuple[int, int], theme: str = "") -> str:
    """Return a pane as SVG, after the app has read the store. Raises the error of the app if it fails."""
    from pepip.tui.app import PepipApp

    async def run() -> str:
        app = PepipApp(store, pane=pane, is_still=True)
        if theme:
            app.theme = theme
        async with app.run_test(size=size) as pilot:
            while app.is_running and (app.session.catalog is None or app.is_reading):
                await pilot.pause(0.02)
            await pilot.pause()
            # A worker adds the detail of the entry later.
            while app.is_running and any(not worker.is_finished for worker in app.workers):
                await pilot.pause(0.02)
            await pilot.pause()
            return picture_of(app)

    os.environ.pop("NO_COLOR", None)
    return asyncio.run(run())


def picture_of(app: PepipApp) -> str:
    """Return the screen of the app as SVG, without fonts from the network and with the same names every time."""
    svg = app.export_screenshot(title="pepip ui")
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font-family: ?(Fira Code|arial)[^;}]*", f"font-family: {_FONT}", svg)
    return re.sub(r"terminal-\d+", "terminal", svg)
