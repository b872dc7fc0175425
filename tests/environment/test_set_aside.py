"""Files that a change sets aside come back to their places if the change is taken back."""

from __future__ import annotations

import os

from pepip.environment import set_aside
from pepip.operations import venvs
from pepip.store.root import Store
from tests.support.shelf import camera
from tests.support.snapshots import changes, snapshot
from tests.support.workbench import Workbench


def test_scripts_come_back_into_a_folder_that_is_a_link(workbench: Workbench) -> None:
    """The owner moved the folder of scripts, and linked it: installers follow such a link, and so does the return."""
    workbench.supply([camera()])
    workbench.install("camera")
    root, scripts = workbench.environment, workbench.environment / "programs"
    (root / "bin").rename(scripts)
    (root / "bin").symlink_to(scripts)
    store = Store(os.fspath(workbench.store))
    environment = venvs.open_environment(os.fspath(root), store)
    before = snapshot(scripts)

    for name in ("camera", "camera-shell"):
        assert set_aside.put(os.fspath(root), f"bin/{name}")
    set_aside.restore(environment, store.known_roots)

    assert changes(before, snapshot(scripts)) == []
