"""The id of an environment, which several commands want to make at the same moment."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pepip import paths
from pepip.environment import venv_id
from pepip.host import files

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("content", [None, "made by another program\n"])
def test_an_environment_gets_an_id_from_each_of_several_commands(tmp_path: Path, content: str | None) -> None:
    """The first id stays. A file without an id is replaced. Each command reads a whole id, and none leaves a file."""

    def ensure(number: int) -> tuple[int, str]:
        root = os.fspath(tmp_path / f"{number}")
        venv_id.ensure(root)
        return number, files.read_id(paths.environment_id(root))

    for number in range(50):
        (tmp_path / f"{number}").mkdir()
        if content is not None:
            Path(paths.environment_id(os.fspath(tmp_path / f"{number}"))).write_text(content)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(ensure, sorted([*range(50)] * 4)))

    assert all(found_id for _, found_id in found)
    assert content is not None or len(set(found)) == 50
    assert {name for folder in tmp_path.iterdir() for name in os.listdir(folder)} == {".pepip-id"}


def test_no_id_of_another_command_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other command has made the file, and not yet written the id, when this one looks."""
    path = paths.environment_id(os.fspath(tmp_path))
    create = files.create
    found = []

    def create_with_another(place: str, *contents: bytes, mode: int = 0o666) -> None:
        monkeypatch.setattr(files, "create", create)
        create(place, mode=mode)
        venv_id.ensure(os.fspath(tmp_path))
        found.append(files.read_id(path))
        os.unlink(place)
        create(place, *contents, mode=mode)

    monkeypatch.setattr(files, "create", create_with_another)
    venv_id.ensure(os.fspath(tmp_path))

    assert files.read_id(path) == found[0]
