"""The choice of one wheel among the wheels of a version. `tests/differential/test_choices.py` compares with uv."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pepip.uv import wheel_choice

pytestmark = pytest.mark.unit

RANK = {"cp312-cp312-linux_x86_64": 0, "cp312-abi3-linux_x86_64": 1, "py3-none-any": 2, "py2-none-any": 3}
NAMES = st.builds(
    lambda build, tag: f"ink-1.0-{build}{tag}.whl",
    st.sampled_from(["", "1-", "2-", "10-", "2a-", "2b-"]),
    st.sampled_from([*RANK, "cp311-cp311-linux_x86_64", "py2.py3-none-any", "py3-none-any-cu12"]),
)


def chosen(*file_names: str) -> str | None:
    """Return the chosen file name, or None."""
    position = wheel_choice.best(file_names, RANK)
    return None if position is None else file_names[position]


def test_the_most_specific_tag_wins_over_any_build_number() -> None:
    """The interpreter's order of tags decides first."""
    names = ["ink-1.0-9-py3-none-any.whl", "ink-1.0-cp312-cp312-linux_x86_64.whl"]

    assert chosen(*names) == names[1]


def test_a_build_number_counts_as_a_number() -> None:
    """10 is more than 2. A wheel without a number counts as less than any number."""
    assert chosen(*(f"ink-1.0-{build}py3-none-any.whl" for build in ("", "2-", "10-", "1-"))) == (
        "ink-1.0-10-py3-none-any.whl"
    )


def test_the_rest_of_a_build_tag_counts_as_text() -> None:
    """`2b` is more than `2a`, and `2a` is more than `2`."""
    assert chosen(*(f"ink-1.0-{build}-py3-none-any.whl" for build in ("2b", "2", "2a"))) == (
        "ink-1.0-2b-py3-none-any.whl"
    )


def test_a_variant_and_a_file_that_is_no_wheel_are_passed_over() -> None:
    """Only uv knows which variant fits a machine."""
    assert chosen("ink-1.0-py3-none-any-cu12.whl", "ink-1.0.tar.gz", "ink.whl") is None
    assert chosen("ink-1.0-py3-none-any-cu12.whl", "ink-1.0-py2.py3-none-any.whl") == "ink-1.0-py2.py3-none-any.whl"


@given(st.lists(NAMES, min_size=1, max_size=6))
def test_the_order_of_the_list_decides_only_between_equals(names: list[str]) -> None:
    """Equals are two wheels with the same tag and build number."""
    forward, backward = chosen(*names), chosen(*reversed(names))

    if forward != backward:
        assert forward is not None
        assert backward is not None
        assert order_of(forward) == order_of(backward)


def order_of(name: str) -> tuple[int, str]:
    """Return the best rank of a file name's tags, and its build tag."""
    parts = name.removesuffix(".whl").split("-")
    pythons = parts[-3].split(".")
    place = min(RANK[tag] for python in pythons if (tag := f"{python}-{parts[-2]}-{parts[-1]}") in RANK)
    return place, parts[2] if len(parts) == 6 else ""
