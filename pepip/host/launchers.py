"""Launchers of entry points: a script with a `#!` line, or on Windows a small program.

On Windows the package `installer` provides these programs for each architecture. They are distlib's launchers, which
pip uses, too.
"""

from __future__ import annotations

import sys

ARE_PROGRAMS = sys.platform == "win32"
HAVE_MODES = sys.platform != "win32"
"""Whether the mode of a file says that it is executable."""


def file_name(script: str) -> str:
    """Return the file name of the launcher of the entry point `script`."""
    return f"{script}.exe" if ARE_PROGRAMS else script


def program(script: str, reference: str, *, is_gui: bool, interpreter: str) -> bytes:
    """Return the content of the Windows launcher that starts `reference` (`module:function`) with `interpreter`."""
    import platform

    from installer.scripts import Script

    module, _, attribute = reference.partition("[")[0].strip().partition(":")
    machine = {"AMD64": "win-amd64", "ARM64": "win-arm64"}.get(platform.machine(), "win-ia32")
    launcher = Script(script, module.strip(), attribute.strip(), "gui" if is_gui else "console")
    _, content = launcher.generate(interpreter, machine)
    return bytes(content)
