"""The folders in which tools keep the environments that they make outside of projects.

Environment variables of a tool name some of them. The others are where the tool puts them if no variable is set.
"""

from __future__ import annotations

import functools
import os

from pepip import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def known(variables: Mapping[str, str]) -> list[str]:
    """Return the folders of tools that exist, each once. A folder within another one is left out."""
    import platformdirs

    # On Windows, the folder of an author would come before the name: `Local\\pypoetry\\pypoetry`.
    data = functools.partial(platformdirs.user_data_dir, appauthor=False)
    cache = functools.partial(platformdirs.user_cache_dir, appauthor=False)
    home = paths.user_home(variables)
    configured = [variables.get(name, "") for name in _VARIABLES]
    for name, inside in (("PIPX_HOME", "venvs"), ("HATCH_DATA_DIR", "env"), ("PYENV_ROOT", "versions")):
        configured.append(f"{variables[name]}/{inside}" if variables.get(name) else "")
    usual = [
        f"{paths.uv_data(variables)}/tools",  # on macOS, too, uv keeps to the folders of XDG
        data("pipx"),
        f"{home}/.local/pipx",
        f"{cache('pypoetry')}/virtualenvs",
        f"{data('hatch')}/env",
        f"{data('pdm')}/venvs",
        data("virtualenvs"),  # pipenv
        f"{home}/.virtualenvs",
        f"{home}/.pyenv/versions",
        cache("pre-commit"),
        f"{home}/.cache/pre-commit",  # pre-commit uses this on every system
    ]
    expanded = [paths.real(paths.expand_user(path, variables)) for path in (*configured, *usual) if path]
    there = dict.fromkeys(path for path in expanded if os.path.isdir(path))
    return [path for path in there if not any(path.startswith(f"{other}/") for other in there)]


_VARIABLES = (
    "UV_TOOL_DIR",
    "POETRY_VIRTUALENVS_PATH",
    "PDM_VENV_LOCATION",
    "WORKON_HOME",
    "PRE_COMMIT_HOME",
    "TOX_WORK_DIR",
    "NOXENVDIR",
)
"""Variables whose value is itself a folder of environments."""
