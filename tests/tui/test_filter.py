"""The filter line of `pepip ui`: words and facets."""

from __future__ import annotations

import time

import pytest

from pepip.errors import UsageError
from pepip.tui import filtering, formatting, user_input
from pepip.tui.filtering import Facts

TORCH = Facts(
    "torch",
    "2.9.1+cu128",
    "cp312 linux",
    1_700_000_000,
    {"used"},
    ["/home/a/code/api/.venv"],
    "torch 2.9.1+cu128 cp312",
    {"project", "tool"},
    stored_at=int(time.time() - 200 * 86_400),
    used_at=int(time.time() - 100 * 86_400),
)
NOW = int(time.time())
IDNA = Facts("idna", "3.11", "any", 400_000, {"unused"}, [], "idna 3.11 any", stored_at=NOW, used_at=NOW)


@pytest.mark.parametrize(
    ("line", "holds"),
    [
        ("", (True, True)),
        ("TORCH", (True, False)),
        ("tor cp312", (True, False)),
        ("-torch", (False, True)),
        (">1GB", (True, False)),
        (">=400kB <1MB", (False, True)),
        ("<1gib", (False, True)),
        ("unused:", (False, True)),
        ("orphan:", (False, True)),
        ("used: project:API", (True, False)),
        ("project:billing", (False, False)),
        ("project:", (True, True)),
        ("python:any", (False, True)),
        ("kind:tool", (True, False)),
        ("kind:to kind:script", (False, False)),
        ("layer:", (False, False)),
        ("version:3.1 name:idn", (False, True)),
        ("[/] [socks]", (False, False)),
        ("> - <", (True, True)),
        ("idle:>90d", (True, False)),
        ("idle:>15w", (False, False)),
        ("idle:<1d", (False, True)),
        ("stored:<7d", (False, True)),
        ("stored:>7d idle:<101d", (True, False)),
        ("stored:>7d stored:<150d", (False, False)),
        ("idle: stored:> idle:>9", (True, True)),
    ],
)
def test_a_line_lets_matching_entries_through(line: str, holds: tuple[bool, bool]) -> None:
    """Every word and facet of a line must match. A half-typed facet matches everything."""
    wanted = filtering.parse(line)

    assert (wanted.holds(TORCH), wanted.holds(IDNA)) == holds


def test_a_click_adds_and_removes_a_facet() -> None:
    """A click on a facet adds it to the typed words, and a second click removes it."""
    assert filtering.toggled("torch", "orphan:") == "torch orphan:"
    assert filtering.toggled("torch orphan: x", "orphan:") == "torch x"


def test_a_bar_is_as_long_as_its_share() -> None:
    """A bar is exact to an eighth of a column. A small share is never an empty bar."""
    assert formatting.bar(0.5, 8) == "████"
    assert formatting.bar(0.0001, 8) == "▏"
    assert formatting.bar(0, 8) == ""
    assert formatting.bar(7, 3) == "███"


def test_growth_is_a_sum_over_time() -> None:
    """The sum ends at the total, in whichever order the steps come. Steps at one time count as one."""
    assert formatting.growth([(30, 1), (10, 3), (20, 4)], 3) == "▃▇█"
    assert formatting.growth([(10, 5)], 2) == "██"


def test_requirements_are_read_as_a_shell_would() -> None:
    """Quotes, extras and files are understood. Options of other commands are refused."""
    request, words = user_input.requirements("'numpy<2' requests[socks] -r dev.txt -e . -U")

    assert request.packages == ("numpy<2", "requests[socks]")
    assert request.requirement_files == ("dev.txt",)
    assert request.editables == (".",)
    assert request.resolver_options == ("--upgrade",)
    assert words[0] == "numpy<2"
    for line in ("", "  ", "-r", "--target x y", "'open"):
        with pytest.raises(UsageError):
            user_input.requirements(line)
