"""Requirements and scripts that come from stdin (`-`) or a pipe in place of a file."""

from __future__ import annotations

import contextlib
import os
import stat
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@contextlib.contextmanager
def as_file(files: Sequence[str]) -> Iterator[dict[str, str]]:
    """Yield a path for each name in `files`: the file itself, or a copy of the content of stdin (`-`) or of a pipe.

    uv reads such a file more than once, but stdin and a pipe (`<(uv export)`) can be read only once.
    """
    names = {name: name for name in files}
    streams = [name for name in names if is_read_once(name)]
    if not streams:
        yield names
        return
    from pepip.host import temp_dirs

    with temp_dirs.folder() as folder:
        for number, name in enumerate(streams):
            names[name] = f"{folder}/requirements{number or ''}.txt"
            content = sys.stdin.buffer.read() if name == "-" else _read(name)
            with open(names[name], "wb") as file:
                file.write(content)
        yield names


def is_read_once(path: str) -> bool:
    """Tell whether a path stands for stdin (`-`) or for a pipe, which can be read only once."""
    try:
        return path == "-" or stat.S_ISFIFO(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def read_and_keep() -> bytes | None:
    """Return the whole content of stdin, and put a file with the same content in its place, for uv to read.

    None if stdin is closed, or if it is a terminal: uv then reads from the terminal.
    """
    try:
        if os.isatty(0):
            return None
        with open(0, "rb", closefd=False) as stream:
            content = stream.read()
    except OSError:
        return None
    import tempfile

    with tempfile.TemporaryFile(prefix="pepip-") as file:
        file.write(content)
        file.flush()
        file.seek(0)
        os.dup2(file.fileno(), 0)
    return content


def text_kept() -> str:
    """Return the bytes of stdin as text, as `read_and_keep` does. Empty if there are none."""
    return (read_and_keep() or b"").decode("latin-1")
