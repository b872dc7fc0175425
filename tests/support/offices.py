"""A team's store with an attacker, a victim and root, for tests of attacks by one member on others."""

from __future__ import annotations

from pathlib import Path

from tests.support.machines import Machine
from tests.support.teams import Team
from tests.support.wheels import Wheel

DRUM = Wheel(
    "drum",
    "1.0",
    files={"drum/__init__.py": "SOUND = 'boom'\n"},
    entry_points={"console_scripts": {"drum": "drum:SOUND.upper"}},
)
HORN = Wheel("horn", "1.0", files={"horn.py": "", "horn_parts/__init__.py": ""})


class Office:
    """A store that a team shares, an attacker, a victim, and root."""

    def __init__(self, folder: Path, wheelhouse: Path, interpreter: Path, *, trust: str) -> None:
        self.team = Team.assemble(folder, umask="022", trust=trust)
        self.attacker, self.victim = self.team.users
        self.root = Machine(folder / "root", self.team.store, folder / "root-cache")
        self.root.make_folder(self.root.home)
        for wheel in (DRUM, HORN):
            wheel.write(wheelhouse)
        self.source = ("--no-index", "--find-links", wheelhouse, "--python", interpreter)

    @property
    def store(self) -> Path:
        """Return the store."""
        return self.team.store

    def found(self, *trusted: str) -> None:
        """Let root set up the store again. Its members then trust the users or groups in `trusted`."""
        words = [word for name in trusted for word in ("--trust", name)]
        self.root.pepip("store", "init", "--shared", str(self.team.group_id), *words, folder=self.root.home)

    def install(self, user: Machine, *names: str) -> str:
        """Install into a project of a user, and return stderr."""
        folder = user.make_folder(user.home / "app")
        return user.pepip("install", *(names or ("drum",)), *self.source, folder=folder).stderr

    def sound(self, user: Machine) -> str:
        """Return the sound and the file of the `drum` that a user's project imports."""
        return user.python(user.home / "app" / ".venv", "-c", "import drum; print(drum.SOUND, drum.__file__)").stdout

    def entry(self, owner: int, name: str = "drum") -> Path:
        """Return the entry that the user with id `owner` has stored."""
        (found,) = (path for path in self.store.glob(f"packages/*/{name}-1.0*") if path.stat().st_uid == owner)
        return found

    def attack(self, script: str, *, check: bool = True) -> None:
        """Let the attacker run a shell script."""
        self.attacker.run(["sh", "-c", script], folder=self.attacker.home, check=check)


def owner_of(path: str) -> int:
    """Return the user id of the owner of an imported file. `path` is the output of `Office.sound`."""
    return Path(path.split()[-1]).stat().st_uid
