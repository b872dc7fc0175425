"""The id of an environment: a random number in a file of the environment, which does not depend on its path.

Two containers, machines or disks may have different environments at the same path. A copy of an environment has the
same id as the original.
"""

from __future__ import annotations

import contextlib
import os

from pepip import paths
from pepip.host import files


def ensure(root: str) -> None:
    """Give the environment at `root` an id if it has none. If the id can't be written, the environment has none."""
    path = paths.environment_id(root)
    if os.path.lexists(path):
        if files.read_id(path):
            return
        with contextlib.suppress(OSError):
            os.unlink(path)  # another program's file: it holds no id
    with contextlib.suppress(OSError):
        files.create(path, os.urandom(files.ID_BYTES).hex().encode(), mode=0o644)


def forget(root: str) -> None:
    """Remove the id of the environment at `root`. A failure is ignored."""
    with contextlib.suppress(OSError):
        os.unlink(paths.environment_id(root))
