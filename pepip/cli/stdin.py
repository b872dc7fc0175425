"""What a user types or pipes in place of a requirements file, as `-`."""

from __future__ import annotations

import contextlib
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
