"""`pepip why`: the tree up to the project and down, with markers and extras, and the packages that only one needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.machines import Machine
from tests.support.wheels import Wheel

WHEELS = [
    Wheel("app-kit", "1.0", dependencies=["core>=1", "web[fast]", "other; python_version < '3'"]),
    Wheel("web", "2.0", dependencies=["core"], extras={"fast": ["loop", "wire"], "slow": ["other"]}),
    Wheel("core", "1.5", dependencies=["wire<9"]),
    Wheel("loop", "1.0"),
    Wheel("wire", "3.0"),
    Wheel("other", "1.0"),
    Wheel("tester", "1.0", dependencies=["wire"]),
    Wheel("egg", "1.0", dependencies=["hen"]),
    Wheel("hen", "1.0", dependencies=["egg"]),
]


@pytest.fixture
def user(machine: Machine, wheelhouse: Path) -> Machine:
    """Return the user, with wheels in the wheelhouse."""
    for wheel in WHEELS:
        wheel.write(wheelhouse)
    return machine


def locked(user: Machine, wheelhouse: Path, folder: Path) -> Path:
    """Make a project with a lock, and return its environment."""
    user.make_folder(folder)
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "site"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["app_kit"]\n'
        '[dependency-groups]\ndev = [{include-group = "test"}]\ntest = ["tester"]\n'
        f'[tool.uv]\nno-index = true\nfind-links = ["{wheelhouse}"]\n'
    )
    user.pepip("sync", folder=folder)
    return folder / ".venv"


def why(user: Machine, folder: Path, *words: str) -> list[dict[str, Any]]:
    """Return the answer of `pepip why`."""
    found: list[dict[str, Any]] = json.loads(user.pepip("why", "--json", *words, folder=folder).stdout)
    return found


def lines(tree: list[dict[str, Any]]) -> list[str]:
    """Return a tree in short lines."""
    return [
        f"{'  ' * line['depth']}{line['name'] or line['place']} ({line['requirement'] or ''})"
        + "*" * line["is_again"]
        for line in tree
    ]


def test_the_tree_leads_up_to_the_project_and_down(user: Machine, wheelhouse: Path, tmp_path: Path) -> None:
    """Extras are followed, markers are evaluated, and groups of the project are named."""
    environment = locked(user, wheelhouse, tmp_path / "site")

    (wire,) = why(user, tmp_path, "wire")
    (web,) = why(user, tmp_path, "web")

    assert wire["environment"] == str(environment)
    assert lines(wire["needed_by"]) == [
        "core (wire<9)",
        "  app-kit (core>=1)",
        "    pyproject.toml (app_kit)",
        "  web (core)",
        "    app-kit (web[fast])*",
        "tester (wire)",
        "  group dev (tester)",
        "  group test (tester)",
        "web (wire)*",
    ]
    assert wire["needs"] == []
    assert lines(web["needs"]) == ["core (core)", "  wire (wire<9)", "loop (loop)", "wire (wire)"]
    assert web["unneeded_without"] == ["loop"]


def test_packages_that_nothing_else_needs_go_with_a_package(user: Machine, wheelhouse: Path, tmp_path: Path) -> None:
    """Removing the only requirement frees all but what the group for tests needs, too."""
    locked(user, wheelhouse, tmp_path / "site")

    (kit,) = why(user, tmp_path, "app.kit", "--project", "site")
    text = user.pepip("why", "app-kit==1.0", folder=tmp_path).stdout

    assert kit["unneeded_without"] == ["core", "loop", "web"]
    assert "only it needs: core, loop, web" in text


def test_packages_that_need_each_other_are_reached(user: Machine, wheelhouse: Path, tmp_path: Path) -> None:
    """A circle is shown once. Without a project file, the first of the circle counts as installed for itself."""
    folder = user.make_folder(tmp_path / "farm")
    user.pepip("install", "--no-index", "--find-links", wheelhouse, "egg", folder=folder)

    (hen,) = why(user, tmp_path, "hen")

    assert lines(hen["needed_by"]) == ["egg (hen)", "  itself ()", "  hen (egg)*"]
    assert lines(hen["needs"]) == ["egg (egg)", "  hen (hen)*"]
    assert hen["unneeded_without"] == []


def test_same_answers_are_shown_together(user: Machine, wheelhouse: Path, tmp_path: Path) -> None:
    """Two environments with the same tree are one paragraph."""
    for name in ("one", "two"):
        folder = user.make_folder(tmp_path / name)
        user.pepip("install", "--no-index", "--find-links", wheelhouse, "core", folder=folder)

    answer = user.pepip("why", "wire", folder=tmp_path).stdout

    assert answer.count("wire 3.0") == 1
    assert f"in {tmp_path}/one/.venv, {tmp_path}/two/.venv" in answer
    assert "core 1.5  needs wire<9\n      installed on its own" in answer


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["nothing"], "no environment has nothing"),
        (["wire", "--project", "nowhere"], "error: no environment at nowhere links the store"),
    ],
)
def test_a_question_without_an_answer_fails(
    words: list[str], complaint: str, user: Machine, wheelhouse: Path, tmp_path: Path
) -> None:
    """An unknown package or project is a failure with one sentence."""
    folder = user.make_folder(tmp_path / "one")
    user.pepip("install", "--no-index", "--find-links", wheelhouse, "core", folder=folder)

    answer = user.pepip("why", *words, folder=tmp_path, check=False)

    assert (answer.returncode, answer.stdout) == (1, "")
    assert complaint in answer.stderr
