"""`pepip diff`: two environments, and an environment with its lock."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.machines import Machine
from tests.support.snapshots import stamps
from tests.support.wheels import Wheel


@pytest.fixture
def code(machine: Machine, tmp_path: Path, wheelhouse: Path) -> Path:
    """Return a folder with two projects, one of them with a lock. All wheels are in the wheelhouse."""
    for name, version in (("drum", "1.0"), ("drum", "2.0"), ("horn", "1.0"), ("flute", "1.0"), ("bell", "1.0")):
        Wheel(name, version, files={f"{name}.py": ""}).write(wheelhouse)
    code = machine.make_folder(tmp_path / "code")
    source = ("--no-index", "--find-links", wheelhouse)
    for project, names in (("one", ("drum<2", "horn", "bell")), ("two", ("drum", "flute", "bell"))):
        machine.pepip("install", *names, *source, folder=machine.make_folder(code / project))
    project = machine.make_folder(code / "app")
    table = '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["drum<2", "horn"]\n'
    settings = f"[tool.uv]\nno-index = true\nfind-links = [{json.dumps(str(wheelhouse))}]\n"
    (project / "pyproject.toml").write_text(f"{table}\n{settings}")
    machine.pepip("sync", folder=project)
    return code


@pytest.mark.real_world
def test_two_environments_are_compared_by_name_and_version(machine: Machine, code: Path) -> None:
    """A project stands for its environment. The exit code is that of `diff`."""
    before = stamps(code)

    output = machine.pepip("diff", "one", "two/.venv", "--json", folder=code, check=False)

    document = json.loads(output.stdout)
    rows = [(item["name"], item["left"], item["right"], item["kind"]) for item in document["differences"]]
    assert output.returncode == 1
    assert rows == [
        ("drum", "1.0", "2.0", "changed"),
        ("flute", "", "1.0", "added"),
        ("horn", "1.0", "", "removed"),
    ]
    assert document["same"] == 1
    assert document["left"]["name"] == str(code / "one" / ".venv")
    assert stamps(code) == before


@pytest.mark.real_world
def test_an_environment_equals_itself(machine: Machine, code: Path) -> None:
    """The exit code is 0, and there is one sentence on it."""
    output = machine.pepip("diff", "one", "one", folder=code)

    assert output.stdout == ""
    assert "0 distributions differ, 3 are the same" in output.stderr


def test_a_project_is_compared_with_its_lock_as_uv_reads_it(machine: Machine, code: Path) -> None:
    """Neither the lock nor the environment changes, also if the lock is not up to date."""
    project = code / "app"
    assert json.loads(machine.pepip("diff", "--lock", "--json", folder=project).stdout)["differences"] == []
    machine.pepip("uninstall", "--yes", "horn", folder=project)
    machine.pepip("install", "drum==2.0", "flute", folder=project)
    pyproject = project / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace('"horn"', '"horn", "bell"'))
    before = stamps(code)

    output = machine.pepip("diff", "--lock", "app", "--json", folder=code, check=False)

    found = [(item["name"], item["left"], item["right"]) for item in json.loads(output.stdout)["differences"]]
    assert output.returncode == 1
    assert found == [("drum", "2.0", "1.0"), ("flute", "1.0", ""), ("horn", "", "1.0")]
    assert stamps(code) == before


@pytest.mark.real_world
def test_bad_input_is_one_error(machine: Machine, code: Path) -> None:
    """It has a hint, and nothing is written to stdout."""
    messages = {
        ("one",): "name two environments or projects",
        ("one", "two", "--lock"): "--lock takes one project at most",
        ("one", "absent"): "there is no environment at",
        ("--lock", "one"): "there is no lock",
    }

    for words, message in messages.items():
        output = machine.pepip("diff", *words, folder=code, check=False)

        assert output.returncode in {1, 2}
        assert output.stdout == ""
        assert output.stderr.startswith(f"error: {message}")
        assert "hint:" in output.stderr
        assert "Traceback" not in output.stderr
