"""Where uv is, and replacing this process by uv for a command to which pepip adds nothing."""

from __future__ import annotations

import os
import signal
import sys

from pepip.errors import UvError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def path() -> str:
    """Return the path of uv: beside this interpreter, in its `uv` package, or on `PATH`.

    Raises UvError if there is none.
    """
    suffix = ".exe" if sys.platform == "win32" else ""
    beside = f"{os.path.dirname(sys.executable)}/uv{suffix}"
    if os.access(beside, os.X_OK):
        return beside
    try:
        from uv import find_uv_bin

        return str(find_uv_bin())
    except (ImportError, FileNotFoundError):  # a folder that happens to be named `uv` is importable too
        pass
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if folder and os.access(f"{folder}/uv{suffix}", os.X_OK):
            return f"{folder}/uv{suffix}"
    raise UvError("uv was not found", hint="install it beside pepip: `pip install uv`")


def become(arguments: Sequence[str]) -> int:
    """Replace this process by uv, which keeps the terminal, signals and exit code. Returns only on Windows.

    Windows can't replace a process: there uv runs as a child, and its exit code is returned.
    """
    command = [path(), *arguments]
    sys.stdout.flush()
    sys.stderr.flush()
    if sys.platform == "win32":
        from pepip.uv import process

        return process.run_attached(command)
    for name in ("SIGPIPE", "SIGXFSZ"):  # Python ignores these, and an ignored signal stays ignored after exec
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    return os.execv(command[0], command)
