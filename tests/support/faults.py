"""Injects a system fault at one chosen call of pepip: a kill, a failing or full disk, no permission, or no locks.

A library is compiled here and preloaded into Python. It intercepts each call that writes below a folder: opening
files for writing, folders, links, renames, removals, modes, times, contents, syncs and locks. See `faults.c`. Calls
of programs that pepip starts are not disturbed.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support import preloading
from tests.support.machines import Machine, Output


@dataclass(frozen=True)
class Fault:
    """The fault that happens at the chosen call."""

    name: str
    error: int
    """The errno with which the call fails; 0 for a kill."""
    calls: tuple[str, ...] = ()
    """The kinds of calls that may be chosen. If empty, all kinds."""
    is_lasting: bool = False
    """Whether all later calls of these kinds fail, too, until the process ends."""


_NAMING = ("open", "mkdir", "link", "symlink", "rename", "unlink", "rmdir", "chmod", "utime")
_NEEDING_SPACE = ("open", "mkdir", "link", "symlink", "rename", "write", "fsync", "truncate")

KILL = Fault("kill", 0)
FAULTS = (
    KILL,
    Fault("EIO", errno.EIO),
    Fault("ENOSPC", errno.ENOSPC, _NEEDING_SPACE),
    Fault("EACCES", errno.EACCES, _NAMING),
    Fault("full from then on", errno.ENOSPC, _NEEDING_SPACE, is_lasting=True),
    Fault("read-only from then on", errno.EROFS, (*_NAMING, "write", "truncate"), is_lasting=True),
    Fault("no locks", errno.ENOLCK, ("flock",), is_lasting=True),
)


def disturbed(
    machine: Machine, fault: Fault, point: int, words: Sequence[str | Path], *, folder: Path, within: Path
) -> Output:
    """Run pepip in `folder`, with a fault at its `point`-th call of the fault's kinds below `within`; 0 for none.

    Afterwards `calls_seen` returns the calls of this run. Skips the test if no library can be preloaded.
    """
    log = _log(within)
    log.unlink(missing_ok=True)
    variables = {
        "LD_PRELOAD": str(preloading.compiled("faults.c", "faults of the system")),
        "FAULT_ERROR": str(fault.error),
        "FAULT_FOLDER": str(within),
        "FAULT_LOG": str(log),
        "FAULT_POINT": str(point),
        "TMPDIR": str(machine.make_folder(within / "tmp")),
    }
    if fault.calls:
        variables["FAULT_CALLS"] = ",".join(fault.calls)
    if fault.is_lasting:
        variables["FAULT_LASTING"] = "yes"
    return machine.pepip(*words, folder=folder, check=False, variables=variables)


def calls_seen(within: Path) -> list[str]:
    """Return the calls of the last run by `disturbed`, as `<number> <call> <path>`."""
    return _log(within).read_text(errors="replace").splitlines()


def _log(within: Path) -> Path:
    return within.with_name(f"{within.name}-calls.log")
