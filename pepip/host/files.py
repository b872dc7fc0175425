"""Reading, writing and replacing whole files, by few system calls: an install reads and writes hundreds."""

from __future__ import annotations

import os
import stat

_BLOCK_BYTES = 1 << 20
_READ = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def read(path: str) -> bytes:
    """Return what the file at `path` holds. Raises OSError if it can't be read."""
    return read_with_status(path)[0]


def read_with_status(path: str) -> tuple[bytes, os.stat_result]:
    """Return what the file at `path` holds, and its status before it was read. Raises OSError if it can't be read."""
    descriptor = os.open(path, _READ)
    try:
        status = os.fstat(descriptor)
        content = os.read(descriptor, status.st_size + 1)
        if len(content) == status.st_size:
            return content, status  # there would have been room for more
        blocks = [content]  # it grows, or is no file of a disk
        while blocks[-1]:
            blocks.append(os.read(descriptor, _BLOCK_BYTES))
        return b"".join(blocks), status
    finally:
        os.close(descriptor)


def user_id() -> int:
    """Return the number of the user who runs this, 0 where users have none."""
    return os.geteuid() if hasattr(os, "geteuid") else 0


def owner_id(path: str) -> int:
    """Return the number of the user who owns what is at `path`, 0 where users have none. Raises OSError."""
    return os.stat(path).st_uid


def read_regular(path: str, *, most_bytes: int, is_trusted: bool = False) -> bytes:
    """Return what the regular file at `path` holds, where somebody else may have put anything else in its place.

    Follows no link at that name, opens no device, waits for no pipe, and reads no more than `most_bytes`. Raises
    OSError if it can't be read, ValueError in words if it is no regular file, or a larger one. Where it must be
    `is_trusted`, another user's is refused too, but not root's.
    """
    if not stat.S_ISREG(os.lstat(path).st_mode):  # to open a device can do something
        raise ValueError("it is no regular file")
    descriptor = os.open(path, _READ | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):  # it was replaced meanwhile
            raise ValueError("it is no regular file")
        if is_trusted and status.st_uid not in {0, user_id()}:
            raise ValueError("it is another user's")
        content = bytearray()
        while len(content) <= most_bytes:
            block = os.read(descriptor, min(_BLOCK_BYTES, most_bytes + 1 - len(content)))
            if not block:
                return bytes(content)
            content += block
        raise ValueError(f"it is larger than {most_bytes} bytes")
    finally:
        os.close(descriptor)


ID_BYTES = 16


def read_id(path: str) -> str:
    """Return the hexadecimal digits of an id that a file holds, empty if it holds none."""
    try:
        text = read_regular(path, most_bytes=2 * ID_BYTES).decode("ascii")
        return text if len(bytes.fromhex(text)) == ID_BYTES and text.isalnum() else ""
    except (OSError, ValueError):
        return ""


def create(path: str, *contents: bytes, mode: int = 0o666) -> None:
    """Write a new file that holds `contents` one after the other, of this mode less the umask.

    Raises FileExistsError if something is at `path`, OSError if the disk is full: part of the file is there then.
    """
    descriptor = os.open(path, _CREATE, mode)
    try:
        for content in contents:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
    finally:
        os.close(descriptor)


def replace_content(path: str, content: bytes) -> None:
    """Give a file that exists other content, at once: it has the old or the new one, also if the disk is full."""
    import shutil

    path = os.path.realpath(path)
    temporary = f"{path}.{os.getpid()}"
    try:
        with open(temporary, "wb") as file:
            file.write(content)
        shutil.copymode(path, temporary)
        os.replace(temporary, path)
    except OSError:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
