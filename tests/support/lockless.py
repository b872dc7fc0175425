"""File systems whose locks fail: a library that is preloaded fails them below one folder. See `lockless.c`."""

from __future__ import annotations

import atexit
import errno
import functools
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

_SOURCE = Path(__file__).with_name("lockless.c")


@dataclass(frozen=True)
class Way:
    """One way in which locks fail, and the locks that are left, as `pepip doctor` names them."""

    name: str
    flock: int
    posix: int
    left: str

    def variables(self, folder: Path) -> dict[str, str]:
        """Return the variables with which locks fail in this way below `folder`. Skips a test without a compiler."""
        found = {"LD_PRELOAD": str(_library()), "LOCKLESS_FOLDER": str(folder)}
        if self.flock:
            found["LOCKLESS_FLOCK"] = str(self.flock)
        if self.posix:
            found["LOCKLESS_POSIX"] = str(self.posix)
        return found

    def __str__(self) -> str:
        """Return the name, for the names of tests."""
        return self.name


WAYS = (
    Way("ENOSYS, POSIX locks", errno.ENOSYS, 0, "POSIX locks"),
    Way("ENOSYS, no locks", errno.ENOSYS, errno.ENOSYS, "lock folders"),
    Way("ENOLCK, POSIX locks", errno.ENOLCK, 0, "POSIX locks"),
    Way("ENOLCK, no locks", errno.ENOLCK, errno.ENOLCK, "lock folders"),
    Way("EBADF for reading", errno.EBADF, 0, "flock"),
)


@functools.cache
def _library() -> Path:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("locks that fail need a C compiler, `cc`, which is missing")
    folder = tempfile.mkdtemp(prefix="lockless-")
    Path(folder).chmod(0o755)
    atexit.register(shutil.rmtree, folder)
    library = Path(folder) / "lockless.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(_SOURCE), "-ldl"]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"locks that fail are made for glibc: {made.stderr.strip()[:200]}")
    return library
