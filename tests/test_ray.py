"""`pepip run` as the start of Ray's workers: the hook that carries a driver's command on, and Ray's own script."""

from __future__ import annotations

import json
import platform
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.machines import Machine
from tests.support.wheels import Wheel

CALL_HOOK = "import json, sys; from pepip import ray; print(json.dumps(ray.hook(json.loads(sys.argv[1]))))"
WITHIN = "import subprocess, sys; sys.exit(subprocess.run([sys.executable, *sys.argv[1:]]).returncode)"
HERE = platform.python_version()


def hook_of_driver(
    machine: Machine, folder: Path, *words: str, runtime_env: object = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run the hook in a driver that `pepip run` starts, with the interpreter of the tests."""
    driver = (sys.executable, "-c", CALL_HOOK, json.dumps(runtime_env))
    return machine.pepip("run", *words, *driver, folder=folder, check=check)


def lay_out(folder: Path) -> None:
    """Write a project without dependencies."""
    folder.mkdir(exist_ok=True, parents=True)
    (folder / "pyproject.toml").write_text('[project]\nname = "shop"\nversion = "1"\nrequires-python = ">=3.8"\n')


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ((), f"--python {HERE}"),
        (("--no-dev", "--python", sys.executable), f"--no-dev --python {sys.executable}"),
        (("--with-requirements", "more.txt", "--env-file", "v.env"), None),
    ],
    ids=["plain", "of a chosen Python", "with files"],
)
def test_workers_start_by_the_command_of_their_driver(
    machine: Machine, project: Path, given: tuple[str, ...], kept: str | None
) -> None:
    """Options stay, in a form that a shell reads. The driver's version of Python is added unless one is chosen."""
    lay_out(project)
    (project / "more.txt").touch()
    (project / "v.env").touch()

    answer = json.loads(hook_of_driver(machine, project, *given).stdout)

    expected = kept or f"{shlex.join(given)} --python {HERE}"
    assert answer["py_executable"].partition(" ")[2] == f"run {expected} python"
    assert Path(answer["py_executable"].partition(" ")[0]).name == "pepip"
    assert answer["working_dir"] == str(project)


def test_only_options_that_hold_for_workers_are_kept(machine: Machine, tmp_path: Path, wheelhouse: Path) -> None:
    """`--directory` has moved the driver already. The driver may run below another program of the same command."""
    lay_out(tmp_path / "inner")
    Wheel("nib", "1.0", files={"nib.py": ""}).write(wheelhouse)
    kept = ("--with", "nib<2", "--no-index", "--find-links", str(wheelhouse), "--python", sys.executable)
    driver = (sys.executable, "-c", WITHIN, "-c", CALL_HOOK, '{"working_dir": "s3://bucket/code.zip"}')

    said = machine.pepip("run", "--directory", "inner", *kept, *driver, folder=tmp_path)

    answer = json.loads(said.stdout)
    assert shlex.split(answer["py_executable"])[1:] == ["run", *kept, "python"]
    assert answer["working_dir"] == "s3://bucket/code.zip"


@pytest.mark.parametrize(
    ("runtime_env", "message"),
    [
        ({"pip": ["emoji"]}, "`pip` in the runtime environment can't be used with `pepip run`"),
        ({"conda": "base"}, "`conda` in the runtime environment can't be used with `pepip run`"),
        ({"working_dir": "inner"}, "/project/pyproject.toml: it is not in the working_dir"),
    ],
    ids=["packages of Ray", "an environment of conda", "a project elsewhere"],
)
def test_workers_that_would_lack_something_are_refused(
    machine: Machine, project: Path, runtime_env: dict[str, object], message: str
) -> None:
    """The hook raises an error in the driver, so that `ray.init` fails before any worker starts."""
    lay_out(project)

    said = hook_of_driver(machine, project, runtime_env=runtime_env, check=False)

    assert message in said.stderr
    assert said.returncode


def test_a_driver_without_pepip_run_or_with_its_own_command_is_left_alone(machine: Machine, project: Path) -> None:
    """Also below `pepip run --no-sync`, which uv alone runs: Ray's own hook finds uv there."""
    lay_out(project)
    machine.pepip("sync", folder=project)
    own = {"py_executable": "/opt/python"}

    direct = machine.run([sys.executable, "-c", CALL_HOOK, '{"env_vars": {}}'], folder=project)

    assert json.loads(direct.stdout) == {"env_vars": {}}
    assert json.loads(hook_of_driver(machine, project, runtime_env=own).stdout) == own
    assert json.loads(hook_of_driver(machine, project, "--no-sync").stdout) == {}


def test_rays_own_script_runs_in_the_project_of_the_current_folder(machine: Machine, tmp_path: Path) -> None:
    """Otherwise uv takes the project above the folder of Ray's package, such as the one whose environment has Ray."""
    lay_out(tmp_path / "of-ray")
    lay_out(tmp_path / "unpacked")
    machine.pepip("lock", folder=tmp_path / "unpacked")
    script = tmp_path / "of-ray" / ".venv/lib/python3.11/site-packages/ray/_private/workers/default_worker.py"
    script.parent.mkdir(parents=True)
    script.write_text("import sys; print(sys.prefix, *sys.argv[1:])")

    for words in (("--frozen",), (), ()):  # the last one finds nothing to do
        said = machine.pepip("run", *words, script, "--node-ip-address=::1", folder=tmp_path / "unpacked")

        assert said.stdout == f"{tmp_path}/unpacked/.venv --node-ip-address=::1\n"
