"""What starts an entry point: a script with a `#!` line, or on Windows a small program.

There, `installer` brings the programs that pip and others use too (PyPA's distlib launchers), for each architecture.
"""

from __future__ import annotations

import sys

ARE_PROGRAMS = sys.platform == "win32"
HAVE_MODES = sys.platform != "win32"
"""Whether a file's mode says that it may be run."""


def file_name(script: str) -> str:
    """Return the name of the file that starts the entry point `script`."""
    return f"{script}.exe" if ARE_PROGRAMS else script


def program(script: str, reference: str, *, is_gui: bool, interpreter: str) -> bytes:
    """Return the Windows program that starts `reference` (`module:function`) with `interpreter`."""
    import platform

    from installer.scripts import Script

    module, _, attribute = reference.partition("[")[0].strip().partition(":")
    machine = {"AMD64": "win-amd64", "ARM64": "win-arm64"}.get(platform.machine(), "win-ia32")
    launcher = Script(script, module.strip(), attribute.strip(), "gui" if is_gui else "console")
    _, content = launcher.generate(interpreter, machine)
    return bytes(content)
