"""Running a program in an image: mounted for the program, and unmounted after it."""

from __future__ import annotations

import contextlib
import os

from pepip.errors import ImageError, UsageError
from pepip.host import temp_dirs
from pepip.uv import process, squashfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_OF_ANOTHER_PYTHON = ("PYTHONHOME", "CONDA_PREFIX", "CONDA_DEFAULT_ENV", "UV_PROJECT_ENVIRONMENT")


@contextlib.contextmanager
def mounted(image: str) -> Iterator[str]:
    """Yield a new folder at which an image is mounted, read-only. At the end unmount it, and remove the folder.

    Mounts that killed runs of this user have left are unmounted first. Raises ImageError or OSError.
    """
    squashfs.check(image)
    with temp_dirs.folder("pepip-images", before_removal=_unmount_left) as above:
        folder = f"{above}/env"
        os.mkdir(folder, 0o700)
        squashfs.mount(os.path.abspath(image), folder)
        try:
            yield folder
        finally:
            if not squashfs.unmount(folder):
                squashfs.unmount(folder, lazily=True)


def _unmount_left(run: str) -> None:
    if os.path.isdir(run):
        squashfs.unmount(f"{run}/env")


def run(image: str, command: Sequence[str]) -> int:
    """Run a command with an image as its environment, on this terminal, and return its exit code.

    If a signal ended the command, the code is 128 plus its number. Raises ImageError or OSError if the image
    can't be mounted, UsageError if the command can't be started.
    """
    with mounted(image) as folder:
        _check(image, folder)
        for name in _OF_ANOTHER_PYTHON:
            os.environ.pop(name, None)
        os.environ["VIRTUAL_ENV"] = folder
        os.environ["PATH"] = os.pathsep.join([f"{folder}/bin", os.environ.get("PATH", os.defpath)])
        try:
            code = process.run_attached(command)
        except (FileNotFoundError, PermissionError) as error:
            raise UsageError(f"cannot start {command[0]}: {error.strerror}") from error
    return code if code >= 0 else 128 - code


def _check(image: str, folder: str) -> None:
    program = f"{folder}/bin/python"
    if not os.path.lexists(program):
        raise ImageError(f"{image} holds no environment", hint="`pepip image build -o FILE` makes one")
    if not os.path.exists(program):
        raise ImageError(
            f"{image} needs {os.readlink(program)}, which this machine does not have",
            hint="build the image with --with-python, or install that Python at that path",
        )
