"""The hook by which Ray starts its workers as its driver was started: by `pepip run`.

`RAY_RUNTIME_ENV_HOOK=pepip.ray.hook pepip run driver.py` does the same for pepip as Ray's own hook for `uv run`. Ray
calls the hook in the driver, within `ray.init`. On each node Ray unpacks the `working_dir`, and starts each worker
there by the `py_executable` that the hook returns. This module never imports Ray. The hook imports psutil,
which Ray brings.
"""

from __future__ import annotations

import os

from pepip.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_OF_DRIVER_ALONE = {"--no-sync", "-m", "--module", "-s", "--script", "--gui-script"}
"""Options that the workers do not get. Nor do they get `--directory`: the current folder is already that folder.

`--no-sync` comes from pepip, which passes it to uv after a sync. If the user gives `--no-sync`, the process is uv, so
the hook finds no `pepip run` and does nothing. The other options say how to run the driver.
"""


def hook(runtime_env: dict[str, Any] | None) -> dict[str, Any]:
    """Return a runtime environment whose workers start by the same `pepip run` as this process.

    `runtime_env` is returned unchanged if this process was not started by `pepip run`, or if it names a
    `py_executable`. Without a `working_dir`, the current folder is taken. Raises UsageError if `runtime_env` also
    has `conda`, `pip` or `uv`, or if the workers would lack the project or a file of requirements.
    """
    wanted = dict(runtime_env or {})
    command = _command_of_driver()
    if not command or wanted.get("py_executable"):
        return wanted
    for key in ("conda", "pip", "uv"):
        if key in wanted:
            raise UsageError(
                f"`{key}` in the runtime environment can't be used with `pepip run`: "
                "add its packages to the project, or by `--with`"
            )
    import platform
    import shlex
    import shutil

    from pepip.cli import run, uv_options

    parser = run.parser_of_run()
    given, _ = uv_options.split(command[2:], values=parser.options_with_value())
    arguments = parser.read(given)
    kept = _for_workers(given)
    if not arguments.python:
        variables = {**os.environ, **(wanted.get("env_vars") or {})}
        kept += ["--python", variables.get("UV_PYTHON") or platform.python_version()]
    program = "pepip" if shutil.which("pepip") else command[0]
    wanted["py_executable"] = shlex.join([program, "run", *kept, "python"])
    wanted.setdefault("working_dir", os.getcwd())
    if "://" not in str(wanted["working_dir"]):
        project = "" if arguments.no_project else _project_file(arguments.project)
        _check_files(str(wanted["working_dir"]), [project, *_values_of("--with-requirements", kept)])
    return wanted


def _command_of_driver() -> list[str]:
    """Return the command line of the nearest `pepip run` above this process. Empty if there is none."""
    import psutil  # Ray brings it

    for process in psutil.Process().parents():
        try:
            words: list[str] = process.cmdline()
        except psutil.Error:
            continue
        if len(words) > 1 and os.path.basename(words[0]) == "pepip" and words[1] == "run":
            return words
    return []


def _for_workers(given: Sequence[str]) -> list[str]:
    """Return the options of the driver's command line that hold for the workers, too."""
    kept = []
    remaining = iter(given)
    for word in remaining:
        if word == "--directory":
            next(remaining, None)
        elif word not in _OF_DRIVER_ALONE and not word.startswith("--directory="):
            kept.append(word)
    return kept


def _values_of(option: str, words: Sequence[str]) -> list[str]:
    """Return the values of an option of the command line."""
    after = [words[at + 1] for at, word in enumerate(words[:-1]) if word == option]
    return after + [word.partition("=")[2] for word in words if word.startswith(f"{option}=")]


def _project_file(project: str | None) -> str:
    """Return the path of the `pyproject.toml` that the driver uses. Empty if there is none."""
    from pepip import paths

    folders = [project] if project else paths.upward(os.getcwd())
    return next((path for folder in folders if os.path.isfile(path := f"{folder}/pyproject.toml")), "")


def _check_files(working_dir: str, needed: Sequence[str]) -> None:
    """Raise UsageError for a file that is not below `working_dir`: Ray would not bring it to the workers."""
    root = os.path.realpath(working_dir)
    for path in filter(None, needed):
        place = os.path.realpath(path)
        if os.path.commonpath([root, place]) != root:
            raise UsageError(f"workers can't read {place}: it is not in the working_dir {root}")
