"""Console scripts, GUI scripts and `.data` scripts: what a launcher says and which interpreter starts it.

The text of a launcher is uv's own, taken from what uv staged, so that both tools make the same bytes; only the
`#!` line is each environment's.
"""

from __future__ import annotations

from pepip.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_SHEBANG_LIMIT = 127  # BINPRM_BUF_SIZE of older Linux kernels, less the final newline


class EntryPoint(NamedTuple):
    """One script that an `entry_points.txt` declares. `reference` is `module:function`."""

    name: str
    reference: str
    is_gui: bool


def entry_points(text: str) -> Iterator[EntryPoint]:
    """Yield the console and GUI scripts that an `entry_points.txt` declares."""
    section = ""
    for raw_line in text.splitlines():
        line = raw_line.strip()
        if line.startswith("["):
            section = line
        elif section in {"[console_scripts]", "[gui_scripts]"} and "=" in line and not line.startswith(("#", ";")):
            name, _, reference = line.partition("=")
            yield EntryPoint(name.strip(), reference.strip(), section == "[gui_scripts]")


def is_script_name(name: str) -> bool:
    """Tell whether a script's name is one plain file name, so that it lands in `bin` and nowhere else."""
    return bool(name) and name not in {".", ".."} and not set(name) & {"/", "\\", "\0", ":"}


def shebang(interpreter: str, *, relocatable: bool = False) -> bytes:
    """Return the first line or lines that start `interpreter`, without the final newline.

    A path that is too long for the kernel, or that has a space, goes through `/bin/sh`, as does one that is
    looked up beside the script itself (`relocatable`).
    """
    if not relocatable and len(interpreter.encode()) + 3 <= _SHEBANG_LIMIT and " " not in interpreter:
        return b"#!" + interpreter.encode()
    quoted = "'" + interpreter.replace("'", "'\"'\"'") + "'"
    folder = '"$(dirname -- "$(realpath -- "$0")")"/' if relocatable else ""
    return f"#!/bin/sh\n'''exec' {folder}{quoted} \"$0\" \"$@\"\n' '''".encode()


def body(launcher: bytes) -> bytes:
    """Return what follows the interpreter line or lines of a launcher, beginning with the newline."""
    end = b"\n" if not launcher.startswith(b"#!/bin/sh\n") else b"\n' '''"
    position = launcher.index(end)
    return launcher[position:] if end == b"\n" else launcher[position + len(end) :]


def split_shebang(content: bytes, interpreter: str) -> bytes | None:
    """Return what follows the interpreter line of an installed script, None if another line stands there.

    The rest begins with the newline.
    """
    line = shebang(interpreter)
    if content.startswith(line + b"\n") or content.startswith(line + b" "):
        return content[len(line) :]
    return None


def wants_interpreter(content: bytes) -> bool:
    """Tell whether a `.data` script begins with the `#!python` line that an installer replaces."""
    return content.startswith((b"#!python\n", b"#!python\r\n", b"#!python ", b"#!pythonw"))


def with_interpreter(content: bytes, interpreter: str, *, relocatable: bool = False) -> bytes:
    """Return a `.data` script with its `#!python` line replaced by the one that starts `interpreter`."""
    marker = b"#!pythonw" if content.startswith(b"#!pythonw") else b"#!python"
    return shebang(interpreter, relocatable=relocatable) + content[len(marker) :]
