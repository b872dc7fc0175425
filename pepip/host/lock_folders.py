"""Locks made of folders and renames, for file systems without other locks (Lustre without `flock`, some of FUSE).

The lock on a file `F` is a folder `.pepip-locks/F` beside it. In it each holder has a mark. A mark is a folder: it is
named `x` if its process holds the lock alone, and `s.ID` if its process shares the lock. A file in it describes that
process. A mark appears by a rename. A rename to `x` fails if `x` is there, so only one process gets `x`. A process
that shares the lock first makes its mark, then looks for `x`. A process that wants to be alone first makes `x`, then
waits until no other mark is left. So at least one of the two sees the other.

A holder touches its mark every few seconds. A mark is dead if its process has ended on this machine, or if nobody has
touched it for `EXPIRY_SECONDS` by the clock of the process that waits. A dead mark gets another name by a rename, and
only one process can make this rename. A process of another machine that was stopped for more than `EXPIRY_SECONDS`
has lost its lock.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
import threading
import time

from pepip import paths
from pepip.host import files, filesystems

EXPIRY_SECONDS = 120.0

_BEAT_SECONDS = 10.0  # NFS shows another machine's touch up to 60 seconds later
_OLD_SECONDS = 3600.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.01, 0.5
_ALONE = "x"
_OWNER = "owner"
_TAKEN = {errno.ENOTEMPTY, errno.EEXIST, errno.EACCES if sys.platform == "win32" else errno.ENOTEMPTY}


class LockFolder:
    """A lock that this process holds, until `release`."""

    def __init__(self, place: str, mark: str) -> None:
        self._place, self._mark = place, mark
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()

    def release(self) -> None:
        """Give the lock back."""
        self._is_over.set()
        self._thread.join()
        _remove_mark(self._place, self._mark)

    def _beat(self) -> None:
        while not self._is_over.wait(_BEAT_SECONDS):
            with contextlib.suppress(OSError):
                os.utime(f"{self._place}/{self._mark}/{_OWNER}")


def acquire(path: str, *, shared: bool, waits: bool = True) -> LockFolder | None:
    """Take the lock on `path`, and wait until it is free. Without `waits`, return None if another process holds it.

    Raises OSError if this user can't make folders beside `path`.
    """
    place = _place_of(path)
    watch = _Watch(place)
    new = ""
    while True:
        try:
            new = new or _prepare(place)
            mark = f"s.{new[1:]}" if shared else _ALONE
            if _take_mark(place, new, mark):
                new = ""
                found = LockFolder(place, mark)
                try:
                    if not watch.sees(_ALONE) if shared else _wait_for_sharers(watch, waits=waits):
                        return found
                except BaseException:
                    found.release()
                    raise
                found.release()
        except FileNotFoundError:  # the lock's last holder has removed the lock's folder
            new = ""
            continue
        if not waits:
            if new:
                _remove_mark(place, new)
            return None
        watch.pause()
        watch.sees(_ALONE)


def is_held(path: str) -> bool:
    """Tell whether a live process holds the lock on `path`, alone or shared. Changes nothing but dead marks."""
    watch = _Watch(_place_of(path))
    return watch.sees(_ALONE) or any(map(watch.sees, watch.sharers()))


def _place_of(path: str) -> str:
    folder, _, name = path.rpartition("/")
    return f"{folder}/{paths.LOCK_FOLDERS}/{name}"


def _prepare(place: str) -> str:
    """Make the folder of the lock, and in it a mark under a hidden name. Return that name."""
    above = os.path.dirname(place)
    root_stat = os.stat(os.path.dirname(above))
    for folder in (above, place):
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder)
            if sys.platform != "win32":  # every user who may write beside the lock must be able to take it
                os.chmod(folder, stat.S_IMODE(root_stat.st_mode) & 0o2777 | 0o700)
        if not stat.S_ISDIR(os.lstat(folder).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), folder)  # a link leads elsewhere
    name = f".{_host()}.{os.getpid()}.{time.monotonic_ns()}"
    mark, mode = f"{place}/{name}", stat.S_IMODE(root_stat.st_mode) & 0o055 | 0o700
    os.mkdir(mark, mode)
    content = "\n".join((name, *_own_identity())).encode("utf-8", "surrogateescape")
    files.create(f"{mark}/{_OWNER}", content, mode=mode & 0o644)
    if sys.platform != "win32":  # whatever the umask is, those who wait can read it, and only its holder can write it
        os.chmod(f"{mark}/{_OWNER}", mode & 0o644)
        os.chmod(mark, mode)
    return name


def _take_mark(place: str, new: str, mark: str) -> bool:
    """Rename a prepared mark to its final name. Return whether this process has that mark now."""
    try:
        os.rename(f"{place}/{new}", f"{place}/{mark}")
    except OSError as error:
        if error.errno in _TAKEN:
            return False
        if _read(f"{place}/{mark}")[:1] == [new]:  # NFS may repeat a rename that has succeeded
            return True
        raise
    return True


def _wait_for_sharers(watch: _Watch, *, waits: bool) -> bool:
    """Tell whether no process shares the lock. With `waits`, wait for that. This process already has the mark `x`."""
    while any(map(watch.sees, watch.sharers())):
        if not waits:
            return False
        watch.pause()
    return True


def _remove_mark(place: str, mark: str) -> None:
    """Remove a mark, and the folders above it if they are empty then."""
    away = f"{place}/.gone.{_host()}.{os.getpid()}.{time.monotonic_ns()}"
    with contextlib.suppress(OSError):
        os.rename(f"{place}/{mark}", away)  # in one step, so that no mark ever lacks its owner's file
        filesystems.remove_tree(away)
    with contextlib.suppress(OSError):
        for name in os.listdir(place):  # killed processes left these: they are too old to be in use
            if name.startswith(".") and time.time() - os.lstat(f"{place}/{name}").st_ctime > _OLD_SECONDS:
                filesystems.remove_tree(f"{place}/{name}")
    for folder in (place, os.path.dirname(place)):
        with contextlib.suppress(OSError):
            os.rmdir(folder)


class _Watch:
    """The marks of one lock, with the time at which the waiting process last saw each change, by its own clock."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._seen: dict[str, tuple[int, float]] = {}
        self._pause = _FIRST_PAUSE_SECONDS

    def pause(self) -> None:
        """Wait a little, longer each time."""
        time.sleep(self._pause)
        self._pause = min(self._pause * 1.5, _LONGEST_PAUSE_SECONDS)

    def sharers(self) -> list[str]:
        """Return the marks of processes that share the lock."""
        try:
            return [name for name in os.listdir(self._place) if name.startswith("s.")]
        except (FileNotFoundError, NotADirectoryError):
            return []

    def sees(self, mark: str) -> bool:
        """Tell whether a mark is there and its process may be alive. A dead mark is renamed."""
        path = f"{self._place}/{mark}"
        try:
            touched_ns = os.lstat(f"{path}/{_OWNER}").st_mtime_ns
        except (FileNotFoundError, NotADirectoryError):
            if not os.path.lexists(path):
                return False
            touched_ns = 0  # a mark without an owner's file: another program made it
        owner = _read(path)
        key = "\n".join((mark, *owner))
        known = self._seen.get(key)
        if known is None or known[0] != touched_ns:
            self._seen[key] = known = (touched_ns, time.monotonic())
        is_dead = _has_ended(owner) or time.monotonic() - known[1] > EXPIRY_SECONDS
        if is_dead:
            self._bury(mark, owner)
        return not is_dead

    def _bury(self, mark: str, owner: list[str]) -> None:
        """Rename a dead mark. The new name is made from the first line of the mark's owner file, if it has one.

        The renamed mark stays for an hour or more. So its name is taken, and a slower process that also wants to
        rename the dead mark can't rename a later mark by mistake.
        """
        name = owner[0].lstrip(".").replace("/", "") if owner and owner[0] else str(os.lstat(self._place).st_ino)
        with contextlib.suppress(OSError):
            os.rename(f"{self._place}/{mark}", f"{self._place}/.dead.{name}")


