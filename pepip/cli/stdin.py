"""What a user types or pipes in place of a file, as `-`."""

from __future__ import annotations

import contextlib
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@contextlib.contextmanager
def as_file(files: Sequence[str]) -> Iterator[dict[str, str]]:
    """Yield what to read for each of `files`: itself, or for `-` a file that holds what stdin says.

    uv is asked more than once, and stdin can be read only once.
    """
    names = {name: name for name in files}
    if "-" not in names:
        yield names
        return
    import tempfile

    with tempfile.TemporaryDirectory(prefix="pepip-") as folder:
        names["-"] = f"{folder}/requirements.txt"
        with open(names["-"], "w", encoding="utf-8") as file:
            file.write(sys.stdin.read())
        yield names


def kept() -> bytes | None:
    """Return all that stdin says, and put a file with the same in its place, for the program that pepip becomes.

    None if it is a terminal, which the program may go on to read, or closed.
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
