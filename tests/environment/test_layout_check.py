"""Folders of metadata are read again only if they changed."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from pepip.environment import layout_check
from pepip.errors import VenvError
from pepip.model import StoreRoots

pytestmark = [pytest.mark.unit, pytest.mark.skipif(os.name != "posix", reason="makes links and pipes")]


def test_only_changed_folders_are_read_again(tmp_path: Path) -> None:
    """A pipe in a known folder is noticed. A folder that changed just now does not become known."""
    store, root = tmp_path / "store", tmp_path / ".venv"
    site_packages = root / "lib" / "python3.12" / "site-packages"
    for name in ("drum", "horn"):
        folder = site_packages / f"{name}-1.0.dist-info"
        folder.mkdir(parents=True)
        metadata = store / "packages" / "py3-none-any" / f"{name}-1.0" / folder.name / "METADATA"
        metadata.parent.mkdir(parents=True)
        metadata.touch()
        (folder / "METADATA").symlink_to(metadata)
        (folder / "RECORD").touch()
    (site_packages / "horn-1.0.dist-info" / "direct_url.json").symlink_to("/dev/null")
    roots = StoreRoots((str(store),))
    with pytest.raises(VenvError, match=r"direct_url\.json is no file"):
        layout_check.check(str(root), roots)
    (site_packages / "horn-1.0.dist-info" / "direct_url.json").unlink()
    (site_packages / "horn-1.0.dist-info" / "direct_url.json").symlink_to(tmp_path / "origin")

    fresh = layout_check.check(str(root), roots)
    time.sleep(2.1)
    known = layout_check.check(str(root), roots)
    shutil.rmtree(store)  # so that a folder which is read again is no lasting one
    again = layout_check.check(str(root), StoreRoots(("/nowhere",)), known)
    os.mkfifo(site_packages / "drum-1.0.dist-info" / "entry_points.txt")

    assert fresh == set()
    assert len(known) == 1  # the link of horn leads out of the store
    assert again == known
    with pytest.raises(VenvError, match=r"entry_points\.txt is no file"):
        layout_check.check(str(root), roots, known)
