"""Libraries in C that tests preload into programs. They are compiled on this machine, once for each run of tests."""

from __future__ import annotations

import atexit
import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest


@functools.cache
def compiled(source: str, purpose: str) -> Path:
    """Return the library that is compiled from a file in this folder. Every user may read it.

    Skips the test if there is no C compiler, or another C library than glibc. The reason names the `purpose`.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip(f"{purpose} need a C compiler, `cc`, which is missing")
    path = Path(__file__).with_name(source)
    folder = tempfile.mkdtemp(prefix=f"{path.stem}-")
    Path(folder).chmod(0o755)
    atexit.register(shutil.rmtree, folder)
    library = Path(folder) / f"{path.stem}.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(path), "-ldl"]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"{purpose} are made for glibc: {made.stderr.strip()[:200]}")
    return library
