"""The rules of `uv run` that no other command of uv reveals.

There are two: the folder from which uv looks for a project, and the kinds of scripts for which it looks for none.
They decide how pepip asks uv. uv itself answers which project it uses, and which distributions the environment lacks.
pepip repeats nothing else of uv's discovery. tests/uv/test_run_discovery.py compares both rules with uv.
Source: uv 0.13, `ParsedRunCommand` and `ScriptTag`; PEP 723.
"""

from __future__ import annotations

import os
import stat

from pepip.errors import UvError
from pepip.paths import upward

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

COMMAND = "command"  # a program, a module, or Python itself
SCRIPT = "script"
ARCHIVE = "archive"  # a folder or a zip file with a `__main__.py`
REMOTE = "remote"  # a script at a URL
STDIN = "stdin"

_RAY_WORKER = "/ray/_private/workers/default_worker.py"
_TAG = b"# /// script"
_SCRIPT_ENDINGS = (".py", ".pyc", ".pyw")
_NO_PYTHON = "/nonexistent/pepip-asks-only/python"
_ZIP_END = b"PK\x05\x06"
_ZIP_END_SIZE_BYTES = 22 + 65_535  # the record at the end of a zip file, and its longest comment


def kind_of(target: str, *, is_module: bool = False, is_script: bool = False) -> str:
    """Return the kind of target that `uv run` sees in its first word.

    `is_script` stands for `--script` and `--gui-script`.
    """
    if not target:
        return COMMAND
    if target == "-":
        return STDIN
    if target.partition("/")[0] in {"http:", "https:"} and not os.path.exists(target):
        return REMOTE
    if is_module:
        return COMMAND
    if is_script:
        return SCRIPT
    if target.lower() == "python":
        return COMMAND
    if os.path.splitext(target)[1].lower() in _SCRIPT_ENDINGS and os.path.isfile(target):
        return SCRIPT
    if os.path.isfile(f"{target}/__main__.py") or _is_zip_application(target):
        return ARCHIVE
    return COMMAND


def is_ray_worker(target: str) -> bool:
    """Tell whether a target is the script that Ray starts for each of its workers.

    The script lies in Ray's package, so uv would look for the project above the folder where Ray is installed. Ray
    means the project in the current folder, which is its `working_dir`.
    """
    return target.endswith(_RAY_WORKER)


def project_start(target: str, kind: str) -> str:
    """Return the absolute path of the folder from which uv looks upward for a project: the script's folder.

    Empty if uv starts in the current folder. uv does so for a target that is no script or archive, and for a
    target that is named without a folder.
    """
    parent = os.path.dirname(_without_end(target)) if kind in {SCRIPT, ARCHIVE} else ""
    if not parent:
        return ""
    folder = os.path.join(os.getcwd(), parent)
    start = os.path.normpath(folder)
    # uv goes up the path as it is written: above `a/../b` it looks in `a/..`, and then in `a`.
    found = next(filter(_has_project, _upward_as_written(folder)), "")
    expected = next(filter(_has_project, upward(start)), "")
    return start if not found or os.path.normpath(found) == expected else os.path.normpath(found)


def has_inline_metadata(path: str) -> bool:
    """Tell whether the script at `path` has inline metadata (PEP 723), by which uv runs or refuses the script.

    A pipe is not read, because uv could not read its content again.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return False
        with open(path, "rb") as file:
            return names_metadata(file.read())
    except OSError:
        return False


def names_metadata(script: bytes) -> bool:
    """Tell whether a script with this text has inline metadata, by which uv runs or refuses the script.

    Only the first tag in the text counts, and only on a line of its own. uv refuses a script whose block is
    malformed.
    """
    start = script.find(_TAG)
    if start < 0 or script[max(start - 1, 0) : start] not in {b"", b"\r", b"\n"}:
        return False
    try:
        script.decode()
    except UnicodeDecodeError:
        return True  # uv refuses it
    line, newline, _ = script[start:].partition(b"\n")
    return line.removesuffix(b"\r" if newline else b"") == _TAG


def remote_has_metadata(options: Sequence[str], url: str) -> bool:
    """Tell whether uv runs the script at `url` by its inline metadata, or can't get the script. uv downloads it.

    pepip asks `uv run` for an interpreter that does not exist, so uv ends before it changes or runs anything. If the
    script would run in a project, uv's log first names that project. A log that can't be read counts as metadata.
    Raises UvError if uv ends without an error.
    """
    from pepip.uv import process

    try:
        process.run(["run", "--python", _NO_PYTHON, *options, "--", url], RUST_LOG="uv=debug", NO_COLOR="1")
    except UvError as error:
        return "DEBUG Discovered project" not in error.output and "DEBUG Discovered virtual" not in error.output
    raise UvError(f"uv ran {url} with an interpreter that does not exist")


def _is_zip_application(path: str) -> bool:
    """Tell whether a path names a zip file that Python can run. A path without a folder is not opened.

    For such a path, as for a command, uv looks for the project in the current folder.
    """
    if not os.path.dirname(path) or not os.path.isfile(path):
        return False
    try:
        with open(path, "rb") as file:
            file.seek(max(os.fstat(file.fileno()).st_size - _ZIP_END_SIZE_BYTES, 0))
            if _ZIP_END not in file.read():
                return False
    except OSError:
        return False
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            return "__main__.py" in archive.namelist()
    except (OSError, ValueError, zipfile.BadZipFile):
        return False


def _without_end(path: str) -> str:
    """Return a path without the endings that name the same folder again: `a/b/./` becomes `a/b`."""
    while path.endswith(("/", "/.")):
        path = path[:-1].removesuffix("/")
    return path


def _upward_as_written(path: str) -> Iterator[str]:
    """Yield a path, then the path without its last name, and so on up to the root."""
    while True:
        yield path
        above = os.path.dirname(_without_end(path))
        if above == path:
            return
        path = above


def _has_project(folder: str) -> bool:
    return os.path.isfile(f"{folder}/pyproject.toml")
