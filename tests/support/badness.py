"""Bad replacements for a file: pipes, devices, endless files, and documents with nonsense.

Each is made by a function that takes a free path. One that needs a second file puts it beside that path.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
from collections.abc import Callable
from pathlib import Path

HUGE_BYTES = 100_000_000
"""The size of a file that is larger than any limit on small files. It is sparse and occupies no blocks."""


def clear(path: Path) -> None:
    """Remove the file, link or tree at `path`, even from read-only folders."""
    os.chmod(path.parent, path.parent.stat().st_mode | stat.S_IRWXU)
    if path.is_dir() and not path.is_symlink():
        for folder, _, _ in os.walk(path):
            os.chmod(folder, 0o700)
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the path of a socket may not be long
    try:
        with socket.socket(socket.AF_UNIX) as end:
            end.bind(path.name)
    finally:
        os.chdir(here)


def _device(path: Path) -> None:
    """Make a device that can be read without end. If this user may not make devices, make a link to `/dev/zero`."""
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 5))
    except PermissionError:
        path.symlink_to("/dev/zero")


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(HUGE_BYTES)


def _folder(path: Path) -> None:
    path.mkdir()
    (path / "inside").write_text("")


def _pipe_behind_link(path: Path) -> None:
    pipe = path.with_name(f"{path.name}.pipe")
    if not pipe.exists():
        os.mkfifo(pipe)
    path.symlink_to(pipe)


def _forbidden(path: Path) -> None:
    path.write_text("{}")
    path.chmod(0)


def _text(content: str | bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    return write


BAD: dict[str, Callable[[Path], None]] = {
    "a pipe": _pipe,
    "a link to a pipe": _pipe_behind_link,
    "a link to a device without end": lambda path: path.symlink_to("/dev/zero"),
    "a device without end": _device,
    "a socket": _socket,
    "a folder": _folder,
    "nothing": lambda _: None,
    "a link to nothing": lambda path: path.symlink_to("/nowhere/at/all"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a huge file": _huge,
    "a forbidden file": _forbidden,
    "an empty file": _text(""),
    "zero bytes": _text(b"\0" * 100),
    "no text": _text(b"\xff\xfe\xfd = \xff,\xfe\n" * 10),
    "deep brackets": _text("[" * 200_000),
    "an empty list": _text("[]"),
    "infinity": _text("Infinity"),
    "no number": _text("NaN"),
    "a long number": _text("9" * 10_000),
    "half a character": _text(r'"\ud800"'),
    "an object of nonsense": _text(r'{"format": Infinity, "key": "\ud800", "name": NaN, "topics": []}'),
}
"""The replacements for a file, by name."""

NONSENSE: tuple[object, ...] = (
    float("inf"), float("nan"), -1, 10**40, 1e300, True, None, [], {}, "", "\ud800", "\0", "\n", "../..", "/", [[]],
    [None], ["\ud800"], ["../../../x"], {"": ""}, {"a/../../b": "\ud800"}, [["data", "../x"]], [[1, 2]],
)  # fmt: skip
"""The replacements for each field of a document."""


def spoiled(document: dict[str, object]) -> list[tuple[str, bytes]]:
    """Return copies of a document in which one field holds nonsense, each with a name."""
    return [
        (f"{field} is {value!r}", json.dumps({**document, field: value}).encode())
        for field in document
        for value in NONSENSE
    ]
