"""No command of pepip changes the store through a folder that an environment links whole.

If root runs `uv pip install`, uv follows such a link and writes into the store. A plain user's uv is refused half
way. After either, pepip trusts the files on disk and not the metadata.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.machines import Machine
from tests.support.snapshots import Snapshot, changes, snapshot
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

DRUM_FILES = {
    "drum/__init__.py": "from drum import skin\n",
    "drum/skin.py": "",
    "drum/kit/__init__.py": "",
    "drum/kit/snare.py": "",
}
DRUM = Wheel("drum", "1.0", files=DRUM_FILES)
DRUM_TWO = Wheel("drum", "2.0", files=DRUM_FILES)
STICKS = {
    "beside the modules": {"drum/stick.py": "", "drum/kit/brush.py": "", "stick.py": ""},
    "deep inside": {"drum/kit/brush.py": ""},
}
"""The files of stick, by their places in drum's package."""
HORN = Wheel("horn", "1.0", files={"horn/__init__.py": ""})


class Band(NamedTuple):
    """Two projects of one user that link drum. In the first one, uv was told to install stick."""

    first: Workbench
    second: Workbench
    before: Snapshot

    def pepip(self, *words: str | Path) -> None:
        """Run pepip in the first project."""
        source = self.first.from_wheelhouse if words[0] == "install" else ()
        self.first.pepip(*words, *source)

    def sync(self) -> None:
        """Sync the first project to drum alone."""
        (self.first.project / "requirements.txt").write_text("drum==1.0\n")
        self.first.pepip("pip", "sync", "requirements.txt", *self.first.from_wheelhouse)

    def assert_drum_is_whole(self, *projects: Workbench) -> None:
        """Assert that the store has every file of drum, and that the projects can import all of it."""
        found = changes(self.before, drum_of(self.first))
        assert [line for line in found if not line.startswith("changed: drum")] == []
        for project in projects:
            project.python("-c", "import drum.skin, drum.kit.snare")


def drum_of(workbench: Workbench) -> Snapshot:
    """Return the files of the stored drum, without bytecode and without the files that another tool added."""
    entry = next((workbench.store / "packages").glob("*/drum-1.0*"))
    kept = {f"drum/{name}" for name in ("", "__init__.py", "skin.py", "kit", "kit/__init__.py", "kit/snare.py")}
    return {path: node for path, node in snapshot(entry).items() if str(path) in kept}


@pytest.fixture(params=STICKS)
def band(request: pytest.FixtureRequest, user: Machine, tmp_path: Path, interpreter: Path) -> Band:
    """Return the projects: once of root, once of a plain user."""
    folder = user.make_folder(tmp_path / "band")
    workbench = Workbench(user, folder, folder / "wheels", interpreter)
    workbench.supply([DRUM, DRUM_TWO, HORN, Wheel("stick", "1.0", files=STICKS[request.param])])
    first, second = workbench.at("first"), workbench.at("second")
    for project in (first, second):
        project.install("drum==1.0")
    before = drum_of(workbench)
    first.uv("pip", "install", "stick", *first.from_wheelhouse, check=False)
    return Band(first, second, before)


STEPS: dict[str, Callable[[Band], object]] = {
    "install": lambda band: band.pepip("install", "horn"),
    "install again": lambda band: [band.pepip("install", "horn") for _ in range(2)],
    "reinstall": lambda band: band.pepip("install", "--reinstall", "drum==1.0"),
    "uninstall the other": lambda band: band.pepip("uninstall", "stick"),
    "upgrade": lambda band: band.pepip("install", "drum==2.0"),
    "uninstall": lambda band: band.pepip("uninstall", "drum", "stick"),
    "the other by uv, then install": lambda band: [
        band.first.uv("pip", "uninstall", "stick"),
        band.pepip("install", "horn"),
    ],
    "sync without the other": lambda band: band.sync(),
}
"""The steps in the first project after uv's install."""


@pytest.mark.every(3)
@pytest.mark.parametrize("name", STEPS)
def test_a_linked_package_stays_whole_when_another_tool_followed_its_link(band: Band, name: str) -> None:
    """The package is whole in the store, in the other project, and in this one."""
    STEPS[name](band)

    band.assert_drum_is_whole(*([band.second] if name == "uninstall" else [band.first, band.second]))
