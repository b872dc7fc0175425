"""Sizes for people, from bytes to petabytes. A negative size means that sharing costs space."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

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
    """Rounding never shows 1000 of a unit instead of 1 of the next unit."""
    assert sizes.human(size_bytes) == shown


UNITS = {"Byte": 1, "Bytes": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


@given(st.integers(-(10**15), 10**15))
@example(999_950)
@example(999_949_999)
def test_a_size_is_shown_to_three_digits_and_more(size_bytes: int) -> None:
    """The error is at most half of the last digit. The number is below 1000 unless the unit is the largest."""
    number, unit = sizes.human(size_bytes).split(" ")

    assert abs(float(number) * UNITS[unit] - size_bytes) <= (UNITS[unit] * 0.0501 if UNITS[unit] > 1 else 0)
    assert abs(float(number)) < 1000 or unit == "TB"
    assert (unit == "Byte") == (abs(size_bytes) == 1)


@pytest.mark.parametrize(
    ("number", "words", "shown"),
    [
        (0, ("file",), "0 files"),
        (1, ("entry", "entries"), "1 entry"),
        (1200, ("entry", "entries"), "1,200 entries"),
        (1_000_000, ("file",), "1,000,000 files"),
    ],
)
def test_a_count_has_its_noun(number: int, words: tuple[str, ...], shown: str) -> None:
    """The noun is singular only for 1."""
    assert sizes.count(number, *words) == shown
