"""Finds calls in the app's own thread that read the disk of a test's user. A disk may hang, and the app with it."""

from __future__ import annotations

import builtins
import contextlib
import functools
import io
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_CALLS = ("stat", "lstat", "scandir", "listdir", "readlink", "access", "open", "statvfs", "unlink", "mkdir")
_TESTS = str(Path(__file__).parent.parent)
_PEPIP = str(Path(__file__).parent.parent.parent / "pepip")


@contextlib.contextmanager
def recorded(place: Path) -> Iterator[list[str]]:
    """Return a list that gets the calls in this thread that read below `place`, and pepip's line that made each.

    Calls of the test itself are left out.
    """
    found: list[str] = []
    below, thread = f"{place}/", threading.get_ident()

    def watching(real: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(real)
        def call(*arguments: Any, **options: Any) -> Any:
            if threading.get_ident() == thread and arguments and isinstance(arguments[0], (str, os.PathLike)):
                path = os.fspath(arguments[0])
                if isinstance(path, str) and path.startswith(below) and (caller := _caller()):
                    found.append(f"{real.__name__} {path}: {caller}")
            return real(*arguments, **options)

        return call

    owners: list[tuple[Any, str]] = [*((os, name) for name in _CALLS), (builtins, "open"), (io, "open")]
    before = [(owner, name, getattr(owner, name)) for owner, name in owners]
    for owner, name, real in before:
        setattr(owner, name, watching(real))
    try:
        yield found
    finally:
        for owner, name, real in before:
            setattr(owner, name, real)


def _caller() -> str:
    """Return the line of pepip that is running in an event loop; empty if a test has called pepip."""
    frame, lines = sys._getframe(2), []
    while frame is not None and not frame.f_code.co_filename.endswith("asyncio/events.py"):
        name = frame.f_code.co_filename
        if name.startswith(_TESTS):
            return ""
        if name.startswith(_PEPIP):
            lines.append(f"{os.path.relpath(name, _PEPIP)}:{frame.f_lineno} {frame.f_code.co_name}")
        frame = frame.f_back  # type: ignore[assignment]
    return " < ".join(lines) if frame is not None else ""
