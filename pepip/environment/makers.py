"""Finds the tool that made an environment, by `pyvenv.cfg`, the environment's path, and the files in and beside it.

Starts no program.
"""

from __future__ import annotations

import os

from pepip.host import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST_BYTES = 1 << 16


def settings_of(root: str) -> dict[str, str]:
    """Return the settings in `pyvenv.cfg`, with keys in lower case. Empty if the file can't be read.

    NUL characters, which no path may have, are left out.
    """
    try:
        content = files.read_regular(f"{root}/pyvenv.cfg", most_bytes=_MOST_BYTES, leaves_no_trace=True)
        text = content.decode("utf-8", "replace")
    except (OSError, ValueError):
        return {}
    pairs = (line.partition("=") for line in text.replace("\0", "").splitlines() if "=" in line)
    return {key.strip().lower(): value.strip() for key, _, value in pairs}


def python_of(settings: dict[str, str]) -> str:
    """Return the version of Python in `pyvenv.cfg`, such as `3.12.4`, or an empty string if there is none."""
    version = settings.get("version_info") or settings.get("version", "")
    return ".".join(version.split(".")[:3])


def tool_of(root: str, settings: dict[str, str]) -> str:
    """Return the name of the tool that manages an environment, or else of the program that made its files.

    A lock file beside `.venv` shows a project of poetry, PDM or pipenv.
    """
    for mark, tool in _FILES_INSIDE:
        if os.path.lexists(f"{root}/{mark}"):
            return tool
    for part, tool in _PLACES:
        if part in f"{root}/":
            return tool
    if os.path.basename(root) == ".venv" and "uv" not in settings:
        beside = _names(os.path.dirname(root))
        tool = next((tool for name, tool in _LOCKS if name in beside), "")
        if tool:
            return tool
    return next((name for name in ("uv", "virtualenv") if name in settings), "venv")


TOOL_RECEIPT = "uv-receipt.toml"
_FILES_INSIDE = ((TOOL_RECEIPT, "uv tool"), ("pipx_metadata.json", "pipx"), (".pdm-python", "PDM"))

_PLACES = (
    ("/.tox/", "tox"),
    ("/.nox/", "nox"),
    ("/pypoetry/virtualenvs/", "poetry"),
    ("/hatch/env/", "hatch"),
    ("/env/virtual/", "hatch"),  # HATCH_DATA_DIR names another folder
    ("/pdm/venvs/", "PDM"),
    ("/pipx/", "pipx"),
    ("/pre-commit/", "pre-commit"),
    ("/.virtualenvs/", "virtualenvwrapper"),
    ("/share/virtualenvs/", "pipenv"),
)

_LOCKS = (("poetry.lock", "poetry"), ("pdm.lock", "PDM"), ("Pipfile.lock", "pipenv"))


def _names(folder: str) -> Iterable[str]:
    try:
        return set(os.listdir(folder))
    except OSError:
        return ()
