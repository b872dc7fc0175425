"""Ends the Python process that starts with it by SIGKILL, just before its n-th change below a folder.

Or, where it is told an error number, lets the system refuse that one change.

Python imports this by itself where `PYTHONPATH` names its folder. A change is what the interpreter's audit
events say: a file opened for writing, a folder made, a link, a rename, a removal, a mode, and each start of a
program. All that is seen goes to a log, a line each. Processes that this one starts are left alone. Runs in
pepip's interpreter; knows nothing of pepip.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

_CHANGES = {
    "os.chmod",
    "os.chown",
    "os.link",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.symlink",
    "os.truncate",
    "subprocess.Popen",
}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


class _Watch:
    """Counts changes and acts on the one it is told to act on; a number of 0 is never reached."""

    def __init__(self, folder: str, log: str, last_change: int, error: int) -> None:
        self._folder = os.path.join(folder, "")
        self._descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        self._last_change = last_change
        self._error = error
        self._count = 0

    def see(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Count one audit event, if it is a change here."""
        if event == "open":
            path, _, flags = arguments
            if not (isinstance(flags, int) and flags & _WRITING):
                return
            concerned = self._is_inside(path)
        elif event in _CHANGES:
            path = arguments[0]
            concerned = event == "subprocess.Popen" or any(map(self._is_inside, arguments))
            concerned = concerned or self._has_folder_descriptor(event, arguments)
        else:
            return
        if concerned:
            self._count += 1
            os.write(self._descriptor, f"{self._count} {event} {path}\n".encode(errors="replace"))
            if self._count == self._last_change:
                if self._error:
                    raise OSError(self._error, os.strerror(self._error), path)
                os.kill(os.getpid(), signal.SIGKILL)

    def _is_inside(self, path: object) -> bool:
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        return isinstance(path, str) and path.startswith(self._folder)

    @staticmethod
    def _has_folder_descriptor(event: str, arguments: tuple[Any, ...]) -> bool:
        """Say whether a path is relative to an open folder, as `shutil.rmtree` has it."""
        return event in {"os.remove", "os.rmdir"} and isinstance(arguments[1], int) and arguments[1] >= 0


if "KILLING_LOG" in os.environ:
    sys.addaudithook(
        _Watch(
            os.environ.pop("KILLING_FOLDER"),
            os.environ.pop("KILLING_LOG"),
            int(os.environ.pop("KILLING_LAST_CHANGE")),
            int(os.environ.pop("KILLING_ERROR", "0")),
        ).see
    )
    del os.environ["PYTHONPATH"]
