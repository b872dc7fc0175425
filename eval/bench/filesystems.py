"""A separate file system for the benchmark, so that caches and projects lie on two."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

IMAGE_BYTES = 40 << 30
"""The size of a sparse file: parts that nobody writes take no room."""


@contextlib.contextmanager
def another(folder: Path) -> Iterator[Path | None]:
    """Mount a new ext4 image at `folder`/mounted and yield that path, or None if that is not allowed."""
    image, place = folder / "other.ext4", folder / "mounted"
    place.mkdir(exist_ok=True)
    with image.open("wb") as file:
        file.truncate(IMAGE_BYTES)
    is_mounted = False
    if os.geteuid() == 0 and shutil.which("mkfs.ext4"):
        made = ["mkfs.ext4", "-q", "-F", "-m", "0", os.fspath(image)]
        mount = ["mount", "-o", "loop,noinit_itable", os.fspath(image), os.fspath(place)]
        is_mounted = all(
            subprocess.run(step, capture_output=True, check=False).returncode == 0 for step in (made, mount)
        )
    try:
        yield place if is_mounted else None
    finally:
        if is_mounted:
            subprocess.run(["umount", os.fspath(place)], check=True)
        image.unlink()
        place.rmdir()
