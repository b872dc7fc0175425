"""Sizes, counts and lists as a person reads and writes them, on the command line and in the app.

humanize rounds sizes. It is imported for the first size that is shown; a quiet install shows none.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_SMALLEST_ROUNDED = 1000
_LARGEST_BYTES = 1 << 62
_LONGEST_SECONDS = 1 << 36  # some 2,000 years


def size(size_bytes: int) -> str:
    """Return a size in powers of 1000, as file managers show it: `12.4 MB`, `512 B`; a loss as `-172.0 kB`."""
    if abs(size_bytes) < _SMALLEST_ROUNDED:
        return f"{size_bytes} B"
    import humanize

    return humanize.naturalsize(size_bytes)


def parse_size(text: str) -> float | None:
    """Return the bytes of a size such as `20GB`, `1.5 GiB` or `300`; None if the text is no size. Case is ignored.

    A number that no disk can have is no size.
    """
    import re

    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", text.strip().lower())
    if match is None:
        return None
    power = " kmgt".index(match[2] or " ")
    found = float(match[1]) * float((1024 if match[3] else 1000) ** power)
    return found if found <= _LARGEST_BYTES else None


_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


def parse_age(text: str) -> float | None:
    """Return the seconds of a time such as `12h`, `30d` or `8w`; None if the text is no such time, or too long."""
    import re

    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw])", text.strip().lower())
    found = float(match[1]) * _SECONDS[match[2]] if match else None
    return found if found is not None and found <= _LONGEST_SECONDS else None


def duration(seconds: float) -> str:
    """Return a time in its largest fitting unit: `1 day`, `12 hours`, `40 minutes`."""
    for name, unit, smaller in (("day", 86_400, 3600), ("hour", 3600, 60), ("minute", 60, 1)):
        if round(seconds / smaller) * smaller >= unit:  # 3599 seconds are an hour, not 60 minutes
            return count(round(seconds / unit), name)
    return count(round(seconds), "second")


def day(seconds: float) -> str:
    """Return the local date, `2026-03-14`, of seconds since 1970; empty for 0."""
    return _local("%Y-%m-%d", seconds) if seconds else ""


def moment(seconds: float) -> str:
    """Return the local date and time, `2026-03-14 09:26`, of seconds since 1970."""
    return _local("%Y-%m-%d %H:%M", seconds)


def _local(form: str, seconds: float) -> str:
    """Return a local time in this form. Empty if no calendar has the time: a file can have such a time."""
    import time

    try:
        return time.strftime(form, time.localtime(seconds))
    except (OverflowError, OSError, ValueError):
        return ""


def count(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun: `1 entry`, `1,200 entries`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed(names: Sequence[str], most: int = 3) -> str:
    """Return the first names of a list, and how many more there are: `a, b, c and 4 more`."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")
