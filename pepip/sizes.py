"""Sizes and counts for people.

Written by hand: the last line of each install needs them, and a library takes longer to load.
"""

from __future__ import annotations


def human(size_bytes: int) -> str:
    """Return a size in powers of 1000, as file managers show it: `12.4 MB`; a negative one as `-172.0 kB`."""
    if size_bytes < 0:
        return f"-{human(-size_bytes)}"
    if size_bytes < 1000:
        return f"{size_bytes} Byte{'' if size_bytes == 1 else 's'}"
    size, units = size_bytes / 1000, iter(("kB", "MB", "GB", "TB"))
    unit = next(units)
    while round(size, 1) >= 1000 and (larger := next(units, "")):
        size, unit = size / 1000, larger
    return f"{size:.1f} {unit}"


def count(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun: `1 entry`, `1,200 entries`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
