"""Sizes as people read them, from a byte to petabytes, and below zero where sharing has cost something."""

from __future__ import annotations

import pytest

from pepip import sizes


@pytest.mark.parametrize(
    ("size_bytes", "shown"),
    [
        (0, "0 Bytes"),
        (1, "1 Byte"),
        (999, "999 Bytes"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (12_400_000, "12.4 MB"),
        (2_600_000_000, "2.6 GB"),
        (3_000_000_000_000_000, "3000.0 TB"),
        (-1, "-1 Byte"),
        (-172_032, "-172.0 kB"),
    ],
)
def test_sizes_are_rounded_to_the_unit_that_fits(size_bytes: int, shown: str) -> None:
    """Rounding never leaves a thousand of one unit where one of the next is meant."""
    assert sizes.human(size_bytes) == shown
