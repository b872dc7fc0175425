"""The look at the files that uv and Python read: a folder of metadata that has not changed is not listed again."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pepip.environment import layout_check
from pepip.errors import VenvError
from pepip.model import StoreRoots

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a folder has no time there that only changes set")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder of metadata in an environment. Its changes count as old at once."""
    monkeypatch.setattr(layout_check, "_LAG_NS", -(10**12))
    found = tmp_path / "venv/lib/python3.12/site-packages/drum-1.0.dist-info"
    found.mkdir(parents=True)
    (tmp_path / "store/packages/py3-none-any/drum-1.0").mkdir(parents=True)
    (found / "RECORD").touch()
    (found / "METADATA").symlink_to(tmp_path / "store/packages/py3-none-any/drum-1.0/METADATA")
    yield found
    layout_check._sound.clear()


def check(folder: Path) -> None:
    """Look at the environment."""
    root = folder.parents[3]
    layout_check.check(str(root), StoreRoots((str(root.parent / "store"),)))


def test_a_pipe_that_replaces_a_file_later_is_found(folder: Path) -> None:
    """Although the folder was sound before."""
    check(folder)
    assert list(layout_check.sound(str(folder.parents[3]))) == [str(folder)]
    status = folder.stat()
    (folder / "RECORD").unlink()
    os.mkfifo(folder / "RECORD")
    os.utime(folder, ns=(status.st_atime_ns, status.st_mtime_ns))  # whoever put it there may set this time

    with pytest.raises(VenvError, match="RECORD is no file"):
        check(folder)


def test_a_link_that_leads_elsewhere_is_followed_each_time(folder: Path, tmp_path: Path) -> None:
    """Its target may become a pipe, and the folder shows nothing of that."""
    (tmp_path / "elsewhere").touch()
    (folder / "LICENSE").symlink_to(tmp_path / "elsewhere")
    check(folder)
    (tmp_path / "elsewhere").unlink()
    os.mkfifo(tmp_path / "elsewhere")

    with pytest.raises(VenvError, match="LICENSE is no file"):
        check(folder)


def test_a_folder_that_changed_just_now_is_listed_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system may give the next change the same time."""
    monkeypatch.setattr(layout_check, "_LAG_NS", 2 * 10**9)
    check(folder)

    assert not layout_check.sound(str(folder.parents[3]))


def test_a_sound_folder_is_listed_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first look of a later run recalls what an earlier one found."""
    check(folder)
    states = layout_check.sound(str(folder.parents[3]))
    listed: list[str] = []
    scan = layout_check._children
    monkeypatch.setattr(layout_check, "_children", lambda path: listed.append(path) or scan(path))
    layout_check._sound.clear()
    layout_check.recall(states)

    check(folder)

    assert listed == [str(folder.parent)]
