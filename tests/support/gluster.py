"""A real network file system: one GlusterFS volume on this machine, mounted twice, as two nodes would mount it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

# By default the system and the volume's client each remember names and attributes for a second, also of files that
# the other node has removed meanwhile.
_MOUNT_OPTIONS = "entry-timeout=0,attribute-timeout=0"
_OPTIONS = (("performance.stat-prefetch", "off"),)


@contextmanager
def two_mounts(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Make a volume in `folder`, and yield its two mount points. Skips the test without GlusterFS or without root.

    The daemon `glusterd` is started if none answers, and then stopped at the end.
    """
    if os.geteuid() != 0 or not all(map(shutil.which, ("glusterd", "gluster", "mount.glusterfs"))):
        pytest.skip("GlusterFS is missing (the package glusterfs-server), or the tests do not run as root")
    folder.mkdir(parents=True)
    started = _start_daemon(folder / "glusterd.pid")
    host, name = socket.gethostname(), _volume()
    brick, mounts = folder / "brick", (folder / "node-a", folder / "node-b")
    for made in (brick, *mounts):
        made.mkdir()
    try:
        _run("gluster", "--mode=script", "volume", "create", name, f"{host}:{brick}", "force")
        for option in _OPTIONS:
            _run("gluster", "--mode=script", "volume", "set", name, *option)
        _run("gluster", "--mode=script", "volume", "start", name)
        for mount in mounts:
            _run("mount", "-t", "glusterfs", "-o", _MOUNT_OPTIONS, f"{host}:/{name}", str(mount))
        yield mounts
    finally:
        for mount in mounts:
            subprocess.run(["umount", "--lazy", mount], capture_output=True, check=False)
        for words in (("stop", name, "force"), ("delete", name)):
            subprocess.run(["gluster", "--mode=script", "volume", *words], capture_output=True, check=False)
        if started:
            os.kill(started, 15)


@contextmanager
def stopped() -> Iterator[None]:
    """Stop the volume, and start it again. Meanwhile both mount points are there, and each call on them fails."""
    _run("gluster", "--mode=script", "volume", "stop", _volume(), "force")
    try:
        yield
    finally:
        _run("gluster", "--mode=script", "volume", "start", _volume())


def _volume() -> str:
    return f"pepip-{os.getpid()}"


def _start_daemon(pid_file: Path) -> int:
    """Start glusterd if none answers. Return its number, 0 if one was there before."""
    if _answers():
        return 0
    _run("glusterd", "--pid-file", str(pid_file))
    until = time.monotonic() + 60
    while not _answers():
        if time.monotonic() > until:
            pytest.skip("glusterd does not answer")
    return int(pid_file.read_text())


def _answers() -> bool:
    output = subprocess.run(["gluster", "volume", "list"], capture_output=True, check=False, timeout=60)
    return output.returncode == 0


def _run(*words: str) -> None:
    output = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    if output.returncode != 0:
        pytest.skip(f"`{' '.join(words)}`: {(output.stderr or output.stdout).strip()[:200]}")
