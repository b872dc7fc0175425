"""Finds the program uv. Starts nothing."""

from __future__ import annotations

import os
import sys

from pepip.errors import UvError


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
    except (ImportError, FileNotFoundError):  # any folder named `uv` is importable, too
        pass
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if folder and os.access(f"{folder}/uv{suffix}", os.X_OK):
            return f"{folder}/uv{suffix}"
    raise UvError("uv was not found", hint="install it beside pepip: `pip install uv`")
