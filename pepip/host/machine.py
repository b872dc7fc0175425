"""The facts of this machine that decide which wheels fit, and that markers name.

Several machines, and containers on one machine, may share a home and a store.
"""

from __future__ import annotations

import os
import sys


def facts() -> list[str]:
    """Return the system, its release, its architecture, and the C library of Linux."""
    if sys.platform == "win32":
        return [
            "Windows",
            ".".join(map(str, sys.getwindowsversion()[:3])),
            os.environ.get("PROCESSOR_ARCHITECTURE", ""),
        ]
    system = os.uname()
    return [system.sysname, system.release, system.version, system.machine, *_c_library()]


def _c_library() -> list[str]:
    """Return the C library, as far as it can be known without a second process.

    glibc tells its version. Without glibc, the state of musl's loader stands for its version.
    """
    if sys.platform == "win32":
        return []
    if "CS_GNU_LIBC_VERSION" in os.confstr_names:
        try:
            return [os.confstr("CS_GNU_LIBC_VERSION") or ""]
        except (OSError, ValueError):
            pass
    try:
        loaders = sorted(name for name in os.listdir("/lib") if name.startswith("ld-musl-"))
        states = [(name, os.stat(f"/lib/{name}")) for name in loaders]
    except OSError:
        return []
    return [f"{name} {status.st_size} {status.st_mtime_ns}" for name, status in states]
