"""Replacing this process by uv. Most repeated commands only do that, so this module imports little."""

from __future__ import annotations

import os
import sys

from pepip.uv import program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def become(arguments: Sequence[str], *, name: str = "") -> int:
    """Replace this process by uv, which keeps the terminal, signals and exit code. Returns only on Windows.

    `name` is the first word of uv's command line, which lists of processes show. It is the path of uv by default.
    Windows can't replace a process: there uv runs as a child, and its exit code is returned.
    """
    path = program.path()
    command = [name or path, *arguments]
    sys.stdout.flush()
    sys.stderr.flush()
    if sys.platform == "win32":
        from pepip.uv import process

        return process.run_attached(command, program_path=path)
    import _signal  # type: ignore[import-not-found]  # `signal` makes enums of all numbers, which takes 3 ms

    for ignored in (_signal.SIGPIPE, _signal.SIGXFSZ):  # Python ignores these, and exec would keep that
        _signal.signal(ignored, _signal.SIG_DFL)
    return os.execv(path, command)


def name_of_pepip() -> str:
    """Return the name under which uv runs a command for `pepip run`: the path of pepip's program, or `pepip`.

    Ray's own hook looks for a process named `uv`, and would start workers by `uv run --no-sync`. `pepip.ray` looks
    for this name.
    """
    started = sys.argv[0]
    return started if os.path.basename(started) == "pepip" else "pepip"
