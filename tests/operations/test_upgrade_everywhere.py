"""`pepip upgrade`: packages in many environments at once, each in its own way. A failure leaves the rest to go on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.machines import Machine, Output, site_packages_of
from tests.support.snapshots import snapshot
from tests.support.stores import problems_of
from tests.support.wheels import Wheel

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


class Hall(NamedTuple):
    """A user with environments of each kind: all of them have drum 1.0."""

    player: Machine
    folder: Path
    variables: Mapping[str, str]

    def pepip(self, *words: str, folder: str = "", check: bool = True) -> Output:
        """Run pepip."""
        return self.player.pepip(*words, folder=self.folder / folder, check=check, variables=self.variables)

    def version(self, environment: str, name: str = "drum") -> str:
        """Return the version of a package in an environment."""
        found = list(site_packages_of(self.folder / environment).glob(f"{name}-*.dist-info"))
        return found[0].name.removesuffix(".dist-info").rpartition("-")[2] if found else ""

    def script(self) -> str:
        """Return the environment of the script, relative to the folder."""
        (found,) = json.loads(self.pepip("projects", "--kind", "script", "--json").stdout)
        return str(found["environment"])


@pytest.fixture
def hall(machine: Machine, wheelhouse: Path, tmp_path: Path, interpreter: Path) -> Hall:
    """Return a user whose projects, script and tool are behind."""
    for wheel in WHEELS:
        wheel.write(wheelhouse)
    folder = machine.make_folder(tmp_path / "hall")
    variables = {
        "UV_NO_INDEX": "1",
        "UV_FIND_LINKS": str(wheelhouse),
        "UV_CACHE_DIR": str(folder / "cache"),
        "UV_TOOL_DIR": str(folder / "tools"),
        "UV_TOOL_BIN_DIR": str(folder / "bin"),
        "UV_PYTHON": str(interpreter),
    }
    hall = Hall(machine, folder, variables)
    for name, requirements in {"plain": ["drum==1.0"], "bound": ["band"]}.items():
        machine.make_folder(folder / name)
        hall.pepip("install", *requirements, folder=name)
    for name in ("locked", "stuck"):
        machine.make_folder(folder / name)
        text = f'[project]\nname = "{name}"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["drum<2"]\n'
        (folder / name / "pyproject.toml").write_text(text)
        hall.pepip("sync", folder=name)
        wider = "drum" if name == "locked" else "drum>3"
        (folder / name / "pyproject.toml").write_text(text.replace("drum<2", wider))
    script = '# /// script\n# dependencies = ["{}"]\n# ///\nimport drum; print(drum.VERSION)\n'
    (folder / "play.py").write_text(script.format("drum<2"))
    hall.pepip("run", "play.py")
    (folder / "play.py").write_text(script.format("drum"))
    hall.pepip("tool", "install", "pen<2", "--with", "drum<2")
    return hall


def test_each_environment_is_upgraded_in_its_own_way(hall: Hall) -> None:
    """A dry run tells the truth and changes nothing. Then all that can be upgraded is, and one failure is told.

    `uses --several` lists what is left side by side.
    """
    before = [snapshot(hall.folder / name) for name in ("plain", "bound", "locked", "stuck", "tools")]

    plan = hall.pepip("upgrade", "drum", "--projects", "--dry-run", "--json", check=False)

    assert [snapshot(hall.folder / name) for name in ("plain", "bound", "locked", "stuck", "tools")] == before
    document: dict[str, Any] = json.loads(plan.stdout)
    ways = {item["called"].removeprefix(f"{hall.folder}/"): item for item in document["environments"]}
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
    assert document["downloads"] == 1
    assert ways["plain/.venv"]["change"]["downloaded"] == ["drum"]

    answer = hall.pepip("upgrade", "drum", "--projects", "all", check=False)

    assert answer.returncode == 1
    assert "Upgraded 4 environments: 1 downloaded, 1 failed" in answer.stderr
    assert "drum>3" in answer.stderr
    assert [hall.version(f"{name}/.venv") for name in ("plain", "bound", "locked", "stuck")] == [
        *("2.0", "2.0", "2.0", "1.0"),
    ]
    assert hall.version(hall.script()) == "2.0"
    assert '"2.0"' in (hall.folder / "locked" / "uv.lock").read_text()
    assert (hall.version("tools/pen"), hall.version("tools/pen", "pen")) == ("1.0", "1.0")  # as its receipt says
    assert problems_of(hall.player.store) == []
    (row,) = json.loads(hall.pepip("uses", "--several", "--json").stdout)
    assert (row["name"], [item["version"] for item in row["versions"]]) == ("drum", ["2.0", "1.0"])
    assert str(hall.folder / "stuck" / ".venv") in row["versions"][1]["environments"]
    assert "stuck/.venv" in hall.pepip("uses", "--several").stdout


@pytest.mark.real_world
def test_named_environments_alone_are_upgraded(hall: Hall) -> None:
    """A project, a script and a tool are named by path and name. Others are left alone, and so is what lacks it."""
    answer = hall.pepip("upgrade", "drum", "band", "--projects", "plain", "play.py", "pen", "--json")

    document = json.loads(answer.stdout)
    assert {item["way"] for item in document["environments"]} == {"pip", "script", "tool"}
    assert [hall.version(f"{name}/.venv") for name in ("plain", "bound", "locked")] == ["2.0", "1.0", "1.0"]
    assert hall.version(hall.script()) == "2.0"


@pytest.mark.real_world
def test_without_a_name_the_project_here_gets_all_that_is_newest(hall: Hall) -> None:
    """`pepip upgrade` in a project means this project, whatever variables say of another one."""
    words = {**hall.variables, "UV_PROJECT_ENVIRONMENT": str(hall.folder / "plain" / ".venv")}
    other = Hall(hall.player, hall.folder, words)

    other.pepip("upgrade", "--projects", "locked/.venv")

    assert (hall.version("plain/.venv"), hall.version("locked/.venv")) == ("1.0", "2.0")

    hall.pepip("upgrade", folder="plain")

    assert hall.version("plain/.venv") == "2.0"


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
