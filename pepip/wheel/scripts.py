"""Console scripts, GUI scripts and `.data` scripts: what a launcher says and which interpreter starts it.

The text of a launcher is uv's own, taken from what uv staged, so that both tools make the same bytes; only the
`#!` line is each environment's.
"""

from __future__ import annotations

import os

from pepip.fast_namedtuple import NamedTuple

OF_PYTHON = "{python}"
"""Stands for the version of Python in the name of a launcher that uv names for it, as `pip3.12` is."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_SHEBANG_LIMIT = 127  # BINPRM_BUF_SIZE of older Linux kernels, less the final newline

_FOLDERS_OF_SYSTEM = frozenset((b"/bin", b"/usr/bin", b"/usr/local/bin"))


class EntryPoint(NamedTuple):
    """One script that an `entry_points.txt` declares. `reference` is `module:function`."""

    name: str
    reference: str
    is_gui: bool


def entry_points(text: str) -> Iterator[EntryPoint]:
    """Yield the console and GUI scripts that an `entry_points.txt` declares.

    What follows the last `]` of a section's line is no part of its name, as in Python's `configparser`.
    """
    section = ""
    for raw_line in text.splitlines():
        line = raw_line.strip()
        if line.startswith("[") and "]" in line:
            section = line[1 : line.rindex("]")]
        elif section in {"console_scripts", "gui_scripts"} and "=" in line and not line.startswith(("#", ";")):
            name, _, reference = line.partition("=")
            yield EntryPoint(name.strip(), reference.strip(), section == "gui_scripts")


def is_script_name(name: str) -> bool:
    """Tell whether a script's name is one plain file name, so that it lands in `bin` and nowhere else."""
    return bool(name) and name not in {".", ".."} and not set(name) & {"/", "\\", "\0", ":"}


def shebang(interpreter: str, *, relocatable: bool = False) -> bytes:
    """Return the first line or lines that start `interpreter`, without the final newline.

    A path that is too long for the kernel, or that has a space, goes through `/bin/sh`. So does an interpreter that
    is looked up by its name beside the script itself (`relocatable`).
    """
    path = os.fsencode(os.path.basename(interpreter) if relocatable else interpreter)
    if not relocatable and len(path) + 3 <= _SHEBANG_LIMIT and b" " not in path:
        return b"#!" + path
    folder = b'"$(dirname -- "$(realpath -- "$0")")"/' if relocatable else b""
    quoted = b"'" + path.replace(b"'", b"'\"'\"'") + b"'"
    return b"#!/bin/sh\n'''exec' " + folder + quoted + b' "$0" "$@"\n' + b"' '''"


def body(launcher: bytes) -> bytes:
    """Return what follows the interpreter line or lines of a launcher, beginning with the newline."""
    end = b"\n" if not launcher.startswith(b"#!/bin/sh\n") else b"\n' '''"
    position = launcher.index(end)
    return launcher[position:] if end == b"\n" else launcher[position + len(end) :]


def wants_interpreter(content: bytes) -> bool:
    """Tell whether a `.data` script begins with the `#!python` line that an installer replaces.

    Whatever else stands on that line: `#!python3`, `#!pythonw`, options.
    """
    return content.startswith(b"#!python")


def is_of_environment(content: bytes) -> bool:
    """Tell whether a `.data` script begins with an installer's line for the interpreter of one environment.

    No wheel has such lines; the folders of the system's own interpreters are named by some.
    """
    first, _, rest = content.partition(b"\n")
    if first == b"#!/bin/sh":
        return rest.startswith(b"'''exec' ")
    folder, _, name = first.partition(b" ")[0].rpartition(b"/")
    return folder.startswith(b"#!/") and name.startswith(b"python") and folder[2:] not in _FOLDERS_OF_SYSTEM


def with_interpreter(content: bytes, interpreter: str, *, relocatable: bool = False) -> bytes:
    """Return a `.data` script whose `#!python` line is replaced by the line or lines that start `interpreter`.

    As uv does it, the whole line goes, with what else stands on it.
    """
    rest = content.partition(b"\n")[2]
    return shebang(interpreter, relocatable=relocatable) + b"\n" + rest


def restored(content: bytes) -> bytes:
    """Return a `.data` script with the line `#!python` in place of the one that starts its environment's interpreter.

    What else stood on the wheel's line is not known any more: uv and pip drop it.
    """
    return _WANTED + body(content) if is_of_environment(content) else canonical(content)


def canonical(content: bytes) -> bytes:
    """Return a script as `restored` gives it, taken from a wheel."""
    return _WANTED + b"\n" + content.partition(b"\n")[2] if wants_interpreter(content) else content


_WANTED = b"#!python"


def launcher(reference: str) -> str:
    """Return what uv writes below the interpreter line of an entry point's launcher, with the newline before it."""
    module, _, function = reference.partition("[")[0].strip().partition(":")
    module, function = module.strip(), function.strip()
    return _LAUNCHER.format(module=module, first=function.partition(".")[0], function=function)


_LAUNCHER = """
# -*- coding: utf-8 -*-
import sys
from {module} import {first}
if __name__ == "__main__":
    if sys.argv[0].endswith("-script.pyw"):
        sys.argv[0] = sys.argv[0][:-11]
    elif sys.argv[0].endswith(".exe"):
        sys.argv[0] = sys.argv[0][:-4]
    sys.exit({function}())
"""
