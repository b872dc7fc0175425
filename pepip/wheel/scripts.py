"""Console scripts, GUI scripts and `.data` scripts: the text of a launcher, and the line that starts its interpreter.

The text of a launcher comes from the launcher that uv staged, or from `launcher`: uv and pepip make the same bytes.
Only the `#!` line differs between environments.
"""

from __future__ import annotations

import os
import sys

from pepip.fast_namedtuple import NamedTuple

OF_PYTHON = "{python}"
"""The placeholder for the version of Python in a launcher's name such as `pip3.12`."""

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

    Text after the last `]` of a section's line is ignored, as in Python's `configparser`.
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
    """Tell whether a script's name is one plain file name, so that the script lands in `bin` and nowhere else."""
    return bool(name) and name not in {".", ".."} and not set(name) & {"/", "\\", "\0", ":"}


def shebang(interpreter: str, *, relocatable: bool = False) -> bytes:
    """Return the first line or lines that start `interpreter`, without the final newline.

    `/bin/sh` starts the interpreter if its path is too long for the kernel or has a space, or if the environment is
    `relocatable`: then the interpreter is looked up by its name in the folder of the script.
    """
    path = os.fsencode(os.path.basename(interpreter) if relocatable else interpreter)
    if sys.platform == "win32":
        return b"#!" + path  # the launcher of Python reads this line, and needs no quotes
    if not relocatable and len(path) + 3 <= _SHEBANG_LIMIT and b" " not in path:
        return b"#!" + path
    folder = b'"$(dirname -- "$(realpath -- "$0")")"/' if relocatable else b""
    quoted = b"'" + path.replace(b"'", b"'\"'\"'") + b"'"
    return b"#!/bin/sh\n'''exec' " + folder + quoted + b' "$0" "$@"\n' + b"' '''"


def body(launcher: bytes) -> bytes:
    """Return the text of a launcher from the newline after its interpreter line or lines, empty if they never end."""
    if launcher.startswith(b"#!/bin/sh\n"):
        return launcher.partition(_END_OF_SHELL)[2]
    _, newline, rest = launcher.partition(b"\n")
    return newline + rest


_END_OF_SHELL = b"\n' '''"


def wants_interpreter(content: bytes) -> bool:
    """Tell whether a `.data` script begins with the `#!python` line that an installer replaces.

    Anything may follow on that line: `#!python3`, `#!pythonw`, options.
    """
    return content.startswith(b"#!python")


def is_of_environment(content: bytes) -> bool:
    """Tell whether a `.data` script begins with the line by which an installer starts one environment's interpreter.

    No wheel has such a line. A line that names an interpreter of the system does not count, because some wheels have
    it. Nor does a line without an end: installers end it.
    """
    first, newline, rest = content.partition(b"\n")
    if not newline:
        return False
    if sys.platform == "win32" and first[:2] == b"#!" and first[3:4] == b":":  # a drive; its path may have spaces
        return first.replace(b"\\", b"/").rpartition(b"/")[2].startswith(b"python")
    if first == b"#!/bin/sh":
        return rest.startswith(b"'''exec' ") and _END_OF_SHELL in rest
    folder, _, name = first.partition(b" ")[0].rpartition(b"/")
    return folder.startswith(b"#!/") and name.startswith(b"python") and folder[2:] not in _FOLDERS_OF_SYSTEM


def with_interpreter(content: bytes, interpreter: str, *, relocatable: bool = False) -> bytes:
    """Return a `.data` script whose `#!python` line is replaced by the line or lines that start `interpreter`.

    The whole line is replaced, with its options, as uv does it.
    """
    rest = content.partition(b"\n")[2]
    return shebang(interpreter, relocatable=relocatable) + b"\n" + rest


def restored(content: bytes) -> bytes:
    """Return an installed `.data` script with the line `#!python`, as its wheel has it.

    Options on the wheel's own line are lost: uv and pip drop them.
    """
    return _PLACEHOLDER + body(content) if is_of_environment(content) else canonical(content)


def canonical(content: bytes) -> bytes:
    """Return a script of a wheel in the form that `restored` returns."""
    return _PLACEHOLDER + b"\n" + content.partition(b"\n")[2] if wants_interpreter(content) else content


_PLACEHOLDER = b"#!python"


def launcher(reference: str) -> str:
    """Return the text that uv writes after the interpreter line of an entry point's launcher, from its newline on."""
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
