"""Words and figures for users, the same on every screen. Knows nothing of widgets."""

from __future__ import annotations

import functools
import itertools
import os
import re

from pepip import humanized, paths
from pepip.humanized import count as count
from pepip.humanized import moment as moment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pepip.operations.reporting import Summary


_NUMBER = re.compile(r"([0-9]+)")


@functools.lru_cache(4096)
def size(size_bytes: int) -> str:
    """Return a size for users, such as `12.4 MB`, as on the command line."""
    return humanized.size(size_bytes)


def factor(without: int, on_disk: int) -> str:
    """Return the size without sharing as a multiple of the size on disk, such as `5.0×`; empty if it rounds to 1."""
    times = f"{without / on_disk:.1f}×" if on_disk and without > on_disk else ""
    return "" if times == "1.0×" else times


def gain(freed_bytes: int, shared_bytes: int) -> str:
    """Return in words the bytes that a removal frees, and those that uv's cache still holds."""
    more = f", {size(shared_bytes)} more once uv's cache drops them" if shared_bytes else ""
    return f"{size(freed_bytes)} free at once{more}"


def waiting(trashed_bytes: int, shared_bytes: int, keep_seconds: float) -> str:
    """Return in words the bytes that a removal frees if the entries first stay in the trash."""
    more = f", {size(shared_bytes)} more once uv's cache drops them" if shared_bytes else ""
    return f"{size(trashed_bytes)} free in {humanized.duration(keep_seconds)}{more}"


def emptying(restorable_bytes: int) -> str:
    """Return the sentence on earlier removals, in the trash, that go with one that keeps nothing there."""
    if not restorable_bytes:
        return ""
    return f" That includes {size(restorable_bytes)} of earlier removals in the trash: z can't bring them back then."


@functools.lru_cache(4096)
def day(seconds: int) -> str:
    """Return the local date, such as `2026-03-14`, of a time in seconds since 1970; a dash if there is none."""
    return humanized.day(seconds) or "-"


def printable(text: str) -> str:
    """Return text with its unprintable characters escaped. A name on disk may hold control characters."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def natural(text: str) -> list[str | int]:
    """Return a key that sorts versions by their numbers: 1.9 comes before 1.10."""
    return [int(part) if part.isdecimal() else part for part in _NUMBER.split(text)]


def short_path(path: str, home: str = "") -> str:
    """Return a path with the user's home folder shortened to `~`."""
    home = home or paths.user_home(os.environ)
    if home and home != "/" and (path == home or path.startswith(home + "/")):
        return "~" + path[len(home) :]
    return path


def cost_of_sharing(size_bytes: int) -> str:
    """Say how much more space links take than files, until another environment shares the packages."""
    more = f"takes {size(size_bytes)} more" if size_bytes else "frees nothing now"
    return f"this {more}, until other environments share the same packages"


def fit(text: str, width: int) -> str:
    """Return a path or a name in at most `width` columns. A long one loses its start, because its end says more."""
    from rich.cells import cell_len  # commands that need no columns start faster without it

    if cell_len(text) <= width:
        return text
    while text and cell_len(text) >= width:
        text = text[1:]
    return f"…{text}"[: max(0, width)]


def bar(share: float, width: int) -> str:
    """Return a bar that fills `share` (0 to 1) of `width` columns, in steps of an eighth of a column."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    if share > 0 and not eighths:
        eighths = 1
    full, rest = divmod(eighths, 8)
    return "█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")


def growth(steps: Sequence[tuple[int, int]], width: int) -> str:
    """Return a chart of a running total in `width` columns. A step is a time and an amount."""
    first, last = min(steps)[0], max(steps)[0]
    sums = [0] * width
    for when, amount in steps:
        sums[(when - first) * (width - 1) // max(1, last - first)] += amount
    sums = list(itertools.accumulate(sums))
    return "".join("▁▂▃▄▅▆▇█"[total * 7 // max(1, sums[-1])] for total in sums)


def outcome(summary: Summary) -> str:
    """Return the result of a change to an environment as a sentence."""
    came = {name for name, _ in (*summary.linked, *summary.private)}
    gone = len({name for name, _ in summary.removed} - came)
    parts = []
    if summary.linked:
        parts.append(
            f"{len(summary.linked)} linked: {len(summary.reused)} reused, {len(summary.downloaded)} downloaded"
        )
    if summary.local:
        parts.append(f"{len(summary.local)} from local files")
    if summary.private:
        parts.append(count(len(summary.private), "private copy", "private copies"))
    if gone:
        parts.append(f"{gone} removed")
    if summary.avoided_bytes:
        parts.append(f"{size(summary.avoided_bytes)} not stored again")
    return ", ".join(parts) or "nothing to do"
