"""Sizes as people read them, from a byte to petabytes, and below zero where sharing has cost something."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pepip import humanized

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("size_bytes", "shown"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (12_400_000, "12.4 MB"),
        (2_600_000_000, "2.6 GB"),
        (3_000_000_000_000_000, "3.0 PB"),
        (-1, "-1 B"),
        (-172_032, "-172.0 kB"),
    ],
)
def test_sizes_are_rounded_to_the_unit_that_fits(size_bytes: int, shown: str) -> None:
    """Rounding never leaves a thousand of one unit where one of the next is meant."""
    assert humanized.size(size_bytes) == shown


UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "PB": 10**15}


@given(st.integers(-(10**15), 10**15))
@example(999_950)
@example(999_949_999)
def test_a_size_is_shown_to_three_digits_and_more(size_bytes: int) -> None:
    """It is off by half of its last digit at most, and its number is below a thousand where a larger unit is left."""
    number, unit = humanized.size(size_bytes).split(" ")

    assert abs(float(number) * UNITS[unit] - size_bytes) <= (UNITS[unit] * 0.0501 if UNITS[unit] > 1 else 0)
    assert abs(float(number)) < 1000


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
    """In the singular for one alone."""
    assert humanized.count(number, *words) == shown


@pytest.mark.parametrize(
    ("names", "shown"), [(["a"], "a"), (["a", "b", "c"], "a, b, c"), (["a", "b", "c", "d"], "a, b, c and 1 more")]
)
def test_a_long_list_ends_with_how_many_more_there_are(names: list[str], shown: str) -> None:
    """Three names are enough for a line."""
    assert humanized.listed(names) == shown


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("300", 300), ("20GB", 20e9), ("1.5 GiB", 1.5 * 2**30), ("8k", 8000), ("2TB", 2e12), ("x", None), ("", None)],
)
def test_sizes_are_read_as_people_write_them(text: str, size_bytes: float | None) -> None:
    """Units of 1000, or of 1024 with an `i`."""
    assert humanized.parse_size(text) == size_bytes


@pytest.mark.parametrize("digits", [20, 30, 400])
def test_a_size_or_age_without_bounds_is_none(digits: int) -> None:
    """No disk has that many bytes, and no calendar the day after so many seconds."""
    number = "9" * digits

    assert humanized.parse_size(f"{number}GB") is None
    assert humanized.parse_age(f"{number}w") is None
    assert humanized.parse_size("4EB") is None
    assert humanized.parse_size("20GB") == 20e9
    assert humanized.parse_age("8w") == 8 * 7 * 86_400


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 seconds"),
        (59.4, "59 seconds"),
        (59.6, "1 minute"),
        (3569, "59 minutes"),
        (3599, "1 hour"),
        (86_399, "1 day"),
        (36 * 3600, "2 days"),
    ],
)
def test_durations_are_rounded_to_the_unit_that_fits(seconds: float, shown: str) -> None:
    """Rounding never leaves 60 minutes where an hour is meant."""
    assert humanized.duration(seconds) == shown
