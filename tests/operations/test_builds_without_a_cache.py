"""A local project is built once by a command, also if uv is told to use no cache."""

from __future__ import annotations

import pytest

from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

WHEELS = [Wheel("ink", "1.0", files={"ink/__init__.py": ""})]

BACKEND = """
import pathlib, zipfile

def build_wheel(folder, config_settings=None, metadata_directory=None):
    with open("builds.txt", "a") as file:
        file.write("built\\n")
    files = {
        "nib.py": "",
        "nib-1.dist-info/METADATA": "Metadata-Version: 2.1\\nName: nib\\nVersion: 1\\n",
        "nib-1.dist-info/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    with zipfile.ZipFile(pathlib.Path(folder) / "nib-1-py3-none-any.whl", "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
        record = "nib-1.dist-info/RECORD"
        wheel.writestr(record, "".join(f"{name},,\\n" for name in [*files, record]))
    return "nib-1-py3-none-any.whl"

def prepare_metadata_for_build_wheel(folder, config_settings=None):
    place = pathlib.Path(folder) / "nib-1.dist-info"
    place.mkdir()
    (place / "METADATA").write_text("Metadata-Version: 2.1\\nName: nib\\nVersion: 1\\n")
    return place.name
"""
BUILDING = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


@pytest.mark.every(2)
@pytest.mark.parametrize("told", ["option", "variable", "settings", "cache"])
@pytest.mark.parametrize("command", ["install", "reinstall", "sync"])
def test_a_local_project_is_built_once(workbench: Workbench, told: str, command: str) -> None:
    """Two installs of it are needed, since the first one shows its files. The second takes the wheel of the first."""
    nib = workbench.machine.make_folder(workbench.folder / "nib")
    (nib / "pyproject.toml").write_text(f'[project]\nname = "nib"\nversion = "1"\n{BUILDING}')
    (nib / "backend.py").write_text(BACKEND)
    workbench.install("ink")
    variables = {"UV_NO_CACHE": "1"} if told == "variable" else {}
    options = ["--no-cache"] if told == "option" else []
    if told == "settings":
        (workbench.project / "uv.toml").write_text("no-cache = true\n")
    if command == "sync":
        (workbench.project / "pyproject.toml").write_text(
            '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.9"\ndependencies = ["nib"]\n'
            '[tool.uv.sources]\nnib = { path = "../nib" }\n'
        )
        words = ["sync", "--inexact", *options]
    else:
        again = ["--reinstall-package", "nib"] if command == "reinstall" else []
        words = ["install", *options, *again, "../nib"]
    if command == "reinstall":
        workbench.pepip("install", "../nib")
        (nib / "builds.txt").unlink()

    workbench.pepip(*words, variables=variables)

    assert (nib / "builds.txt").read_text() == "built\n"
    assert workbench.version("nib") == "1"
    assert workbench.problems() == []
