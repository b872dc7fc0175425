"""Small file systems for tests, mounted from image files: full disks, copy-on-write, and other devices.

Each is removed when its context ends. If one can't be mounted here, the test is skipped with a reason.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

_MAKE_FILESYSTEM = {
    "ext4": ("mkfs.ext4", "-q", "-F", "-m", "0"),
    "btrfs": ("mkfs.btrfs", "-q", "-f"),
    "xfs": ("mkfs.xfs", "-q", "-f", "-m", "reflink=1"),
}

SMALLEST_MEBIBYTES = {"tmpfs": 1, "ext4": 4, "btrfs": 128, "xfs": 320}
"""The smallest size in which each file system can be made."""


@contextlib.contextmanager
def mounted(kind: str, directory: Path, *, mebibytes: int) -> Iterator[Path]:
    """Mount an empty `tmpfs`, `ext4`, `btrfs` or `xfs` at `directory`, and yield that path.

    `directory` is made if it is missing.
    """
    if os.geteuid() != 0:
        pytest.skip(f"mounting {kind} needs root")
    for tool in ("mount", "umount", *_MAKE_FILESYSTEM.get(kind, ())[:1]):
        if shutil.which(tool) is None:
            pytest.skip(f"mounting {kind} needs {tool}, which is missing")
    directory.mkdir(parents=True, exist_ok=True)
    image = directory.with_name(f"{directory.name}.{kind}")
    if kind == "tmpfs":
        _run_or_skip("mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "pepip-tests", os.fspath(directory))
    else:
        with image.open("wb") as file:
            file.truncate(max(mebibytes, SMALLEST_MEBIBYTES[kind]) << 20)
        _run_or_skip(*_MAKE_FILESYSTEM[kind], os.fspath(image))
        _run_or_skip("mount", "-t", kind, "-o", "loop", os.fspath(image), os.fspath(directory))
    try:
        yield directory
    finally:
        _unmount(directory)
        image.unlink(missing_ok=True)


@contextlib.contextmanager
def overlaid(lower: Path, directory: Path) -> Iterator[Path]:
    """Mount an overlay of `lower` at `directory`, and yield that path. Changes go into another folder."""
    if os.geteuid() != 0:
        pytest.skip("mounting an overlay needs root")
    layers = directory.with_name(f"{directory.name}.layers")
    for folder in (directory, layers / "upper", layers / "work"):
        folder.mkdir(parents=True, exist_ok=True)
    options = f"lowerdir={lower},upperdir={layers / 'upper'},workdir={layers / 'work'}"
    _run_or_skip("mount", "-t", "overlay", "-o", options, "pepip-tests", os.fspath(directory))
    try:
        yield directory
    finally:
        _unmount(directory)
        subprocess.run(["chmod", "-R", "u+w", os.fspath(layers)], check=False)
        shutil.rmtree(layers)


def _unmount(directory: Path) -> None:
    done = subprocess.run(["umount", os.fspath(directory)], capture_output=True, check=False)
    if done.returncode != 0:
        subprocess.run(["umount", "--lazy", os.fspath(directory)], capture_output=True, check=False)


def _run_or_skip(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"`{' '.join(command)}` is not allowed here: {done.stderr.strip()}")


@contextlib.contextmanager
def layered(directory: Path) -> Iterator[Path]:
    """Make the contents of `directory` the lower layer of an overlay at the same path, and yield that path.

    So the contents are like a container's image. Changes go into an upper layer beside `directory`. At the end the
    overlay is unmounted, and the layers stay.
    """
    if os.geteuid() != 0:
        pytest.skip("mounting an overlay needs root")
    layers = {name: directory.with_name(f"{directory.name}.{name}") for name in ("lower", "upper", "work")}
    directory.rename(layers["lower"])
    for folder in (layers["upper"], layers["work"], directory):
        folder.mkdir()
    options = f"lowerdir={layers['lower']},upperdir={layers['upper']},workdir={layers['work']},redirect_dir=off"
    _run_or_skip("mount", "-t", "overlay", "-o", options, "pepip-tests", os.fspath(directory))
    try:
        yield directory
    finally:
        _unmount(directory)
