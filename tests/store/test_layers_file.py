"""The layers that a store names."""

from __future__ import annotations

from pathlib import Path

import pytest

from pepip.store import layers

pytestmark = pytest.mark.unit


def test_a_file_of_layers_that_is_too_long_names_none(tmp_path: Path) -> None:
    """A path that is cut at the limit would name another folder as a layer."""
    (tmp_path / "layers").write_text("".join(f"/site/{number:08}/a/long/path/of/a/layer\n" for number in range(2000)))

    assert layers.named({}, str(tmp_path)) == ()


def test_a_file_of_layers_is_read_whole(tmp_path: Path) -> None:
    """All lines up to the limit count, in their order."""
    wanted = [f"/site/{number:08}/layer" for number in range(2000)]
    (tmp_path / "layers").write_text("\n".join(wanted))

    assert layers.named({}, str(tmp_path)) == tuple(wanted)
