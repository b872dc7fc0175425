"""Letting uv unpack and build: into a staging prefix, or, for what can't be shared, into the environment itself."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from pepip.paths import normalize_name
from pepip.uv import process, settings
from pepip.uv.resolve import as_given

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pepip.model import Artifact, Request

_PLAIN_OUTPUT = ("--color", "never", "--no-progress")
_DOWNLOADED = re.compile(r"^\s*(Downloaded|Built) ([A-Za-z0-9._-]+)")


class Arrival(NamedTuple):
    """A distribution that uv has downloaded or built."""

    name: str
    is_built: bool


def stage(request: Request, artifacts: Sequence[Artifact], executable: str, *, prefix: str) -> Iterator[Arrival]:
    """Unpack or build exactly these artifacts into `prefix`, from uv's cache where it has them.

    Hashes are checked by uv. Raises UvError with uv's message; the prefix may then hold anything.
    """
    listing = f"{prefix}.txt"
    with open(listing, "w", encoding="utf-8") as file:
        file.writelines(f"{artifact.requirement}\n" for artifact in artifacts)
    into = ["--python", executable, "--prefix", prefix]
    if _links_symbolically(request):
        into += ["--link-mode", "hardlink"]  # an entry must not point into a cache that can be emptied
    yield from _arrivals(
        ["pip", "install", "--no-deps", *_PLAIN_OUTPUT, *_without_link_mode(request.everywhere), *into, "-r", listing]
    )


def install_private(request: Request, executable: str, *, reinstall: Sequence[str]) -> Iterator[Arrival]:
    """Let uv install the rest of a request as real files: what is linked already satisfies it.

    `reinstall` names the distributions that are to be installed again even so.
    """
    kept = request._replace(
        installing=tuple(option for option in request.installing if option not in {"--reinstall"})
    )
    arguments = ["pip", "install", *_PLAIN_OUTPUT, "--python", executable, *as_given(kept)]
    for name in reinstall:
        arguments[2:2] = ["--reinstall-package", name]
    yield from _arrivals(arguments)


def uninstall(executable: str, names: Sequence[str]) -> None:
    """Let uv remove distributions that only it knows how to remove. Raises UvError."""
    process.run(["pip", "uninstall", *_PLAIN_OUTPUT, "--python", executable, "--", *names])


def _links_symbolically(request: Request) -> bool:
    """Tell whether an option, `UV_LINK_MODE` or a settings file may make uv install by symbolic links."""
    if "--link-mode" in request.everywhere:
        return request.everywhere[request.everywhere.index("--link-mode") + 1] == "symlink"
    chosen = os.environ.get("UV_LINK_MODE")
    return chosen == "symlink" if chosen else settings.mention("link-mode")


def _without_link_mode(options: Sequence[str]) -> list[str]:
    """Return the options without a link mode that an entry could not be staged with."""
    kept = list(options)
    while "--link-mode" in kept and kept[kept.index("--link-mode") + 1] == "symlink":
        position = kept.index("--link-mode")
        del kept[position : position + 2]
    return kept


def make_environment(root: str, python: str, options: Sequence[str]) -> None:
    """Make a virtual environment at `root` with uv, on `python` or uv's choice. Raises UvError."""
    choice = ["--python", python] if python else []
    process.run(["venv", "--quiet", "--color", "never", *choice, *options, "--", root], **_python_setting())


def _python_setting() -> dict[str, str]:
    return {"UV_PYTHON": os.environ["UV_PYTHON"]} if "UV_PYTHON" in os.environ else {}


def _arrivals(arguments: Sequence[str]) -> Iterator[Arrival]:
    for line in process.stream(arguments):
        match = _DOWNLOADED.match(line)
        if match:
            yield Arrival(normalize_name(match[2]), match[1] == "Built")
