"""Asks an environment's Python about its base and its bytecode, and lets it compile modules."""

from __future__ import annotations

import json
import os

from pepip.errors import ImageError, UvError
from pepip.host import files
from pepip.model import BaseInterpreter
from pepip.uv import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_MARK = "<pepip-base>"

# The two programs below run in Python 3.8 or newer.
_PROBE = """
import importlib.util, json, os, sys
prefix = os.path.realpath(sys.base_prefix)
short = "%d.%d%s" % (*sys.version_info[:2], "t" if "t" in sys.abiflags else "")
program = os.path.join(sys.base_exec_prefix, "bin", "python" + short)
folders = {os.path.dirname(os.__file__)}
folders.update(os.path.dirname(path) for path in sys.path if path.endswith("/lib-dynload"))
print(MARK + json.dumps({
    "prefix": prefix,
    "program": os.path.realpath(program),
    "module_folders": sorted(os.path.relpath(os.path.realpath(folder), prefix) for folder in folders),
    "short_version": short,
    "magic": importlib.util.MAGIC_NUMBER.hex(),
    "tag": sys.implementation.cache_tag,
}))
"""

_COMPILER = """
import json, os, py_compile, sys
from concurrent.futures import ProcessPoolExecutor

def compile_one(row):
    source, target = row
    try:
        py_compile.compile(
            source, cfile=target, doraise=True, optimize=0,
            invalidation_mode=py_compile.PycInvalidationMode.TIMESTAMP,
        )
    except Exception:
        pass  # a file for another version of Python does not compile; Python compiles it when it is imported

if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8", errors="surrogateescape") as file:
        rows = json.load(file)
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if workers > 1 and len(rows) > 20:
        with ProcessPoolExecutor(workers) as pool:
            for _ in pool.map(compile_one, rows, chunksize=max(1, min(32, len(rows) // workers))):
                pass
    else:
        for row in rows:
            compile_one(row)
"""


def base_of(executable: str) -> BaseInterpreter:
    """Return the facts of the Python on which the environment of this interpreter is based.

    Raises ImageError if it does not answer.
    """
    try:
        said = process.run_python(executable, ["-I", "-c", f"MARK = {_MARK!r}\n{_PROBE}"]).stdout
        answer = files.load_json(said.rpartition(_MARK)[2].partition("\n")[0].encode())
        return BaseInterpreter(
            answer["prefix"],
            answer["program"],
            tuple(answer["module_folders"]),
            answer["short_version"],
            bytes.fromhex(answer["magic"]),
            answer["tag"],
        )
    except (UvError, ValueError, KeyError, TypeError) as error:
        raise ImageError(
            f"the interpreter {executable} does not report its base Python", hint="make the environment anew"
        ) from error


def compile_files(executable: str, rows: Sequence[tuple[str, str]], folder: str) -> None:
    """Compile pairs of source and bytecode file, in as many processes as there are processors.

    A source that does not compile is skipped. Bytecode is valid for its source's time and size. Temporary files
    go to `folder`. Raises UvError if the interpreter fails.
    """
    compiler, listing = f"{folder}/compile_modules.py", f"{folder}/modules.json"
    files.write_whole(compiler, _COMPILER.encode())
    files.write_whole(listing, json.dumps(rows, ensure_ascii=False).encode("utf-8", "surrogateescape"))
    try:
        process.run_python(executable, ["-I", "-S", compiler, listing])
    finally:
        os.unlink(listing)
        os.unlink(compiler)
