"""Reports on an environment as JSON on stdout. Runs in the environment's own interpreter, Python 3.8 or newer.

It reports each distribution as `importlib.metadata` sees it, imports every top-level name, and loads every shared
library. Each import and load is in its own process, so that a crash or exit ends nothing else. Knows nothing of
pepip, and imports only the standard library.
"""

from __future__ import annotations

import contextlib
import csv
import ctypes
import functools
import importlib
import importlib.metadata
import json
import os
import select
import signal
import sys
import sysconfig
import time
from collections.abc import Callable
from typing import Any

TIMEOUT_SECONDS = 120

SITE_PACKAGES = sysconfig.get_path("purelib")


def main() -> None:
    """Print the report."""
    distributions = [described(found) for found in importlib.metadata.distributions()]
    names = importable_names([row[0] for found in distributions for row in found["record"]])
    report: dict[str, Any] = {
        "distributions": distributions,
        "imports": {name: outcome(functools.partial(import_name, name)) for name in names},
        "libraries": {path: outcome(functools.partial(load_library, path)) for path in shared_libraries()},
    }
    sys.stdout.write(json.dumps(report))


def described(found: importlib.metadata.Distribution) -> dict[str, Any]:
    """Return the metadata of a distribution."""
    record = list(csv.reader((found.read_text("RECORD") or "").splitlines()))
    files = found.files or []
    return {
        "name": found.metadata["Name"],
        "version": found.version,
        "requires": sorted(found.requires or []),
        "entry_points": sorted(f"{point.group}: {point.name} = {point.value}" for point in found.entry_points),
        "record": [row for row in record if row],
        "files": [str(path) for path in files],
        "missing_files": [str(path) for path in files if not os.path.exists(path.locate())],
    }


def importable_names(record_paths: list[str]) -> list[str]:
    """Return the dotted names that can be imported, from RECORD paths.

    For each path this is the outermost regular package or, outside of any package, the module.
    """
    names = set()
    for record_path in record_paths:
        parts = record_path.split("/")
        module = module_name(parts[-1])
        folders = parts[:-1]
        if module is None or not all(part.isidentifier() for part in folders):
            continue
        for depth in range(1, len(parts)):
            if os.path.exists(os.path.join(SITE_PACKAGES, *folders[:depth], "__init__.py")):
                names.add(".".join(folders[:depth]))
                break
        else:
            if module.isidentifier() and module != "__init__":
                names.add(".".join([*folders, module]))
    return sorted(names)


def module_name(filename: str) -> str | None:
    """Return the name under which a file can be imported, or None."""
    for suffix in (".py", sysconfig.get_config_var("EXT_SUFFIX"), ".abi3.so"):
        if filename.endswith(suffix):
            return filename[: -len(suffix)]
    return None


def shared_libraries() -> list[str]:
    """Return the paths of shared libraries, relative to the environment's root.

    A shared library is recognized by its name and its first bytes.
    """
    found = []
    for folder, _, names in os.walk(SITE_PACKAGES, followlinks=True):
        for name in names:
            path = os.path.join(folder, name)
            if (name.endswith(".so") or ".so." in name) and os.path.isfile(path):
                with open(path, "rb") as file:
                    if file.read(4) == b"\x7fELF":
                        found.append(os.path.relpath(path, sys.prefix))
    return sorted(found)


def import_name(name: str) -> str:
    """Import a module and report its file."""
    module = importlib.import_module(name)
    return f"imported from {getattr(module, '__file__', None)}"


def load_library(path: str) -> str:
    """Load a shared library by its path in the environment."""
    ctypes.CDLL(os.path.join(sys.prefix, path))
    return "loaded"


def outcome(action: Callable[[], str]) -> str:
    """Run `action` in a new process. Return its answer, or how the process failed or ended."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        act_in_child(action, writing)
    os.close(writing)
    answer = read_answer(reading)
    os.close(reading)
    with contextlib.suppress(OSError):
        os.killpg(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if answer is None:
        return f"no answer within {TIMEOUT_SECONDS} seconds"
    if answer:
        return answer
    if os.WIFSIGNALED(status):
        return f"signal {os.WTERMSIG(status)}"
    return f"exit {os.WEXITSTATUS(status)}"


def act_in_child(action: Callable[[], str], writing: int) -> None:
    """Run `action`, write its answer as one line, and end this process immediately."""
    os.setpgid(0, 0)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    try:
        answer = action()
    except BaseException as error:  # noqa: BLE001  also SystemExit: the answer is what the import raised
        answer = f"{type(error).__name__}: {error}"
    os.write(writing, answer.replace("\n", " ").encode(errors="backslashreplace")[:2000] + b"\n")
    os._exit(0)


def read_answer(reading: int) -> str | None:
    """Return the first line, an empty string if the writer ended without one, or None after the time limit."""
    collected = b""
    ends = time.monotonic() + TIMEOUT_SECONDS
    while b"\n" not in collected:
        ready, _, _ = select.select([reading], [], [], max(0.0, ends - time.monotonic()))
        if not ready:
            return None
        block = os.read(reading, 4096)
        if not block:
            return ""
        collected += block
    return collected.decode(errors="replace").rstrip("\n")


if __name__ == "__main__":
    main()
