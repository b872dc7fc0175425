"""The facts, apart from options and variables, that decide which interpreter uv takes for a new environment.

Source: uv's documentation of Python versions; pyenv's documentation of shims and of the choice of a version.
"""

from __future__ import annotations

import itertools
import os

from pepip.fast_namedtuple import NamedTuple
from pepip.paths import upward, uv_data, uv_settings
from pepip.uv import program, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_NAMES = ("python", "pypy", "graalpy", "pyodide")
"""The beginnings of the names by which uv looks for interpreters on PATH."""

_OF_PYENV = ("PYENV_VERSION", "PYENV_ROOT", "PYENV_DIR", "PYENV_HOOK_PATH")


class PythonQuestion(NamedTuple):
    """The words of a question for an interpreter, and the places whose states the answer depends on.

    The words also replace the variable PATH: they name the programs on PATH that may be interpreters.
    """

    words: list[str]
    places: list[str]


def question(python: str) -> PythonQuestion | None:
    """Return the question for the interpreter that uv takes for the request `python`.

    None if the answer can't be known from files. A shim, for example, may start different interpreters. pyenv's shims
    are no hindrance, since files and variables decide which version they start.
    """
    folders = list(map(os.path.abspath, filter(None, os.environ.get("PATH", "").split(os.pathsep))))
    if os.path.isabs(python) and os.path.isfile(python):
        folders = []
    elif python.startswith(("http:", "https:", "file:")) or {"/", os.sep} & set(python):
        return None
    words = [python, *settings.texts(), *_versions(version_files())]
    managed = os.environ.get("UV_PYTHON_INSTALL_DIR") or f"{uv_data(os.environ)}/python"
    active = os.environ.get("VIRTUAL_ENV") or os.environ.get("CONDA_PREFIX") or ""
    places = [program.path(), managed, active and f"{active}/pyvenv.cfg"]
    for place in (python, *folders):
        if "shims" not in place:
            continue
        root = os.environ.get("PYENV_ROOT") or os.path.dirname(place)
        if place != f"{root}/shims" or not os.path.isdir(f"{root}/versions"):
            return None
        here = os.environ.get("PYENV_DIR") or os.curdir
        words += [os.environ.get(name, "") for name in _OF_PYENV]
        words += _versions([*(f"{folder}/.python-version" for folder in upward(here)), f"{root}/version"])
        places += [f"{root}/versions", f"{root}/pyenv.d"]
    found = list(_on_path(folders, python))
    return PythonQuestion([*words, "", *found], [*filter(None, places), *found])


def version_files() -> Iterator[str]:
    """Yield the files that may name a Python version: from the start folder upward, then the user's own file."""
    for folder in upward(settings.start_folder()):
        yield from (f"{folder}/.python-version", f"{folder}/.python-versions")
    yield from (f"{folder}/.python-version" for folder in itertools.islice(uv_settings(os.environ), 1))


def _versions(files: Iterable[str]) -> Iterator[str]:
    """Yield the name and the text of each file that has a text, in their order."""
    for path in files:
        content = settings.content(path)
        if content:
            yield f"{os.path.basename(path)}: {content.decode('utf-8', 'surrogateescape')}"


def _on_path(folders: Iterable[str], python: str) -> Iterator[str]:
    """Yield programs in these folders that may be interpreters, or whose names begin with the request `python`."""
    beginnings = (*_NAMES, python.lower()) if python else _NAMES
    for folder in folders:
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            continue
        yield from (f"{folder}/{name}" for name in names if name.lower().startswith(beginnings))
