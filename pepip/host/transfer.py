"""Makes a file from another: a clone that shares its blocks, a hard link that shares its inode, or a copy.

A way that the file system refuses is not tried again. For each file the caller learns whether it is a hard link.
"""

from __future__ import annotations

import errno
import os
import sys

from pepip.host import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_FICLONE = 0x40049409  # ioctl_ficlone(2)
_REFUSALS = frozenset(
    getattr(errno, name)
    # Another file system, no such call, another user's file (protected_hardlinks), too many links, a read-only cache.
    for name in ("EXDEV", "EOPNOTSUPP", "ENOTSUP", "ENOTTY", "EINVAL", "ENOSYS", "EPERM", "EMLINK", "EACCES", "EROFS")
    if hasattr(errno, name)
)
_BLOCK_BYTES = 1 << 20
_UNIT_OF_BLOCKS = 512  # of `st_blocks`, on all systems
_TOO_MANY_LINKS = 1142  # of Windows, for which Python has no number but EINVAL
CLONE, LINK, COPY = "clone", "hardlink", "copy"


class Transfer:
    """Makes files from others, in the first way that works. `preferred` is the way to try first.

    Without `may_link`, no file shares its inode with its source. Without `keeps_times`, a copy has the time at which
    it was made: on a network file system each call on a file takes as long as the write.
    """

    def __init__(self, preferred: str = CLONE, *, may_link: bool = True, keeps_times: bool = True) -> None:
        self.keeps_times = keeps_times
        ways = [CLONE, LINK, COPY] if may_link else [CLONE, COPY]
        self._ways = ways[ways.index(preferred) :] if preferred in ways else ways

    @property
    def way(self) -> str:
        """The way in which the next file will be made. Refused ways are not tried again."""
        return self._ways[0]

    def file(self, source: str, target: str, mode: int | None = None) -> bool:
        """Make `target` a file with the content, times and mode of `source`. Return whether it is a hard link.

        `mode` may be the known mode of the source, which saves a system call, or another mode for a clone or a copy.

        Raises FileExistsError if something is at `target`, OSError if the disk is full or `source` can't be read.
        Then a part of a copy may be left.
        """
        while True:
            ways = self._ways
            way = ways[0]
            try:
                if way == LINK:
                    os.link(source, target, follow_symlinks=False)
                    return True
                mode = os.stat(source).st_mode & 0o7777 if mode is None else mode
                if way == CLONE:
                    _clone(source, target, mode)
                else:
                    _copy(source, target, mode, keeps_times=self.keeps_times)
                return False
            except OSError as error:
                if way == COPY or error.errno not in _REFUSALS:
                    raise
                # Too many links (EMLINK) concerns this file alone. All other refusals hold for the next file, too.
                if error.errno == errno.EMLINK or getattr(error, "winerror", 0) == _TOO_MANY_LINKS:
                    mode = os.stat(source).st_mode & 0o7777 if mode is None else mode
                    _copy(source, target, mode, keeps_times=self.keeps_times)
                    return False
                self._ways = ways[1:]

    def tree(
        self, source: str, target: str, files: Iterable[tuple[str, os.stat_result]], *, in_turn: bool = True
    ) -> set[str]:
        """Make all `files`, given by relative path and status, below `target` from the files below `source`.

        The folders below `target` exist already. Several threads make copies; without `in_turn`, all files.
        Return the paths of the files that share no inode with their source. Raises the errors of `file`.
        """
        own = set()
        link = os.link

        def make(item: tuple[str, os.stat_result]) -> None:
            path, status = item
            if not self.file(f"{source}/{path}", f"{target}/{path}", status.st_mode & 0o7777):
                own.add(path)

        rest = iter(files)
        for path, status in rest:
            if self._ways[0] == LINK:
                try:
                    link(f"{source}/{path}", f"{target}/{path}", follow_symlinks=False)
                    if in_turn:
                        continue
                    break
                except OSError as error:
                    if error.errno not in _REFUSALS:
                        raise
            make((path, status))
            if self._ways[0] == COPY or not in_turn:  # the way is known now
                break
        some = list(rest)
        if some:
            from pepip.host import parallel

            parallel.in_threads(make, some)
        return own