def _read(mark: str) -> list[str]:
    """Return the lines of a mark's owner file, empty if it can't be read."""
    try:
        return files.read_regular(f"{mark}/{_OWNER}").decode("utf-8", "surrogateescape").split("\n")
    except (OSError, ValueError):
        return []


def _host() -> str:
    name = os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")
    return "".join(character if character.isalnum() else "-" for character in name)[:64]


def _own_identity() -> list[str]:
    """Return the texts that tell this process from every other: its machine, its number and its start time."""
    return [_machine(), str(os.getpid()), _start_of(os.getpid())]


def _machine() -> str:
    """Return a text for this boot and process namespace, in which process numbers are unique. Empty if unknown."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return f"{file.read().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _start_of(process: int) -> str:
    """Return the start time of a process of this machine, empty if there is no such process."""
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[19].decode()
    except (OSError, IndexError):
        return ""


def _has_ended(owner: list[str]) -> bool:
    """Tell whether the owner of a mark is a process of this machine that has ended."""
    if len(owner) != 4 or not owner[1] or owner[1] != _machine() or not owner[2].isdecimal():
        return False
    start = _start_of(int(owner[2]))
    if start:
        return start != owner[3]
    try:
        os.kill(int(owner[2]), 0)  # /proc may hide the processes of other users
    except ProcessLookupError:
        return True
    except OSError:
        pass
    return False
