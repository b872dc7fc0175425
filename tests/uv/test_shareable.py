"""The artifacts that may be shared. `tests/differential/test_builds.py` compares with uv."""

from __future__ import annotations

from pathlib import Path

import pytest

from pepip.model import Artifact
from pepip.uv import shareable
from pepip.uv.request import Request

pytestmark = pytest.mark.unit

COMMIT = Artifact("kit", "", "git:1234@cp312", {"vcs": {"url": "https://example.org/kit"}}, "", 0, None, "")
SOURCES = '[tool.uv.sources]\nkit = {{ git = "https://example.org/kit"{} }}\n'


@pytest.mark.parametrize(("more", "is_shared"), [("", True), (", lfs = true", False)])
def test_large_files_of_a_named_project_are_not_shared(tmp_path: Path, more: str, is_shared: bool) -> None:
    """The project may be in another folder, where uv reads no settings."""
    (tmp_path / "pyproject.toml").write_text(SOURCES.format(more))
    request = Request(requirement_files=(str(tmp_path / "pyproject.toml"),))

    assert shareable.shareable(request, [COMMIT])[0].is_shared is is_shared


@pytest.mark.parametrize(("more", "is_shared"), [("", True), (", lfs = true", False)])
def test_large_files_of_a_local_folder_are_not_shared(tmp_path: Path, more: str, is_shared: bool) -> None:
    """A folder that the request needs may have its own sources."""
    (tmp_path / "pyproject.toml").write_text(SOURCES.format(more))
    folder = Artifact("app", "1.0", "", {"directory": {"path": str(tmp_path)}}, "", 0, None, "")

    assert shareable.shareable(Request(packages=(str(tmp_path),)), [folder, COMMIT])[1].is_shared is is_shared
