"""The environment that a project's `.venv` means. `.venv` is a folder, a link to one, or a file that holds its path.

Such a file is a redirect file. It leads to an environment outside the project, and so does the link that uv makes to
an environment in its cache. Source: PEP 832; uv's discovery of environments.
"""

from __future__ import annotations

import os

from pepip import paths
from pepip.host import files, links

_NAME = ".venv"
_MOST_BYTES = 1 << 14  # of a redirect file


def in_folder(folder: str) -> str:
    """Return the environment of the project in a folder, whether or not it is there."""
    return meant_by(f"{folder}/{_NAME}")


def meant_by(place: str) -> str:
    """Return the environment that a `place` means: the path in a redirect file, or the place itself."""
    return place if os.path.isdir(place) else redirected(place) or place


def redirected(place: str) -> str:
    """Return the absolute path that a redirect file holds, without its newline; empty if there is no such file."""
    try:
        content = files.read_regular(place, most_bytes=_MOST_BYTES, follows=True)
    except (OSError, ValueError):
        return ""
    text = os.fsdecode(content).removesuffix("\n").removesuffix("\r")
    is_path = bool(text) and "\0" not in text
    return paths.absolute(os.path.join(os.path.dirname(place), text)) if is_path else ""


def redirect_to(root: str, start: str) -> str:
    """Return the redirect file in the folder `start` or above it that holds the path `root`, empty if none does."""
    places = (f"{folder}/{_NAME}" for folder in paths.upward(start))
    return next((place for place in places if not os.path.isdir(place) and redirected(place) == root), "")


def name_of(root: str, start: str) -> str:
    """Return the `.venv` in the folder `start` or above it by which a project knows the environment at `root`.

    It is a link or a redirect file. Without one, return `root` itself.
    """
    if os.path.basename(root) == _NAME and not links.read_link(root):
        return root
    return next((place for place in _others(start) if leads_to(place, root)), root)


def _others(start: str) -> list[str]:
    """Return each link and each redirect file in the folder `start` and above it."""
    places = [f"{folder}/{_NAME}" for folder in paths.upward(start)]
    return [place for place in places if links.read_link(place) or os.path.isfile(place)]


def leads_to(place: str, root: str) -> bool:
    """Tell whether a link or a redirect file leads to the environment at `root`."""
    return paths.real(meant_by(place)) == paths.real(root)