def replace_by_copy(path: str) -> None:
    """Give a file with several hard links an inode of its own, with the same content, times and mode."""
    mode = os.stat(path).st_mode & 0o7777
    for number in range(1 << 16):
        temporary = f"{os.path.dirname(path)}/{number}~"  # the name of `path` may have no room for more
        try:
            _copy(path, temporary, mode)
        except FileExistsError:
            continue
        os.replace(temporary, path)
        return


def _clone(source: str, target: str, mode: int) -> None:
    if sys.platform == "linux":
        import fcntl

        reading = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
        try:
            writing = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode | 0o200)
            try:
                fcntl.ioctl(writing, _FICLONE, reading)
                _set_mode(writing, mode)
                _take_times(source, writing)
            except OSError:
                os.unlink(target)
                raise
            finally:
                os.close(writing)
        finally:
            os.close(reading)
    elif sys.platform == "darwin":
        import ctypes

        library = ctypes.CDLL(None, use_errno=True)
        if not hasattr(library, "clonefile"):
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), target)
        if library.clonefile(os.fsencode(source), os.fsencode(target), 1):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), target)
        os.chmod(target, mode)
    else:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), target)


def _copy(source: str, target: str, mode: int, *, keeps_times: bool = True) -> None:
    reading = files.open_regular(source, follows=True)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        writing = os.open(target, flags, mode | 0o200)
        try:
            _set_mode(writing, mode)
            if not _copy_around_holes(reading, writing):
                _copy_content(reading, writing, sys.maxsize)
            if keeps_times:
                _take_times(source, writing)
        except OSError as error:
            error.filename = error.filename or target  # errors of `os.write` have no file name
            raise
        finally:
            os.close(writing)
    finally:
        os.close(reading)
    if keeps_times and sys.platform == "win32":  # where an open file takes no times
        status = os.stat(source)
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def _copy_content(reading: int, writing: int, most_bytes: int) -> None:
    """Copy from one open file to another, at their positions, to the end or `most_bytes`."""
    while block := os.read(reading, min(_BLOCK_BYTES, most_bytes)):
        most_bytes -= len(block)
        rest = memoryview(block)
        while rest:
            rest = rest[os.write(writing, rest) :]


def _copy_around_holes(reading: int, writing: int) -> bool:
    """Copy a file with holes to a new one with the same holes.

    Returns False, and copies nothing, if the file has no holes, or if the system does not name them.
    """
    if sys.platform == "win32" or not hasattr(os, "SEEK_DATA"):
        return False
    status = os.fstat(reading)
    if status.st_blocks * _UNIT_OF_BLOCKS >= status.st_size:
        return False
    end = 0
    while end < status.st_size:
        try:
            start = os.lseek(reading, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                if end:
                    raise
                return False  # an old file system
            break  # the rest is a hole
        end = os.lseek(reading, start, os.SEEK_HOLE)
        os.lseek(reading, start, os.SEEK_SET)
        os.lseek(writing, start, os.SEEK_SET)
        _copy_content(reading, writing, end - start)
    os.ftruncate(writing, status.st_size)
    return True


def _set_mode(descriptor: int, mode: int) -> None:
    """Give a new open file this mode, whatever the umask is. Most have it already."""
    if sys.platform != "win32" and os.fstat(descriptor).st_mode & 0o7777 != mode:
        os.fchmod(descriptor, mode)


def _take_times(source: str, descriptor: int) -> None:
    """Give an open file the times of the file `source`."""
    if sys.platform != "win32":
        status = os.stat(source)
        os.utime(descriptor, ns=(status.st_atime_ns, status.st_mtime_ns))
