"""Which projects are asked about with settings of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from pepip.environment.purposes import PROJECT, Purpose
from pepip.operations.audit import pins
from pepip.operations.census import OK, KnownVenv
from pepip.store.registry_file import Registration

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "is_own"),
    [
        ('[[tool.uv.index]]\nurl = "x"', True),
        ("[tool.uv]", True),
        ('[ "tool" . "uv" ]', True),
        ('tool.uv.index-url = "x"', True),
        ('[tool]\nuv.index-url = "x"', True),
        ('tool = {uv = {index-url = "x"}}', True),
        ('["\\u0074ool".uv]', True),
        ('[project]\ndependencies = ["uvicorn"]\n[tool.ruff]', False),
        ("", False),
    ],
)
def test_a_project_with_settings_of_uv_is_asked_about_with_them(tmp_path: Path, text: str, is_own: bool) -> None:
    """A folder above may have them, too. Every spelling of the table counts."""
    project = tmp_path / "app" / "inner"
    project.mkdir(parents=True)
    (tmp_path / "app" / "pyproject.toml").write_text(text)
    registration = Registration("", f"{project}/.venv", str(project), 0, "", ())
    known = KnownVenv(
        f"{project}/.venv", str(project), "3.12.1", OK, "", (), frozenset(), registration, Purpose(PROJECT)
    )

    assert pins._folder_of_settings(known) == (str(tmp_path / "app") if is_own else "")
