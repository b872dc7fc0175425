"""The scripts of `eval/` run at a small size, so that their figures can be made again at any commit."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests import ROOT
from tests.support.images import require_mksquashfs
from tests.support.machines import Machine
from tests.support.stores import problems_of
from tests.support.wheels import Wheel

EVAL = ROOT / "eval"


def run(script: str, *words: str | Path, machine: Machine, folder: Path) -> str:
    """Run a script of `eval/` in `folder`, and return its output."""
    return machine.run([sys.executable, EVAL / script, *words], folder=folder).stdout


def test_a_large_store_is_made_and_each_command_is_measured(machine: Machine, tmp_path: Path) -> None:
    """The store that the script leaves is whole, and the app's first paint and keys can be measured on it."""
    sizes = ("--entries", "20", "--environments", "3", "--packages", "5", "--rounds", "1")

    said = run("scale.py", *sizes, "--keep", tmp_path / "scale", machine=machine, folder=tmp_path)

    assert "20 entries published" in said
    assert "pepip store list --json" in said
    store = tmp_path / "scale" / "home"
    assert problems_of(store) == []
    said = run("ui.py", "--home", store, "--rounds", "1", machine=machine, folder=tmp_path)
    assert "first paint" in said


def test_the_dry_run_of_adopting_is_measured(machine: Machine, tmp_path: Path) -> None:
    """Of environments of hard links and of files, the first time and again."""
    said = run(
        "adopt.py", tmp_path / "many", "--environments", "3", "--distributions", "4", "--files", "3",
        machine=machine, folder=tmp_path,
    )  # fmt: skip

    assert '"distributions": 12' in said


@pytest.mark.real_world
def test_an_image_is_measured_against_uv_and_mksquashfs(
    machine: Machine, tmp_path: Path, wheelhouse: Path, interpreter: Path
) -> None:
    """With a package that the test has made. On a busy machine the target of seconds may be missed: exit code 1."""
    require_mksquashfs()
    Wheel("camera", "1.0", files={"camera/__init__.py": "VERSION = 1\n"}).write(wheelhouse)
    sizes = ("--packages", "camera", "--modules", "camera", "--rounds", "1", "--processes", "2")

    output = machine.run(
        [sys.executable, EVAL / "image.py", *sizes, "--python", interpreter],
        folder=tmp_path,
        check=False,
        variables={"UV_NO_INDEX": "1", "UV_FIND_LINKS": str(wheelhouse)},
    )

    assert output.returncode in {0, 1}, output.stderr
    assert "seconds" in output.stdout, output.stderr
    assert "bytes" in output.stdout
    if os.geteuid() == 0:
        assert "2 processes at two mount points: import camera" in output.stdout
        assert " 0 failed" in output.stdout


@pytest.mark.real_world
def test_a_network_file_system_is_measured_in_any_folder(
    machine: Machine, tmp_path: Path, wheelhouse: Path, interpreter: Path
) -> None:
    """With a package that the test has made, by turns. The targets may be missed: exit code 1."""
    Wheel("camera", "1.0", files={"camera/__init__.py": "VERSION = 1\n"}).write(wheelhouse)
    words = ("--packages", "camera", "--rounds", "1", "--python", interpreter, "--processes", str(os.getpid()))

    output = machine.run(
        [sys.executable, EVAL / "network.py", tmp_path, *words],
        folder=tmp_path,
        check=False,
        variables={"UV_NO_INDEX": "1", "UV_FIND_LINKS": str(wheelhouse)},
    )

    assert output.returncode in {0, 1}, output.stderr
    for name in ("uv", "first", "again", "floor"):
        assert f"\n{name} " in output.stdout, output.stderr
    assert "with the file system" in output.stdout
    assert list(tmp_path.glob("pepip-network-*")) == []


@pytest.mark.real_world
def test_the_actors_of_a_ray_cluster_are_measured(machine: Machine) -> None:
    """Two actors by each tool, in one environment each."""
    with machine.scratch_folder() as folder:  # a short path, in which Ray can make sockets
        said = run("ray_actors.py", folder, "--actors", "2", "--set", "seed", machine=machine, folder=folder)

    figures = json.loads(said)
    for tool in ("uv", "pepip"):
        assert [found["environments"] for found in figures[tool]] == [1]
        assert all(found["processor seconds of the workers"] > 0 for found in figures[tool])


@pytest.mark.real_world
def test_the_least_cost_of_each_everyday_change_is_measured(machine: Machine, tmp_path: Path) -> None:
    """With a package that the test has made: each row has the seconds of uv, of the bare program and of pepip."""
    for version in ("1.0", "2.0"):
        Wheel("tripod", version, files={"tripod.py": f"VERSION = {version}\n"}).write(tmp_path / "wheels")
    project = tmp_path / "studio"
    project.mkdir()
    source = f'[tool.uv]\nno-index = true\nfind-links = ["{tmp_path / "wheels"}"]\n'
    about = '[project]\nname = "studio"\nversion = "1"\nrequires-python = ">=3.8"\ndependencies = []\n\n'
    (project / "pyproject.toml").write_text(about + source)
    machine.uv("lock", folder=project)

    said = run("change_floor.py", project, "tripod", "1.0", "2.0", "--rounds", "1", machine=machine, folder=tmp_path)

    rows = [line.split() for line in said.splitlines()[1:]]
    assert [row[0] for row in rows] == ["install", "upgrade", "uninstall", "add", "sync"]
    assert all(float(seconds) > 0 for row in rows for seconds in row[1:4])
