"""What is printed of errors that the operating system reports."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from pepip.cli import output

pytestmark = pytest.mark.unit


def test_an_error_in_a_layer_names_the_layer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A layer may go away while its entries are linked. Other paths get no such hint."""
    monkeypatch.setenv("PEPIP_HOME", f"{tmp_path}/own")
    monkeypatch.setenv("PEPIP_LAYERS", f"{tmp_path}/first:{tmp_path}/second")
    inside = f"{tmp_path}/second/packages/py3-none-any/horn-1.0/horn"

    codes = [
        output.fail_in_system(OSError(errno.EIO, "Input/output error", path))
        for path in (inside, f"{tmp_path}/own/packages", f"{tmp_path}/second-hand")
    ]

    lines = capsys.readouterr().err.splitlines()
    assert codes == [1, 1, 1]
    assert lines[:2] == [
        f"error: Input/output error: {inside}",
        f"hint: it lies in the layer {tmp_path}/second: make that available, or `pepip store repair` stores its "
        "packages in your own store",
    ]
    assert len(lines) == 4
