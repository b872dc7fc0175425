"""File systems whose locks fail: a library that is preloaded fails them below one folder. See `lockless.c`."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from pathlib import Path

from tests.support import preloading


@dataclass(frozen=True)
class Way:
    """One way in which locks fail, and the locks that are left, as `pepip doctor` names them."""

    name: str
    flock: int
    posix: int
    left: str

    def variables(self, folder: Path) -> dict[str, str]:
        """Return the variables with which locks fail in this way below `folder`. Skips a test without a compiler."""
        library = preloading.compiled("lockless.c", "locks that fail")
        found = {"LD_PRELOAD": str(library), "LOCKLESS_FOLDER": str(folder)}
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
