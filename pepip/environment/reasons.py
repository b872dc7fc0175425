"""The reasons, in words, why a distribution keeps its own files. The preview and adopting give the same ones."""

from __future__ import annotations

from pepip import paths

LINKED_BY_OTHERS = "its files are links of another tool"
EGG = "it has an egg's metadata, and no RECORD"
NO_RECORD = "it has no RECORD"
SPECIAL = "it has a file that gives special rights to whoever runs it"
TWICE = "it is installed twice"
OF_OTHERS = "it has files of another user"
NO_WHEEL = "its RECORD does not list the metadata of a wheel"
EDITABLE = "it is editable"
LOWER_LAYER = "it is in a lower layer of overlayfs (a container's image), where links free no space"
BUILT_HERE = "it was built from a folder on this machine"
CHANGED = "its files are not as RECORD says"
_OF_ENVIRONMENTS = {*paths.OF_ENVIRONMENTS, "pyvenv.cfg"}


def of_egg(file_name: str) -> str:
    """Return the reason why a distribution without `.dist-info` can't be linked, by the name of its metadata."""
    return EDITABLE if file_name.endswith(".egg-link") else EGG


def of_path(path: str, inside: str) -> str:
    """Return the reason why a distribution that lists `path` in its RECORD can't be linked; empty if there is none.

    `inside` is the path relative to the environment, empty if the path leads out of it.
    """
    if path.startswith("/"):
        return f"its RECORD lists {path}, an absolute path"
    if not inside:
        return f"its RECORD lists {path}, outside of the environment"
    if inside in _OF_ENVIRONMENTS:
        return f"its RECORD lists {path}, a file of the environment itself"
    return ""
