"""Projects that share a store, and a user who maintains it: prunes, savings, and the registry."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.machines import Machine, Output, site_packages_of
from tests.support.shelf import with_script
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

STRANGER_ID = 64109
"""The user who owns closed folders when the tests run as root."""

PEPIP_FILE = "pepip-entry.json"


def drum(version: str) -> Wheel:
    """Return a distribution with a package, an inner package, data and a script."""
    return with_script("drum", version, {"drum/skins/__init__.py": ""}, data={"data/share/drum/manual.txt": version})


WHEELS = [
    drum("1.0"),
    drum("2.0"),
    Wheel("horn", "1.0", files={"horn/__init__.py": "", "horn/sound.bin": bytes(range(256)) * 400}),
    Wheel("Big_Bell", "1.0", files={"big_bell/__init__.py": "", "big_bell/sound.bin": bytes(range(256)) * 1600}),
    Wheel("wind-one", "1.0", files={"wind/one/__init__.py": ""}),
    Wheel("wind-two", "1.0", files={"wind/two/__init__.py": ""}),
    Wheel("band", "1.0", files={"band/__init__.py": "", "band/members.py": "NAMES = []\n" * 1000}),
    Wheel("band-guests", "1.0", files={"band/guests.py": "NAMES = []\n" * 1000}),
]
"""Packages, namespaces, and two distributions that share a folder (`band`), whose files become hard links."""


@dataclass(frozen=True)
class Keeper(Workbench):
    """A user who maintains the store of a workbench. Commands run in the folder of all projects."""

    name: str | Path = "."

    @classmethod
    def settle(cls, machine: Machine, folder: Path, wheelhouse: Path, interpreter: Path) -> Keeper:
        """Write all wheels into the wheelhouse, and return the user."""
        keeper = cls(machine, folder, wheelhouse, interpreter)
        keeper.supply(WHEELS)
        return keeper

    def preview(self, *arguments: str | Path) -> Any:
        """Return the JSON document of a prune's dry run."""
        return self.ask("prune", "--dry-run", *arguments)

    def prune(self, *arguments: str | Path) -> Any:
        """Prune without a question, and return the JSON document."""
        return self.ask("prune", "--yes", *arguments)

    def prune_in_words(self, *arguments: str | Path, check: bool = True) -> Output:
        """Prune without a question, and return the text output."""
        return self.pepip("prune", "--yes", *arguments, check=check)

    def age(self, name: str, days: float) -> None:
        """Make an entry look as if it was stored and last linked this number of days ago."""
        path = self.entry(name) / PEPIP_FILE
        then = time.time() - days * 86_400
        document = json.loads(path.read_text())
        document["stored_at"] = int(then)
        mode = path.stat().st_mode
        path.chmod(0o600)
        path.write_text(json.dumps(document))
        path.chmod(mode)
        os.utime(path, (then, then))

    def registry_file(self, environment: Path) -> Path:
        """Return the registration of an environment."""
        (found,) = [
            path
            for path in (self.store / "projects").glob("*.json")
            if json.loads(path.read_text())["environment"] == str(environment)
        ]
        return found

    def run_drum(self, environment: Path) -> str:
        """Import drum in an environment, run its script, and return the script's output.

        The environment's interpreter runs the script, because the script's first line may name an old path of a moved
        environment.
        """
        self.machine.python(environment, "-c", "import drum.skins")
        assert (environment / "share" / "drum" / "manual.txt").read_text()
        return self.machine.python(environment, environment / "bin" / "drum").stdout.strip()


def names_of(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return `<name>-<version>` of each row, as in the names of entries."""
    return [f"{row['name']}-{row['version']}" for row in rows]


def dangling_links(environment: Path) -> list[str]:
    """Return the paths of all dangling links in an environment."""
    return [
        path
        for folder, folders, names in os.walk(environment)
        for path in (f"{folder}/{name}" for name in [*folders, *names])
        if os.path.islink(path) and not os.path.exists(path)
    ]


def without_metadata(environment: Path, stem: str) -> Path:
    """Remove a distribution's `.dist-info` folder, and return site-packages."""
    site_packages = site_packages_of(environment)
    shutil.rmtree(site_packages / f"{stem}.dist-info")
    return site_packages


def leave_only_hard_links(environment: Path, *stems: str) -> None:
    """Remove the `.dist-info` folders of distributions, and all symbolic links into the store."""
    for stem in stems:
        without_metadata(environment, stem)
    for path in [path for path in environment.rglob("*") if path.is_symlink() and "packages" in os.readlink(path)]:
        path.unlink()


def close(folder: Path) -> None:
    """Close a folder to commands with `stranger_prefix`: to root in a user namespace, or to this user."""
    if os.geteuid() == 0:
        os.chown(folder, STRANGER_ID, STRANGER_ID)
        folder.chmod(0o700)
    else:
        folder.chmod(0)


def stranger_prefix() -> tuple[str, ...]:
    """Return the words that run a command as a user who can't open closed folders.

    If the tests run as root, the command runs as root in a user namespace that maps no other user. There root has no
    power over other users' files, as on NFS, but can still start an interpreter that only root may reach. Skips the
    test if such namespaces are not allowed.
    """
    if os.geteuid() != 0:
        return ()
    unshare = shutil.which("unshare")
    prefix = (unshare or "unshare", "--user", "--map-root-user")
    if unshare is None or subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip(
            "a user without root's power over others' files needs user namespaces, which are not allowed here"
        )
    return prefix


def free_bytes(folder: Path) -> int:
    """Sync the file system that holds `folder`, and return its free bytes."""
    subprocess.run(["sync", "--file-system", folder], check=True)
    status = os.statvfs(folder)
    return status.f_bfree * status.f_frsize
