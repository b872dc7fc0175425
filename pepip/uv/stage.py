"""Letting uv unpack and build: into a staging prefix, or, for what can't be shared, into the environment itself."""

from __future__ import annotations

import os
import re

from pepip.paths import normalize_name
from pepip.records import NamedTuple
from pepip.uv import process, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pepip.model import Request

PLAIN_OUTPUT = ("--color", "never", "--no-progress")
_DOWNLOADED = r"^\s*(Downloaded|Built) ([A-Za-z0-9._-]+)"


class Arrival(NamedTuple):
    """A distribution that uv has downloaded or built."""

    name: str
    is_built: bool


def stage(request: Request, requirements: Sequence[str], executable: str, *, prefix: str) -> Iterator[Arrival]:
    """Unpack or build exactly these into `prefix`, from uv's cache where it has them.

    `requirements` are lines of a requirements file. Hashes are checked by uv. Raises UvError with uv's message; the
    prefix may then hold anything.
    """
    listing = f"{prefix}.txt"
    with open(listing, "w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in requirements)
    into = ["--python", executable, "--prefix", prefix]
    if _links_symbolically(request):
        into += ["--link-mode", "hardlink"]  # an entry must not point into a cache that can be emptied
    yield from arrivals(
        ["pip", "install", "--no-deps", *PLAIN_OUTPUT, *_without_link_mode(request.everywhere), *into, "-r", listing]
    )


def install_private(
    request: Request, requirements: Sequence[str], executable: str, *, reinstall: Sequence[str]
) -> Iterator[Arrival]:
    """Let uv install `requirements`, lines of a requirements file, as real files into the environment.

    `reinstall` names those of them that are there already. Their dependencies are linked before, or were there.
    """
    import tempfile

    arguments = ["pip", "install", "--no-deps", *PLAIN_OUTPUT, "--python", executable, *request.everywhere]
    for name in reinstall:
        arguments += ["--reinstall-package", name]
    with tempfile.TemporaryDirectory(prefix="pepip-") as folder:
        listing = f"{folder}/requirements.txt"
        with open(listing, "w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in requirements)
        yield from arrivals([*arguments, "-r", listing])


def uninstall_from(folder: str, executable: str, names: Sequence[str]) -> None:
    """Let uv remove distributions from a `folder` that stands for site-packages. Raises UvError."""
    process.run(["pip", "uninstall", *PLAIN_OUTPUT, "--python", executable, "--target", folder, "--", *names])


def may_share_inodes(request: Request) -> bool:
    """Tell whether uv stages by hard links where it can, as far as it is not told to clone or to copy."""
    return _link_mode(request) in {"", "hardlink", "symlink"}


def _links_symbolically(request: Request) -> bool:
    """Tell whether an option, `UV_LINK_MODE` or a settings file may make uv install by symbolic links."""
    return _link_mode(request) in {"symlink", _UNKNOWN}


def _link_mode(request: Request) -> str:
    """Return how uv is told to link, empty if it is not, `_UNKNOWN` if a settings file says it."""
    if "--link-mode" in request.everywhere:
        return request.everywhere[request.everywhere.index("--link-mode") + 1]
    return os.environ.get("UV_LINK_MODE") or (_UNKNOWN if settings.mention("link-mode") else "")


_UNKNOWN = "unknown"


def _without_link_mode(options: Sequence[str]) -> list[str]:
    """Return the options without a link mode that an entry could not be staged with."""
    kept = list(options)
    while "--link-mode" in kept and kept[kept.index("--link-mode") + 1] == "symlink":
        position = kept.index("--link-mode")
        del kept[position : position + 2]
    return kept


def make_environment(root: str, python: str) -> None:
    """Make a virtual environment at `root` with uv, on `python` or uv's choice. Raises UvError."""
    choice = ["--python", python] if python else []
    process.run(["venv", "--quiet", "--color", "never", *choice, "--", root], **_python_setting())


def _python_setting() -> dict[str, str]:
    return {"UV_PYTHON": os.environ["UV_PYTHON"]} if "UV_PYTHON" in os.environ else {}


def arrivals(arguments: Sequence[str], **variables: str) -> Iterator[Arrival]:
    """Run uv, and yield the distributions that it has downloaded or built. Raises UvError.

    `variables` are environment variables for this run alone.
    """
    for line in process.stream(arguments, **variables):
        match = re.match(_DOWNLOADED, line)
        if match:
            yield Arrival(normalize_name(match[2]), match[1] == "Built")
