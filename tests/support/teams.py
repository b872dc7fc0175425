"""Two plain users of one group who share a store, set up as a team's administrator does. Needs root."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.machines import Machine, plain_user_prefix

_USER_IDS = (64101, 64102)
_GROUP_ID = 64100


@dataclass(frozen=True)
class Team:
    """Two users who each have a home and a cache, and share one store."""

    users: tuple[Machine, Machine]
    store: Path
    group_id: int

    @classmethod
    def assemble(cls, folder: Path, *, umask: str, trust: str = "members") -> Team:
        """Make the homes and the store below `folder`, as root. Skips the test if the tests do not run as root.

        `trust` is the option of `pepip store init`. If it is empty, root only makes a store folder of mode 2775.
        """
        if os.geteuid() != 0:
            pytest.skip("two users of one machine need root to become them")
        plain_user_prefix()
        store = folder / "store"
        store.mkdir(parents=True)
        os.chown(store, 0, _GROUP_ID)
        store.chmod(0o2775)
        if trust:
            root = Machine(folder, store, folder / "uv-cache")
            root.pepip("store", "init", "--shared", str(_GROUP_ID), "--trust", trust, folder=folder)
        first, second = (cls._user(folder, number, store, umask) for number in range(len(_USER_IDS)))
        return cls((first, second), store, _GROUP_ID)

    @staticmethod
    def _user(folder: Path, number: int, store: Path, umask: str) -> Machine:
        home = folder / f"home{number}"
        home.mkdir()
        os.chown(home, _USER_IDS[number], _GROUP_ID)
        prefix = (
            shutil.which("setpriv") or "setpriv",
            "--securebits=+no_setuid_fixup",  # else access(2) ignores the capability
            f"--reuid={_USER_IDS[number]}",
            f"--regid={_USER_IDS[number]}",
            f"--groups={_GROUP_ID}",
            "--inh-caps=+dac_read_search",
            "--ambient-caps=+dac_read_search",
            "sh", "-c", f'umask {umask}; exec "$@"', "sh",
        )  # fmt: skip
        return _TeamMember(home, store, home / "uv-cache", prefix, user_id=_USER_IDS[number])


@dataclass(frozen=True)
class _TeamMember(Machine):
    """A team member with their own user id."""

    user_id: int = 0

    def give(self, path: Path) -> None:
        """Make this user the owner of `path`."""
        os.chown(path, self.user_id, _GROUP_ID)
