"""The steps of a change, beside other runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from pepip.host import folder_use
from pepip.operations import apply

pytestmark = pytest.mark.unit


def test_an_environment_that_its_maker_removes_is_made_again(tmp_path: Path) -> None:
    """Another run made it, failed and removed it, before this run could mark it as in use."""
    root = tmp_path / ".venv"
    makers = iter(("another run", "this run"))

    def make() -> bool:
        if next(makers) == "another run":
            return False
        root.mkdir()
        (root / "pyvenv.cfg").touch()
        return True

    with apply._made(str(root), make) as made:
        assert made
        assert folder_use.is_in_use(str(root))
    assert root.is_dir()
