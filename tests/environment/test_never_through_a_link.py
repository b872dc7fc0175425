"""No command of pepip changes the store through a folder that an environment links whole.

If root runs `uv pip install`, uv follows such a link and writes into the store. A plain user's uv is refused half
way. After either, pepip trusts the files on disk and not the metadata.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.machines import Machine
from tests.support.snapshots import Snapshot, changes, snapshot
from tests.support.wheels import Wheel

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


class Band:
    """Two projects of one user that link drum. In the first one, uv was told to install stick."""

    def __init__(self, user: Machine, folder: Path, interpreter: Path, stick: Wheel) -> None:
        self.user = user
        self.first, self.second = (user.make_folder(folder / name) for name in ("first", "second"))
        wheelhouse = folder / "wheels"
        for wheel in (DRUM, DRUM_TWO, stick, HORN):
            wheel.write(wheelhouse)
        self.source = ("--no-index", "--find-links", wheelhouse)
        for project in (self.first, self.second):
            user.pepip("install", "drum==1.0", *self.source, "--python", interpreter, folder=project)
        self.before = self.drum()
        self.uv("install", "stick", check=False)

    def pepip(self, *arguments: str | Path) -> str:
        """Run pepip in the first project."""
        return self.user.pepip(*arguments, folder=self.first).stderr

    def sync(self) -> str:
        """Sync the first project to drum alone."""
        (self.first / "requirements.txt").write_text("drum==1.0\n")
        return self.pepip("pip", "sync", "requirements.txt", *self.source)

    def uv(self, *arguments: str | Path, check: bool = True) -> None:
        """Run a command of uv's pip interface in the first project."""
        source = self.source if arguments[0] == "install" else ()
        self.user.uv("pip", *arguments, *source, folder=self.first, check=check)

    def drum(self) -> Snapshot:
        """Return the files of the stored drum, without bytecode and without the files that another tool added."""
        entry = next((self.user.store / "packages").glob("*/drum-1.0*"))
        kept = {f"drum/{name}" for name in ("", "__init__.py", "skin.py", "kit", "kit/__init__.py", "kit/snare.py")}
        return {path: node for path, node in snapshot(entry).items() if str(path) in kept}

    def assert_drum_is_whole(self, *projects: Path) -> None:
        """Assert that the store has every file of drum, and that the projects can import all of it."""
        assert [line for line in changes(self.before, self.drum()) if not line.startswith("changed: drum")] == []
        for project in projects:
            modules = "import drum.skin, drum.kit.snare"
            self.user.python(project / ".venv", "-c", modules)


@pytest.fixture(params=STICKS)
def band(request: pytest.FixtureRequest, user: Machine, tmp_path: Path, interpreter: Path) -> Band:
    """Return the projects: once of root, once of a plain user."""
    stick = Wheel("stick", "1.0", files=STICKS[request.param])
    return Band(user, user.make_folder(tmp_path / "band"), interpreter, stick)


STEPS: dict[str, Callable[[Band], object]] = {
    "install": lambda band: band.pepip("install", "horn", *band.source),
    "install again": lambda band: [band.pepip("install", "horn", *band.source) for _ in range(2)],
    "reinstall": lambda band: band.pepip("install", "--reinstall", "drum==1.0", *band.source),
    "uninstall the other": lambda band: band.pepip("uninstall", "stick"),
    "upgrade": lambda band: band.pepip("install", "drum==2.0", *band.source),
    "uninstall": lambda band: band.pepip("uninstall", "drum", "stick"),
    "the other by uv, then install": lambda band: [
        band.uv("uninstall", "stick"),
        band.pepip("install", "horn", *band.source),
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
