"""`pepip upgrade`: packages in many environments at once, each in its own way. A failure leaves the rest to go on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pepip.operations.reporting import Summary
from pepip.operations.upgrades import Preview, Target, UpgradePlan
from tests.support.machines import Machine, version_in
from tests.support.snapshots import snapshot
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

WHEELS = [
    *(Wheel("drum", version, files={"drum/__init__.py": f"VERSION = {version!r}\n"}) for version in ("1.0", "2.0")),
    Wheel("band", "1.0", files={"band/__init__.py": ""}, dependencies=["drum<2"]),
    *(
        Wheel(
            "pen",
            version,
            files={"pen/__init__.py": f"def main():\n    print({version!r})\n"},
            dependencies=["drum"],
            entry_points={"console_scripts": {"pen": "pen:main"}},
        )
        for version in ("1.0", "2.0")
    ),
]


def version_at(workbench: Workbench, environment: str, name: str = "drum") -> str:
    """Return the version of a package in an environment."""
    return version_in(workbench.folder / environment, name)


def environment_of_script(workbench: Workbench) -> str:
    """Return the environment of the script, relative to the folder."""
    (found,) = workbench.ask("projects", "--kind", "script")
    return str(found["environment"])


@pytest.fixture
def behind(workbench: Workbench) -> Workbench:
    """Return a user whose projects, script and tool are behind: all of their environments have drum 1.0."""
    folder = workbench.machine.make_folder(workbench.folder / "behind")
    variables = {
        "UV_NO_INDEX": "1",
        "UV_FIND_LINKS": str(workbench.wheelhouse),
        "UV_CACHE_DIR": str(folder / "cache"),
        "UV_TOOL_DIR": str(folder / "tools"),
        "UV_TOOL_BIN_DIR": str(folder / "bin"),
        "UV_PYTHON": str(workbench.interpreter),
    }
    behind = replace(workbench, folder=folder, name=".", variables=variables)
    behind.at("plain").install("drum==1.0")
    behind.at("bound").install("band")
    for name in ("locked", "stuck"):
        behind.machine.make_folder(folder / name)
        text = f'[project]\nname = "{name}"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["drum<2"]\n'
        (folder / name / "pyproject.toml").write_text(text)
        behind.at(name).pepip("sync")
        wider = "drum" if name == "locked" else "drum>3"
        (folder / name / "pyproject.toml").write_text(text.replace("drum<2", wider))
    script = '# /// script\n# dependencies = ["{}"]\n# ///\nimport drum; print(drum.VERSION)\n'
    (folder / "play.py").write_text(script.format("drum<2"))
    behind.pepip("run", "play.py")
    (folder / "play.py").write_text(script.format("drum"))
    behind.pepip("tool", "install", "pen<2", "--with", "drum<2")
    return behind


def test_each_environment_is_upgraded_in_its_own_way(behind: Workbench) -> None:
    """A dry run tells the truth and changes nothing. Then all that can be upgraded is, and one failure is told.

    `uses --several` lists what is left side by side.
    """
    before = [snapshot(behind.folder / name) for name in ("plain", "bound", "locked", "stuck", "tools")]

    plan = behind.pepip("upgrade", "drum", "--projects", "--dry-run", "--json", check=False)

    assert [snapshot(behind.folder / name) for name in ("plain", "bound", "locked", "stuck", "tools")] == before
    document: dict[str, Any] = json.loads(plan.stdout)
    ways = {item["called"].removeprefix(f"{behind.folder}/"): item for item in document["environments"]}
    assert {name: item["way"] for name, item in ways.items()} == {
        "plain/.venv": "pip",
        "bound/.venv": "pip",
        "locked/.venv": "lock",
        "stuck/.venv": "lock",
        "play.py": "script",
        "pen": "tool",
    }
    assert plan.returncode == 1
    assert "drum>3" in ways["stuck/.venv"]["failure"]
    assert ways["bound/.venv"]["unmet"] == {"band": "drum<2"}
    assert document["downloads"] == 0
    assert ways["plain/.venv"]["change"]["local"] == ["drum"]

    answer = behind.pepip("upgrade", "drum", "--projects", "all", check=False)

    assert answer.returncode == 1
    assert "Upgraded 4 environments: 0 downloaded, 1 from local files, 1 failed" in answer.stderr
    assert "drum>3" in answer.stderr
    assert [version_at(behind, f"{name}/.venv") for name in ("plain", "bound", "locked", "stuck")] == [
        *("2.0", "2.0", "2.0", "1.0"),
    ]
    assert version_at(behind, environment_of_script(behind)) == "2.0"
    assert '"2.0"' in (behind.folder / "locked" / "uv.lock").read_text()
    assert version_at(behind, "tools/pen") == version_at(behind, "tools/pen", "pen") == "1.0"  # as its receipt says
    assert behind.problems() == []
    (row,) = behind.ask("uses", "--several")
    assert (row["name"], [item["version"] for item in row["versions"]]) == ("drum", ["2.0", "1.0"])
    assert str(behind.folder / "stuck" / ".venv") in row["versions"][1]["environments"]
    assert "stuck/.venv" in behind.pepip("uses", "--several").stdout


@pytest.mark.real_world
def test_named_environments_alone_are_upgraded(behind: Workbench) -> None:
    """A project, a script and a tool are named by path and name. Others are left alone, and so is what lacks it."""
    answer = behind.pepip("upgrade", "drum", "band", "--projects", "plain", "play.py", "pen", "--json")

    document = json.loads(answer.stdout)
    assert {item["way"] for item in document["environments"]} == {"pip", "script", "tool"}
    assert [version_at(behind, f"{name}/.venv") for name in ("plain", "bound", "locked")] == ["2.0", "1.0", "1.0"]
    assert version_at(behind, environment_of_script(behind)) == "2.0"


@pytest.mark.real_world
def test_without_a_name_the_project_here_gets_all_that_is_newest(behind: Workbench) -> None:
    """`pepip upgrade` in a project means this project, whatever variables say of another one."""
    words = {**behind.variables, "UV_PROJECT_ENVIRONMENT": str(behind.folder / "plain" / ".venv")}
    other = replace(behind, variables=words)

    other.pepip("upgrade", "--projects", "locked/.venv")

    assert (version_at(behind, "plain/.venv"), version_at(behind, "locked/.venv")) == ("1.0", "2.0")

    behind.at("plain").pepip("upgrade")

    assert version_at(behind, "plain/.venv") == "2.0"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["drum", "--projects", "nowhere"], "error: no environment at nowhere links the store"),
        (["no such", "--projects"], "error: 'no such' is no requirement"),
        (["nothing", "--projects"], "error: no environment has nothing"),
        (["drum"], "error: there is no environment here"),
    ],
)
def test_bad_input_changes_nothing(words: list[str], complaint: str, machine: Machine, tmp_path: Path) -> None:
    """Each is one error line with a hint."""
    answer = machine.pepip("upgrade", *words, folder=tmp_path, check=False)

    assert answer.returncode in {1, 2}
    assert answer.stderr.startswith(complaint)
    assert "hint:" in answer.stderr
    assert not machine.store.exists()


@pytest.mark.unit
def test_a_file_that_several_environments_lack_is_downloaded_once() -> None:
    """A file is known by its identity. Of files without one, none is taken for another."""
    known, none = ("sha256:1", 5), ("", 7)
    previews = []
    for name, downloads in (("a", (known, none)), ("b", (known, none))):
        target = Target(cast("Any", SimpleNamespace(environment=name)), (), "pip")
        previews.append(Preview(target, Summary(name, dry_run=True, downloads=downloads)))

    assert sum(UpgradePlan(tuple(previews), ()).downloads.values()) == 5 + 7 + 7
