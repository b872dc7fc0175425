"""Locks of every kind: `flock`, POSIX locks of open files, and folders. Where there are none, nobody gets one."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from pepip.host import folder_use, lock_folders, lock_kinds, locks

pytestmark = pytest.mark.unit

REFUSALS = [errno.ENOSYS, errno.EBADF, errno.ENOLCK, errno.EOPNOTSUPP]


def refuse_flock(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let `flock` fail."""

    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(number, "no locks")

    monkeypatch.setattr(fcntl, "flock", refuse)


def refuse_all(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let `flock` fail, and POSIX locks."""
    refuse_flock(monkeypatch, number)
    real = fcntl.fcntl

    def refuse(descriptor: int, command: int, argument: int | bytes = 0) -> int | bytes:
        if command in {fcntl.F_OFD_SETLK, fcntl.F_OFD_SETLKW}:
            raise OSError(number, "no locks")
        return real(descriptor, command, argument)

    monkeypatch.setattr(fcntl, "fcntl", refuse)


@pytest.fixture(params=["flock", "POSIX locks", "lock folders"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Return the kind of locks that there are, each in turn."""
    if request.param == lock_kinds.POSIX:
        refuse_flock(monkeypatch, errno.ENOSYS)
    elif request.param == lock_kinds.FOLDERS:
        refuse_all(monkeypatch, errno.ENOSYS)
    assert lock_kinds.kind_in(str(tmp_path)) == request.param
    assert list(tmp_path.iterdir()) == []
    return str(request.param)


@pytest.mark.usefixtures("kind")
def test_a_lock_of_any_kind_is_held_until_its_end(tmp_path: Path) -> None:
    """It is seen by whoever asks, and leaves nothing but its file."""
    path = str(tmp_path / "lock")
    with locks.held(path) as is_locked:
        assert is_locked
        assert locks.is_held(path)
        with locks.taken_if_free(path) as is_free:
            assert not is_free
    assert not locks.is_held(path)
    with locks.held(path, shared=True) as one, locks.held(path, shared=True) as other:
        assert one
        assert other
        assert locks.is_held(path)
    assert os.listdir(tmp_path) == ["lock"]

    with locks.taken_if_free(path) as is_free:
        assert is_free
    assert os.listdir(tmp_path) == []


@pytest.mark.usefixtures("kind")
def test_one_alone_waits_for_those_who_share(tmp_path: Path) -> None:
    """And those who share wait for it: 8 threads, of which some count up in two steps."""
    path, counted = str(tmp_path / "lock"), tmp_path / "count"
    counted.write_text("0")
    inside: list[str] = []
    wrong: list[list[str]] = []

    def work(number: int) -> None:
        for turn in range(8):
            shared = (number + turn) % 3 == 0
            with locks.held(path, shared=shared) as is_locked:
                assert is_locked
                inside.append("shares" if shared else "alone")
                if "alone" in inside and len(inside) > 1:
                    wrong.append([*inside])
                if not shared:
                    count = int(counted.read_text())
                    time.sleep(0.001)
                    counted.write_text(str(count + 1))
                inside.remove("shares" if shared else "alone")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
    assert int(counted.read_text()) == sum((number + turn) % 3 != 0 for number in range(8) for turn in range(8))


@pytest.mark.usefixtures("kind")
def test_a_folder_is_in_use_by_several_or_by_one_alone(tmp_path: Path) -> None:
    """Nothing is left beside it."""
    folder = tmp_path / "project" / ".venv"
    folder.mkdir(parents=True)
    assert not folder_use.is_in_use(str(folder))
    with folder_use.in_use(str(folder)), folder_use.in_use(str(folder)):
        assert folder_use.is_in_use(str(folder))
    with folder_use.in_use(str(folder), alone=True), folder_use.in_use(str(folder.parent), alone=True, inside=True):
        assert folder_use.is_in_use(str(folder))

    assert not folder_use.is_in_use(str(folder))
    assert sorted(path.name for path in tmp_path.rglob("*")) == [".venv", "project"]


@pytest.mark.parametrize("number", REFUSALS)
def test_without_locks_of_any_kind_nobody_gets_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """And whoever wants one is told so. What somebody else may have locked stays."""
    path = tmp_path / "lock"
    path.touch()
    (tmp_path / ".pepip-locks").write_text("a file where the folder would be")
    refuse_all(monkeypatch, number)

    assert lock_kinds.kind_in(str(tmp_path)) == lock_kinds.NONE
    assert not locks.is_held(str(path))
    with locks.held(str(path)) as is_locked:
        assert not is_locked
    with locks.taken_if_free(str(path)) as is_free:
        assert not is_free
    assert path.exists()


@pytest.mark.parametrize("number", [errno.EIO, errno.ETIMEDOUT, errno.EPERM])
def test_a_lock_that_fails_for_a_while_is_an_error_and_never_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Another process may hold it by `flock`, so no other kind of lock is taken. The error names the file."""
    path = tmp_path / "lock"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        refuse_flock(monkeypatch, number)

        for attempt in (locks.held(str(path)), folder_use.in_use(str(tmp_path))):
            with pytest.raises(OSError, match="while locking") as failure, attempt:
                pytest.fail("it was locked")
            assert (failure.value.errno, str(failure.value.filename).rstrip("/")) in {
                (number, str(path)),
                (number, str(tmp_path)),
            }
        with locks.taken_if_free(str(path)) as is_free:
            assert not is_free
        assert locks.is_held(str(path))
        assert folder_use.is_in_use(str(tmp_path))
        assert lock_kinds.kind_in(str(tmp_path)) == lock_kinds.FAILING
    assert [item.name for item in tmp_path.rglob("*")] == ["lock"]


@pytest.mark.parametrize("kind", [lock_kinds.FLOCK, lock_kinds.POSIX])
def test_a_file_system_that_never_waits_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Until the lock is free: no lock of another kind is taken meanwhile."""
    answers = [errno.EAGAIN] * 3
    real = fcntl.flock if kind == lock_kinds.FLOCK else fcntl.fcntl
    if kind == lock_kinds.POSIX:
        refuse_flock(monkeypatch, errno.ENOSYS)

    def hesitate(*words: Any) -> Any:
        if answers:
            raise OSError(answers.pop(), "busy")
        return real(*words)

    monkeypatch.setattr(fcntl, "flock" if kind == lock_kinds.FLOCK else "fcntl", hesitate)
    with locks.held(str(tmp_path / "lock")) as is_locked:
        assert is_locked
        assert answers == []
        assert [item.name for item in tmp_path.rglob("*")] == ["lock"]


def test_a_lock_of_another_is_held(tmp_path: Path) -> None:
    """By its file, until it is closed."""
    path = tmp_path / "lock"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert locks.is_held(str(path))

    assert not locks.is_held(str(path))


HOLD = """
import sys
from pepip.host import lock_folders
lock = lock_folders.acquire(sys.argv[1], shared=sys.argv[2] == "shared")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("way", ["alone", "shared"])
def test_the_lock_folder_of_a_killed_process_is_free(tmp_path: Path, way: str) -> None:
    """At once on the same machine, whether it was alone or shared."""
    path = str(tmp_path / "lock")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, path, way], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert lock_folders.is_held(path)
        assert lock_folders.acquire(path, shared=False, waits=False) is None
        process.kill()
        process.wait()

    found = lock_folders.acquire(path, shared=False, waits=False) or lock_folders.acquire(path, shared=False)
    assert found is not None
    found.release()
    assert not lock_folders.is_held(path)


def test_a_mark_of_another_machine_is_dead_once_nobody_touches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By this process's own clock, whatever the times of the files say. A touched one lives."""
    monkeypatch.setattr(lock_folders, "EXPIRY_SECONDS", 1.0)
    mark = tmp_path / ".pepip-locks" / "lock" / "x"
    mark.mkdir(parents=True)
    owner = mark / "owner"
    owner.write_text(".elsewhere.1.1\nanother machine\n1\n1")
    path = str(tmp_path / "lock")
    is_over = threading.Event()

    def touch() -> None:
        for number in range(1, 16):
            os.utime(owner, (number, number))  # a clock that is far behind
            time.sleep(0.1)
        is_over.set()

    thread = threading.Thread(target=touch)
    thread.start()
    found = lock_folders.acquire(path, shared=False)
    assert is_over.is_set()
    thread.join()
    assert found is not None
    assert lock_folders.is_held(path)
    found.release()


def test_a_dead_mark_is_broken_once(tmp_path: Path) -> None:
    """Many who wait for a process that was killed never get the lock together."""
    path, counted = str(tmp_path / "lock"), tmp_path / "count"
    counted.write_text("0")
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()

    def work() -> None:
        for _ in range(6):
            place = tmp_path / ".pepip-locks" / "lock"
            found = lock_folders.acquire(path, shared=False)
            assert found is not None
            count = int(counted.read_text())
            time.sleep(0.001)
            counted.write_text(str(count + 1))
            mark = next(place.glob("x/owner"))
            lines = mark.read_text().split("\n")
            mark.write_text("\n".join([f"{lines[0]}{count}", lines[1], str(ended.pid), "1"]))  # as if it was killed
            found._is_over.set()
            found._thread.join()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert counted.read_text() == "36"


def test_no_link_is_followed_to_a_lock_folder(tmp_path: Path) -> None:
    """A checkout could lead it anywhere."""
    (tmp_path / "elsewhere").mkdir()
    for link in (tmp_path / ".pepip-locks", tmp_path / "other" / ".pepip-locks" / "lock"):
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(NotADirectoryError):
            lock_folders.acquire(str(link.parent / "lock").replace("/.pepip-locks/", "/"), shared=False)

    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_lock_whose_file_was_removed_during_the_wait_is_taken_on_the_new_file(tmp_path: Path) -> None:
    """Otherwise the next process would get a lock on the new file at the same time."""
    path = str(tmp_path / "lock")
    has_lock, may_end = threading.Event(), threading.Event()

    def wait_for_lock() -> None:
        with locks.held(path):
            has_lock.set()
            may_end.wait(10)

    waiter = threading.Thread(target=wait_for_lock)
    with locks.held(path, remove=True):
        waiter.start()
        deadline = time.monotonic() + 10
        while f":{os.stat(path).st_ino} " not in _waiting() and time.monotonic() < deadline:
            time.sleep(0.01)
    try:
        assert has_lock.wait(10)
        assert locks.is_held(path)
    finally:
        may_end.set()
        waiter.join()


def _waiting() -> str:
    """Return the lines of the kernel's list of processes that wait for a lock."""
    return "\n".join(line for line in Path("/proc/locks").read_text().splitlines() if "->" in line)


@pytest.mark.parametrize("umask", [0o000, 0o077])
@pytest.mark.parametrize("mode", [0o755, 0o2775, 0o700])
def test_all_who_wait_can_read_a_lock_folder_and_only_its_holder_can_write_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, umask: int, mode: int
) -> None:
    """A user who can't read the mark of another would go on without any lock."""
    refuse_all(monkeypatch, errno.ENOSYS)
    tmp_path.chmod(mode)
    before = os.umask(umask)
    try:
        with locks.held(f"{tmp_path}/file") as is_held:
            assert is_held
            mark = tmp_path / ".pepip-locks" / "file" / "x"
            modes = [path.stat().st_mode & 0o777 for path in (mark, mark / "owner")]
    finally:
        os.umask(before)

    assert modes == [mode & 0o755, mode & 0o644]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_lock_has_the_mode_that_is_asked_for(tmp_path: Path, umask: int) -> None:
    """One that exists is corrected, if it is this user's: a user without need of a lock should not hold it."""
    path = tmp_path / "lock"
    before = os.umask(umask)
    try:
        for mode in (0o644, 0o664, 0o600):
            with locks.held(str(path), mode=mode) as is_held:
                assert is_held
                assert path.stat().st_mode & 0o777 == mode
    finally:
        os.umask(before)
