"""Measure `pepip ui` on a large store: the first paint, each keystroke of the filter, and the memory.

    python eval/scale.py --entries 5000 --environments 1000 --keep scale
    python eval/ui.py --home scale/home

The first paint is the time from the start of the process until the rows of the store are in the output of a real
terminal (a pty), each time in a new process. "Of it work" is the processor time: on a busy machine, only that time is
the app's own. A keystroke is the time from the key until the filtered rows are painted. Memory is the size and the
peak of the process after all panes were shown and the disk was read.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.screen import Screen
    from textual.strip import Strip

    from pepip.tui.app import PepipApp
    from pepip.tui.table import Table

KEYS = "dist-04"


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True, help="the store")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--row", default="dist-0000", help="a text that the first paint must show")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        print(json.dumps(asyncio.run(inside(str(arguments.home)))))
        return
    paints = [first_paint(arguments.home, arguments.row) for _ in range(arguments.rounds + 1)][1:]
    command = [sys.executable, __file__, "--home", str(arguments.home), "--inside"]
    figures = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    seconds, works = zip(*paints, strict=True)
    for title, found in (("first paint ", seconds), ("  of it work", works)):
        print(f"{title}  median {statistics.median(found):.2f} s, best {min(found):.2f} s, worst {max(found):.2f} s")
    keys = figures["keystroke_seconds"]
    print(f"keystroke     median {statistics.median(keys) * 1000:.0f} ms, worst {max(keys) * 1000:.0f} ms")
    worked = figures["keystroke_processor_seconds"]
    print(f"  of it work  median {statistics.median(worked) * 1000:.0f} ms, worst {max(worked) * 1000:.0f} ms")
    print(
        f"memory        {figures['rss_kilobytes'] / 1000:.0f} MB, peak {figures['peak_rss_kilobytes'] / 1000:.0f} MB"
    )


def first_paint(home: Path, row: str) -> tuple[float, float]:
    """Return the seconds from the start of `pepip ui` to its first row of the store, and the processor seconds."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 36, 120, 0, 0))
    variables = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
    variables |= {"PEPIP_HOME": str(home), "TERM": "xterm-256color"}
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "pepip", "ui"],
        stdin=follower, stdout=follower, stderr=follower, env=variables, start_new_session=True,
    )  # fmt: skip
    os.close(follower)
    shown, seconds, work = b"", -1.0, 0.0
    try:
        while seconds < 0 and time.monotonic() - started < 30:
            if select.select([leader], [], [], 1)[0]:
                shown += os.read(leader, 1 << 16)
                if row.encode() in shown:
                    seconds = time.monotonic() - started
                    ticks = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
                    work = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(OSError):
            while select.select([leader], [], [], 5)[0] and os.read(leader, 1 << 16):
                pass
        process.wait(30)
        os.close(leader)
    if seconds < 0:
        raise SystemExit(f"{row} never came on the terminal")
    return seconds, work


class Watch:
    """Tells when a table shows other rows: its lines were rendered after the change, and went to the terminal."""

    def __init__(self, app: PepipApp, table: Table) -> None:
        self._has_other_rows = self._is_put_together = False
        self.is_painted = asyncio.Event()
        set_view, render_line, display = table.set_view, table.render_line, app._display

        def looking(view: Sequence[int]) -> None:
            set_view(view)
            self._has_other_rows = True

        def rendering(y: int) -> Strip:
            self._is_put_together = self._has_other_rows
            return render_line(y)

        def displaying(screen: Screen[object], renderable: object) -> None:
            display(screen, renderable)  # type: ignore[arg-type]
            if self._is_put_together:
                self.is_painted.set()

        table.set_view, table.render_line, app._display = looking, rendering, displaying  # type: ignore[method-assign]

    def begin(self) -> None:
        """Watch for the next rows."""
        self._has_other_rows = self._is_put_together = False
        self.is_painted.clear()


async def inside(home: str) -> dict[str, object]:
    """Return the figures of one app in use: keys are typed into the filter, then each pane is shown."""
    import resource

    from pepip.store.root import Store
    from pepip.tui import start
    from pepip.tui.app import PepipApp
    from pepip.tui.table import Table

    start.tune()
    from textual import events  # after the app: it sets textual's settings, which are read on import

    app = PepipApp(Store(home))
    seconds, processor_seconds = [], []
    async with app.run_test(size=(160, 48)) as pilot:
        while app.session.catalog is None or not app.session.catalog.is_fresh or app.is_reading:
            await asyncio.sleep(0.02)
        await pilot.press("slash")
        table = app.query_one("#entries", Table)
        watch = Watch(app, table)
        for key in [*KEYS.replace("-", ""), *["backspace"] * (len(KEYS) - 1)] * 3:
            watch.begin()
            started, worked = time.perf_counter(), time.thread_time()
            app.post_message(events.Key(key, key if len(key) == 1 else None))
            await watch.is_painted.wait()
            seconds.append(time.perf_counter() - started)
            processor_seconds.append(time.thread_time() - worked)
        for pane in ("projects", "savings", "activity", "versions", "store"):
            await app.action_show(pane)
            await pilot.pause()
    return {
        "keystroke_seconds": seconds,
        "keystroke_processor_seconds": processor_seconds,
        "rss_kilobytes": int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1000,
        "peak_rss_kilobytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }


if __name__ == "__main__":
    main()
