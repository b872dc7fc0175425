"""Reading, writing and replacing whole files with few system calls: an install reads and writes hundreds.

A file in a store or an environment may come from another user, a repository, or another tool. So only regular files
are read, up to a limit.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SMALL_BYTES = 1 << 24
"""A limit that settings, metadata and scripts never reach."""
RECORD_BYTES = 1 << 28
"""A limit that the RECORD of a million files does not reach."""
_BLOCK_BYTES = 1 << 20
_READ = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class UnfitFileError(OSError, ValueError):
    """A file is not fit to be read, such as a pipe or another user's file. `strerror` names the reason."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(errno.EINVAL, reason, path)

    def __str__(self) -> str:
        """Return the reason alone."""
        return str(self.strerror)


def user_id() -> int:
    """Return the number of the user who runs this process, 0 on systems without such numbers."""
    return os.geteuid() if hasattr(os, "geteuid") else 0


def owner_id(path: str) -> int:
    """Return the number of the owner of a file or folder, 0 on systems without such numbers. Raises OSError."""
    return os.stat(path).st_uid


def open_regular(path: str, *, is_trusted: bool = False, follows: bool = False) -> int:
    """Return a descriptor to read the regular file at `path`. Never opens a device, never waits for a pipe.

    With `follows`, `path` may be a symbolic link. With `is_trusted`, only files of this user and of root are opened.
    Raises OSError if the file can't be opened, UnfitFileError if it is not a regular file, or not trusted.
    """
    return _open_regular(path, is_trusted=is_trusted, follows=follows)[0]


def read_regular(
    path: str,
    *,
    most_bytes: int = SMALL_BYTES,
    is_trusted: bool = False,
    follows: bool = False,
    leaves_no_trace: bool = False,
) -> bytes:
    """Return the content of the regular file at `path`, if that is no more than `most_bytes`.

    With `leaves_no_trace`, the time of the file's last access stays, where this user may ask for that. Raises OSError
    if the file can't be read, UnfitFileError if it is larger, or if `open_regular` refuses it.
    """
    return read_with_status(
        path, most_bytes=most_bytes, is_trusted=is_trusted, follows=follows, leaves_no_trace=leaves_no_trace
    )[0]


def read_with_status(
    path: str,
    *,
    most_bytes: int = SMALL_BYTES,
    is_trusted: bool = False,
    follows: bool = False,
    leaves_no_trace: bool = False,
) -> tuple[bytes, os.stat_result]:
    """Return the content of a file as `read_regular` does, and the status that the file had before."""
    descriptor, status = _open_regular(path, is_trusted=is_trusted, follows=follows, leaves_no_trace=leaves_no_trace)
    try:
        content = os.read(descriptor, min(status.st_size, most_bytes) + 1)
        if len(content) == status.st_size <= most_bytes:
            return content, status  # the read was short of its limit, so the file ends here
        while len(content) <= most_bytes:
            block = os.read(descriptor, min(_BLOCK_BYTES, most_bytes + 1 - len(content)))
            if not block:
                return content, status
            content += block
        raise UnfitFileError(path, f"it is larger than {most_bytes} bytes")
    finally:
        os.close(descriptor)


def _open_regular(
    path: str, *, is_trusted: bool, follows: bool, leaves_no_trace: bool = False
) -> tuple[int, os.stat_result]:
    """Return a descriptor as `open_regular` does, and the status of the file."""
    status = os.stat(path) if follows else os.lstat(path)
    if not stat.S_ISREG(status.st_mode):  # opening a device can have an effect
        raise UnfitFileError(path, "it is no regular file")
    flags = _READ | getattr(os, "O_NONBLOCK", 0)
    flags |= 0 if follows else getattr(os, "O_NOFOLLOW", 0)
    try:
        descriptor = os.open(path, flags | (getattr(os, "O_NOATIME", 0) if leaves_no_trace else 0))
    except PermissionError:  # another user's file
        if not leaves_no_trace:
            raise
        descriptor = os.open(path, flags)
    status = os.fstat(descriptor)
    reason = ""
    if not stat.S_ISREG(status.st_mode):  # it was replaced meanwhile
        reason = "it is no regular file"
    elif is_trusted and status.st_uid and status.st_uid != user_id():
        reason = "it belongs to another user"
    if reason:
        os.close(descriptor)
        raise UnfitFileError(path, reason)
    return descriptor, status


def load_json(content: bytes) -> Any:
    """Return the value of a JSON document. Raises ValueError with a message for people if it is not valid.

    `NaN` and `Infinity` are not valid, as in the JSON specification. Neither are numbers that Python would read as
    infinite, such as `1e999`, nor lone surrogates, which can't be encoded, except those that stand for a byte of a
    file name (PEP 383).
    """
    import json

    try:
        document = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite).decode(content.decode())
        if b"\\ud" in content.lower():
            json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise ValueError("it holds invalid characters") from error
    except (ValueError, RecursionError) as error:
        raise ValueError("it is not valid JSON") from error
    return document


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if number - number:  # infinity less infinity is NaN, which counts as true
        _refuse(digits)
    return number


ID_BYTES = 16
_MOST_BYTES_WITH_ID = 1 << 14


def read_id(path: str) -> str:
    """Return the hexadecimal digits of the id in the first line of a file, empty if the file holds none."""
    try:
        text = read_regular(path, most_bytes=_MOST_BYTES_WITH_ID).partition(b"\n")[0].decode("ascii")
        return text if len(bytes.fromhex(text)) == ID_BYTES and text.isalnum() else ""
    except (OSError, ValueError):
        return ""


def create(path: str, *contents: bytes, mode: int = 0o666) -> None:
    """Write a new file with all `contents`, in order. Its mode is `mode` less the umask.

    Raises FileExistsError if something is at `path`, OSError if the disk is full. No new file is left then.
    """
    descriptor = os.open(path, _CREATE, mode)
    try:
        for content in contents:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
    except OSError as error:
        os.close(descriptor)  # Windows removes no open file
        descriptor = -1
        os.unlink(path)
        error.filename = error.filename or path  # errors of `os.write` have no file name
        raise
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def write_whole(
    path: str, *contents: bytes, mode: int = 0o666, exact_mode: int | None = None, unfinished: str = ""
) -> None:
    """Write a file in one step: `path` has its old content or the new one, even on a full disk.

    The file gets `exact_mode`, or else `mode` less the umask. It is written at `unfinished`, by default under a name
    of its own beside `path`, and then renamed. Raises OSError; then nothing is left at `unfinished`.
    """
    # Other threads, and processes of the same number in other containers, may write the same file.
    unfinished = unfinished or f"{os.path.dirname(path)}/.{os.getpid()}-{time.monotonic_ns()}.new"
    first_mode = mode if exact_mode is None else 0o600
    try:
        create(unfinished, *contents, mode=first_mode)
    except FileExistsError:  # a killed run left it: the caller's lock keeps others away
        os.unlink(unfinished)
        create(unfinished, *contents, mode=first_mode)
    try:
        if exact_mode is not None:
            # Windows replaces no file that is read-only, so the next write would fail.
            os.chmod(unfinished, exact_mode | 0o200 if sys.platform == "win32" else exact_mode)
        os.replace(unfinished, path)
    except OSError:
        os.unlink(unfinished)
        raise


def replace_content(path: str, content: bytes) -> None:
    """Replace the content of an existing file in one step, and keep its mode. A link to it stays a link."""
    path = os.path.realpath(path)
    write_whole(path, content, exact_mode=stat.S_IMODE(os.stat(path).st_mode))
