"""Mounts images for tests, as the kernel does it, and tells what runs have left mounted."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.machines import Machine


def require_mksquashfs() -> None:
    """Skip the test where no image can be made."""
    if shutil.which("mksquashfs") is None:
        pytest.skip("mksquashfs is missing")


def require_mounts() -> None:
    """Skip the test where no image can be made and mounted by the kernel."""
    require_mksquashfs()
    if os.geteuid() != 0:
        pytest.skip("the tests do not run as root")


@contextlib.contextmanager
def mounted_image(image: Path, folder: Path) -> Iterator[Path]:
    """Yield a new folder at which an image is mounted. Skip the test if this machine can't mount it."""
    require_mounts()
    folder.mkdir(parents=True)
    command = ["mount", "-t", "squashfs", "-o", "loop,ro", image, folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this machine mounts no image: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)
        folder.rmdir()


def build(machine: Machine, project: Path, *words: str | Path, name: str = "env.sqfs") -> Path:
    """Build an image of the project's environment beside it, and return it."""
    require_mksquashfs()
    image = project / name
    machine.pepip("image", "build", "-o", image, *words, folder=project)
    return image


def left_by_runs(temporary: Path) -> list[str]:
    """Return the mounts below a folder for temporary files, and everything in it."""
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    return [line for line in mounts if f" {temporary}/" in line] + [str(path) for path in temporary.rglob("*")]
