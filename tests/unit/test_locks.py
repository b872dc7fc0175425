"""On a file system without locks, no process holds a lock."""

from __future__ import annotations

import errno
import fcntl
from pathlib import Path

import pytest

from pepip.host import locks


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EBADF, errno.ENOLCK, errno.EOPNOTSUPP])
def test_where_there_are_no_locks_nobody_holds_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """A process that wants a lock continues without it, and knows that.

    The system's refusal is simulated, because no file system without locks can be mounted here.
    """
    path = tmp_path / "lock"
    path.touch()

    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(number, "no locks")

    monkeypatch.setattr(fcntl, "flock", refuse)

    assert not locks.is_held(str(path))
    with locks.held(str(path)) as is_locked:
        assert not is_locked
    with locks.free(str(path)) as is_free:
        assert not is_free  # another process may hold it, so its file stays
    assert path.exists()


def test_a_lock_of_another_is_held(tmp_path: Path) -> None:
    """It is held until the other process's file is closed."""
    path = tmp_path / "lock"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert locks.is_held(str(path))

    assert not locks.is_held(str(path))
