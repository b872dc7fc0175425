"""The removal of a tree while another process changes it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pepip.host import filesystems

pytestmark = pytest.mark.unit


def test_a_tree_is_removed_although_a_file_of_it_vanishes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python gives new bytecode its final name after the folder was listed. All the rest is removed."""
    tree = tmp_path / "tree"
    (tree / "folder").mkdir(parents=True)
    names = {"module.pyc.1", "other.py"}
    for folder in (tree, tree / "folder"):
        for name in names:
            (folder / name).touch()
    unlink = os.unlink

    def remove(name: str, *, dir_fd: int | None = None) -> None:
        if name == "module.pyc.1":
            unlink(name, dir_fd=dir_fd)
        unlink(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", remove)
    filesystems.remove_tree(os.fspath(tree))

    assert not tree.exists()
