"""Starts the programs that make and mount SquashFS images: mksquashfs, mount, squashfuse, fusermount.

Source: mksquashfs(1), mount(8), squashfuse(1), fusermount3(1).
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil

from pepip.errors import ImageError, UvError
from pepip.fast_namedtuple import NamedTuple
from pepip.host import files, mount_namespace
from pepip.uv import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import IO

COMPRESSIONS = {
    "zstd": ("-comp", "zstd", "-Xcompression-level", "6"),
    "gzip": ("-comp", "gzip"),
    "xz": ("-comp", "xz"),
    "lz4": ("-comp", "lz4", "-Xhc"),
}
"""The options of mksquashfs by name. Level 6 of zstd packs better than gzip, in a tenth of the time."""

_MAGIC = b"hsqs"
_SUPERBLOCK_BYTES = 96
_SIZE = slice(40, 48)  # the field bytes_used of the superblock, in version 4 of the format
_WITH_TAR = (4, 5)  # the first version that reads a stream in the tar format
_CONTAINERS = ("apptainer", "singularity")


class Mounted(NamedTuple):
    """A mounted image: its folder, and the name of the program that mounted it."""

    folder: str
    by: str


def packer() -> str:
    """Return the path of mksquashfs. Raises ImageError if there is none, or if it is too old."""
    path = shutil.which("mksquashfs")
    if path is None:
        raise ImageError(
            "mksquashfs is not installed, so no image can be made", hint="install the package squashfs-tools"
        )
    try:
        said = process.run_program([path, "-version"]).stdout
    except UvError as error:
        said = error.output
    match = re.search(r"version (\d+)\.(\d+)", said)
    if match and tuple(map(int, match.groups())) < _WITH_TAR:
        raise ImageError(
            f"{path} {match[1]}.{match[2]} is too old to read a stream of files",
            hint="install squashfs-tools 4.5 or newer; another folder in PATH will do",
        )
    return path


@contextlib.contextmanager
def packing(program: str, image: str, compression: str, time_seconds: int) -> Iterator[IO[bytes]]:
    """Yield a file that takes a tar stream, and make the file `image` of the stream. Equal streams make equal images.

    Raises ImageError if that fails. `image` may then be missing, or hold a part.
    """
    command = [program, "-", image, "-tar", *COMPRESSIONS[compression], "-noappend", "-all-root", "-no-xattrs"]
    command += ["-mkfs-time", str(time_seconds), "-all-time", str(time_seconds), "-root-mode", "0755"]
    command += ["-quiet", "-no-progress", "-no-recovery", "-exit-on-error"]
    try:
        with process.feeding(command) as stream:
            yield stream
    except UvError as error:
        lines = [line.strip() for line in error.output.splitlines() if line.strip()]
        said = next((line for line in lines if "rror" in line), lines[-1] if lines else "it says nothing")
        is_full = "space" in error.output
        raise ImageError(
            f"mksquashfs could not make the image: {said}", hint="make room on its disk" if is_full else None
        ) from error


def check(image: str) -> None:
    """Raise ImageError if a file is no SquashFS image, or not a whole one. Raise OSError if it can't be read."""
    if os.path.isdir(image):
        raise ImageError(f"{image} is a folder, not an image", hint="name the file of an image")
    with open(files.open_regular(image, follows=True), "rb") as file:
        start = file.read(_SUPERBLOCK_BYTES)
        size = os.fstat(file.fileno()).st_size
    if start[: len(_MAGIC)] != _MAGIC:
        raise ImageError(f"{image} is no SquashFS image", hint="`pepip image build -o FILE` makes one")
    used = int.from_bytes(start[_SIZE], "little") if len(start) == _SUPERBLOCK_BYTES else _SUPERBLOCK_BYTES
    if size < used:
        raise ImageError(f"{image} is incomplete: it has {size} of {used} bytes", hint="copy or build it again")


def may_be_replaced(path: str) -> bool:
    """Tell whether an existing file is an image, the start of one, or empty. Raises OSError if it can't be read."""
    with open(files.open_regular(path), "rb") as file:
        return file.read(len(_MAGIC)) in {_MAGIC, b""}


def mount(image: str, folder: str) -> Mounted:
    """Mount an image at an empty folder, read-only.

    If this user is root, the kernel mounts the image, in a mount namespace of this process. That mount ends with the
    last process in the namespace, even after a kill -9. For other users, or if that fails, squashfuse mounts the
    image. Raises ImageError with the reason of each failure if no program can mount it.
    """
    failures = []
    mounter = shutil.which("mount")
    if files.user_id() == 0 and mounter and mount_namespace.enter():
        command = [mounter, "-t", "squashfs", "-o", "loop,ro,nosuid,nodev", "--", image, folder]
        failures += _attempt(command)
        if not failures:
            return Mounted(folder, "mount")
    for program in _squashfuses():
        wanted = "ro,allow_other" if files.user_id() == 0 else "ro"
        failed = _attempt([program, "-o", wanted, image, folder])
        if not failed:
            return Mounted(folder, os.path.basename(program))
        failures += failed
    reasons = "; ".join(failures) or "there is no squashfuse, and only root can mount"
    raise ImageError(
        f"cannot mount {image}: {reasons}",
        hint="install squashfuse, or apptainer, which brings it; a container needs the device /dev/fuse",
    )


def _squashfuses() -> list[str]:
    """Return the programs that mount an image without root: those in PATH, then those that apptainer brings."""
    found = [shutil.which(name) or "" for name in ("squashfuse_ll", "squashfuse")]
    for name in _CONTAINERS:
        program = shutil.which(name)
        if program:
            above = os.path.dirname(os.path.dirname(os.path.realpath(program)))
            found += [f"{above}/libexec/{name}/bin/squashfuse_ll", f"/usr/libexec/{name}/bin/squashfuse_ll"]
    return [path for path in dict.fromkeys(found) if path and os.access(path, os.X_OK)]


def _attempt(command: Sequence[str]) -> list[str]:
    """Run a program that mounts or unmounts. Return a list: the reason if it failed, nothing if it worked."""
    try:
        process.run_program(command)
    except UvError as error:
        lines = [line.strip() for line in error.output.splitlines() if line.strip() and "dmesg(1)" not in line]
        return [f"{os.path.basename(command[0])}: {lines[-1] if lines else 'it failed and says nothing'}"]
    except OSError as error:
        return [f"{os.path.basename(command[0])}: {error.strerror}"]
    return []


def unmount(folder: str, *, lazily: bool = False) -> bool:
    """Unmount a folder, and return whether that worked. With `lazily`, also unmount it while a process uses it.

    Such a process keeps the files that it has open. Root unmounts without fusermount, if the kernel allows it.
    """
    if files.user_id() == 0 and mount_namespace.unmount(folder, lazily=lazily):
        return True
    ways = [("fusermount3", "-u", "-z"), ("fusermount", "-u", "-z"), ("umount", "", "-l")]
    for name, quick, lazy in ways:
        program = shutil.which(name)
        options = [option for option in (quick, lazy if lazily else "") if option]
        if program and not _attempt([program, *options, "--", folder]):
            return True
    return False
