"""The identity of an environment: a random number that it carries, whatever its path.

Two containers, machines or disks may have an environment at one path each. A copy of an environment has its number.
"""

from __future__ import annotations

import contextlib
import os

from pepip import paths
from pepip.host import files


def ensure(root: str) -> None:
    """Give the environment at `root` a number if it has none. Where it can't be written it stays without one."""
    path = paths.environment_id(root)
    if os.path.lexists(path):
        if files.read_id(path):
            return
        with contextlib.suppress(OSError):
            os.unlink(path)  # what somebody else put there is no number
    with contextlib.suppress(OSError):
        files.create(path, os.urandom(files.ID_BYTES).hex().encode(), mode=0o644)


def forget(root: str) -> None:
    """Remove the number of the environment at `root`, where this user may."""
    with contextlib.suppress(OSError):
        os.unlink(paths.environment_id(root))
