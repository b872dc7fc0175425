"""`pepip adopt --dry-run` lists environments of other tools, the space to gain, and what stays, with the reason."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.machines import Machine, interpreter_of, site_packages_of
from tests.support.snapshots import changes, snapshot
from tests.support.wheels import Wheel

CAMERA = Wheel(
    "camera",
    "1.0",
    files={"camera/__init__.py": "VERSION = '1.0'\n" * 40_000, "camera/lenses/__init__.py": "", "camera_one.py": ""},
    data={"data/share/camera/manual.txt": "press it\n", "scripts/camera-script": "#!python\nprint(1)\n"},
    entry_points={"console_scripts": {"camera": "camera:main"}},
)
TRIPOD = Wheel("tripod", "1.0", files={"tripod/__init__.py": "", "tripod/legs.txt": "three\n" * 9000})


@pytest.fixture
def supply(wheelhouse: Path) -> tuple[str | Path, ...]:
    """Return the arguments that restrict uv to the wheels of these tests."""
    CAMERA.write(wheelhouse)
    TRIPOD.write(wheelhouse)
    return ("--no-index", "--find-links", wheelhouse)


def make(machine: Machine, environment: Path, interpreter: Path, *arguments: str | Path) -> Path:
    """Make an environment with uv, and install packages into it."""
    machine.make_folder(environment.parent)
    machine.uv("venv", environment, "--python", interpreter, folder=environment.parent)
    if arguments:
        machine.uv("pip", "install", "--python", environment, *arguments, folder=environment.parent)
    return environment


def preview(machine: Machine, *arguments: str | Path, folder: Path) -> dict[str, Any]:
    """Return the JSON document of a dry run."""
    output = machine.pepip("adopt", "--dry-run", "--json", *arguments, folder=folder)
    document: dict[str, Any] = json.loads(output.stdout)
    return document


def packages_of(document: dict[str, Any], environment: Path) -> dict[str, dict[str, Any]]:
    """Return the packages that a document lists for one environment, by name."""
    (found,) = (item for item in document["environments"] if item["environment"] == str(environment))
    return {package["name"]: package for package in found["packages"]}


def test_dry_run_finds_each_environment_and_changes_nothing(
    machine: Machine, tmp_path: Path, interpreter: Path, supply: tuple[str | Path, ...]
) -> None:
    """The preview names each environment's tool, its Python and the packages to link. It changes no file."""
    code = tmp_path / "code"
    one = make(machine, code / "one" / ".venv", interpreter, *supply, "camera", "tripod", "--link-mode", "copy")
    two = make(machine, code / "deep" / "two" / ".venv", interpreter, *supply, "camera", "--link-mode", "copy")
    (code / "node_modules" / "x").mkdir(parents=True)
    (code / "node_modules" / "x" / "pyvenv.cfg").write_text("version = 3.12\n")
    before = snapshot(code)

    document = preview(machine, code, folder=tmp_path)

    assert changes(before, snapshot(code)) == []
    assert not machine.store.exists()
    assert [item["environment"] for item in document["environments"]] == sorted([str(one), str(two)])
    assert {item["tool"] for item in document["environments"]} == {"uv"}
    assert all(item["python"].count(".") == 2 for item in document["environments"])
    assert all(package["would_link"] for package in packages_of(document, one).values())
    assert document["shared_wheels"] == 1
    assert document["is_hashed"] is False
    assert 500_000 < document["freed_bytes"] < 700_000


def _lead(project: Path, environment: Path, by: str) -> None:
    """Let a project's `.venv` lead to an environment."""
    if by == "file":
        (project / ".venv").write_text(f"{os.path.relpath(environment, project)}\n")
    else:
        (project / ".venv").symlink_to(environment)


@pytest.mark.parametrize("by", ["link", "file"])
def test_environment_elsewhere_is_adopted_for_its_project_alone(
    machine: Machine, tmp_path: Path, interpreter: Path, supply: tuple[str | Path, ...], by: str
) -> None:
    """A project's `.venv` leads out of the folder: its environment is included if the folder is the project itself.

    Otherwise it is left alone, since any checkout may have such a `.venv`. The preview names it in both cases.
    """
    environment = make(machine, tmp_path / "kept" / "site", interpreter, *supply, "tripod", "--link-mode", "copy")
    projects = [machine.make_folder(tmp_path / "code" / name) for name in ("one", "two")]
    for project in projects:
        _lead(project, environment, by)

    document = preview(machine, "code", folder=tmp_path)
    left = machine.pepip("adopt", "--yes", "code", folder=tmp_path)
    untouched = not (site_packages_of(environment) / "tripod").is_symlink()
    adopted = machine.pepip("adopt", "--yes", "code/one", folder=tmp_path)

    assert document["environments"] == []
    assert document["redirects"] == [
        {"place": str(project / ".venv"), "environment": str(environment)} for project in projects
    ]
    assert "/.venv leads to kept/site, outside of the folder: left alone unless you name it.\n" in left.stdout
    assert untouched
    assert "kept/site is outside of the folder. It is included since code/one/.venv leads there.\n" in adopted.stdout
    assert (site_packages_of(environment) / "tripod").is_symlink()


@pytest.mark.parametrize("leads", ["inside", "to nothing"])
def test_environment_in_the_folder_needs_no_word(
    machine: Machine, tmp_path: Path, interpreter: Path, supply: tuple[str | Path, ...], leads: str
) -> None:
    """A `.venv` that leads to another place in the folder, or to nothing, is no news."""
    code = tmp_path / "code"
    environment = make(machine, code / "kept" / "site", interpreter, *supply, "tripod")
    _lead(machine.make_folder(code / "one"), environment if leads == "inside" else tmp_path / "nothing", "link")

    document = preview(machine, code, folder=tmp_path)

    assert [item["environment"] for item in document["environments"]] == [str(environment)]
    assert document["redirects"] == []


def test_dry_run_says_why_a_distribution_stays(
    machine: Machine, tmp_path: Path, interpreter: Path, supply: tuple[str | Path, ...]
) -> None:
    """Each distribution that stays has its reason.

    The cases: editable, built from a folder, edited, without RECORD, an egg, and links of another tool.
    """
    code = tmp_path / "code"
    environment = make(machine, code / ".venv", interpreter, *supply, "camera", "tripod", "--link-mode", "copy")
    Wheel("quill", "1.0", files={"quill/__init__.py": ""}).write_source(tmp_path / "quill")
    Wheel("inkpot", "1.0", files={"inkpot/__init__.py": ""}).write_source(tmp_path / "inkpot")
    Wheel("blotter", "1.0", files={"blotter/__init__.py": ""}).write(tmp_path / "wheelhouse")
    into = ("pip", "install", "--python", environment, *supply)
    machine.uv(*into, "-e", tmp_path / "quill", tmp_path / "inkpot", folder=code)
    machine.uv(*into, "blotter", folder=code, variables={"UV_LINK_MODE": "symlink"})
    site = site_packages_of(environment)
    with (site / "camera" / "__init__.py").open("a") as file:
        file.write("# mine\n")
    (site / "tripod-1.0.dist-info" / "RECORD").unlink()
    (site / "old-1.0-py3.8.egg-info").mkdir()

    packages = packages_of(preview(machine, code, folder=tmp_path), environment)

    assert packages["camera"]["changed"] == ["camera/__init__.py"]
    assert packages["camera"]["reason"] == "its files are not as RECORD says"
    assert packages["tripod"]["reason"] == "it has no RECORD"
    assert packages["quill"]["reason"] == "it is editable"
    assert packages["inkpot"]["reason"] == "it was built from a folder on this machine"
    assert packages["blotter"]["reason"] == "its files are links of another tool"
    assert packages["old"]["reason"] == "it has an egg's metadata, and no RECORD"
    assert not any(package["would_link"] for package in packages.values())


def test_dry_run_leaves_whole_environments_alone_and_says_why(
    machine: Machine, tmp_path: Path, interpreter: Path, supply: tuple[str | Path, ...]
) -> None:
    """A conda environment is named. An environment without its interpreter stays, and that is its reason."""
    code = tmp_path / "code"
    (code / "miniconda" / "conda-meta").mkdir(parents=True)
    dead = make(machine, code / "dead" / ".venv", interpreter, *supply, "camera")
    interpreter_of(dead).unlink()

    document = preview(machine, code, folder=tmp_path)

    assert document["conda"] == [str(code / "miniconda")]
    (item,) = document["environments"]
    assert item["reason"] == "its interpreter is gone"
    assert document["freed_bytes"] == 0


def test_dry_run_counts_hard_links_of_a_cache_as_no_gain(
    machine: Machine, tmp_path: Path, interpreter: Path, supply: tuple[str | Path, ...]
) -> None:
    """Hard links of files in uv's cache count as no gain, because the cache keeps the files."""
    code = tmp_path / "code"
    for name in ("one", "two"):
        make(machine, code / name / ".venv", interpreter, *supply, "tripod", "--link-mode", "hardlink")

    document = preview(machine, code, folder=tmp_path)

    assert document["freed_bytes"] < 20_000


def test_dry_run_names_processes_that_use_an_environment(
    machine: Machine, tmp_path: Path, interpreter: Path, supply: tuple[str | Path, ...]
) -> None:
    """A process that runs from an environment is listed with its process ID."""
    code = tmp_path / "code"
    environment = make(machine, code / ".venv", interpreter, *supply, "camera")
    process = machine.start([interpreter_of(environment), "-c", "input()"], folder=tmp_path)
    try:
        document = preview(machine, code, folder=tmp_path)
    finally:
        process.communicate("\n", timeout=60)

    assert [item["number"] for item in document["environments"][0]["processes"]] == [process.pid]


def test_known_places_are_looked_into(machine: Machine, tmp_path: Path, interpreter: Path) -> None:
    """`--known` finds environments in the folders of other tools, and names the tool.

    Each tool's own variable sets its folder.
    """
    places = {
        "UV_TOOL_DIR": (tmp_path / "uv-tools", "uv"),
        "POETRY_VIRTUALENVS_PATH": (tmp_path / "pypoetry" / "virtualenvs", "poetry"),
        "WORKON_HOME": (tmp_path / "home" / ".virtualenvs", "virtualenvwrapper"),
    }
    for folder, _ in places.values():
        make(machine, folder / "tool", interpreter)

    output = machine.pepip(
        "adopt",
        "--known",
        "--dry-run",
        "--json",
        folder=tmp_path,
        variables={name: str(folder) for name, (folder, _) in places.items()},
    )

    found = {item["environment"]: item["tool"] for item in json.loads(output.stdout)["environments"]}
    assert found == {str(folder / "tool"): tool for folder, tool in places.values()}


def test_second_dry_run_remembers_and_sees_a_change(
    machine: Machine, tmp_path: Path, interpreter: Path, supply: tuple[str | Path, ...]
) -> None:
    """A second preview gives the same answer from the cache.

    A distribution that was installed meanwhile appears in the next preview.
    """
    code = tmp_path / "code"
    environment = make(machine, code / ".venv", interpreter, *supply, "camera")
    first = preview(machine, code, folder=tmp_path)
    cached = list((machine.home / ".cache" / "pepip").iterdir())

    second = preview(machine, code, folder=tmp_path)
    machine.uv("pip", "install", "--python", environment, *supply, "tripod", folder=code)
    third = preview(machine, code, folder=tmp_path)

    assert cached
    assert second == first
    assert packages_of(third, environment).keys() == {"camera", "tripod"}


def test_folder_that_is_missing_is_refused(machine: Machine, tmp_path: Path) -> None:
    """A missing folder is refused with one error line."""
    output = machine.pepip("adopt", "--dry-run", "nowhere", folder=tmp_path, check=False)

    assert output.returncode == 2
    assert output.stderr == "error: the folder nowhere does not exist\n"


def test_other_users_environment_stays(
    machine: Machine, tmp_path: Path, interpreter: Path, supply: tuple[str | Path, ...]
) -> None:
    """An environment of another user stays, and the reason names its owner."""
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    environment = make(machine, tmp_path / "code" / ".venv", interpreter, *supply, "camera")
    shutil.chown(environment, user=65534)

    document = preview(machine, environment.parent, folder=tmp_path)

    assert document["environments"][0]["reason"].startswith("it belongs to ")


@pytest.mark.parametrize("closed", ["the store", "nothing", "both"])
def test_dry_run_names_environments_that_other_users_would_lose(
    machine: Machine, interpreter: Path, supply: tuple[str | Path, ...], closed: str
) -> None:
    """Other users can enter an environment, but not the folder of the store: its links would lead to nothing."""
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        home = machine.make_folder(Path(place) / "home")
        home.chmod(0o755 if closed == "nothing" else 0o700)
        near = replace(machine, store=home / "store")
        code = machine.make_folder(Path(place) / "code" if closed != "both" else home / "code")
        environment = make(near, code / ".venv", interpreter, *supply, "tripod", "--link-mode", "copy")

        document = preview(near, code, folder=code)
        output = near.pepip("adopt", "--dry-run", code, folder=code)

        assert document["lost_to_others"] == ([str(environment)] if closed == "the store" else [])
        assert document["closed"] == ("" if closed == "nothing" else str(home))
        sentence = (
            f"Other users can't enter {home}, where the store is. They could no longer use the packages of .venv."
        )
        assert (sentence in output.stdout) is (closed == "the store")


def test_text_of_a_dry_run_ends_with_the_gain_and_the_next_step(
    machine: Machine, tmp_path: Path, interpreter: Path, supply: tuple[str | Path, ...]
) -> None:
    """The environments that free most come first, then what stays by reason, the sum, and the command that links."""
    code = tmp_path / "code"
    make(machine, code / "poor" / ".venv", interpreter)
    for name in ("one", "two"):
        make(machine, code / name / ".venv", interpreter, *supply, "camera", "tripod", "--link-mode", "copy")
    (site_packages_of(code / "two" / ".venv") / "tripod" / "legs.txt").write_text("two\n")

    output = machine.pepip("adopt", "--dry-run", "code", folder=tmp_path)
    complete = machine.pepip("adopt", "--dry-run", "-v", "code", folder=tmp_path)

    lines = output.stdout.splitlines()
    assert lines[0].split() == ["environment", "made", "by", "Python", "packages", "on", "disk", "would", "free"]
    assert [line.split()[0] for line in lines[1:4]][-1] != "code/two/.venv"
    assert {line.split()[0] for line in lines[1:4]} == {f"code/{name}/.venv" for name in ("poor", "one", "two")}
    assert "  its files are not as RECORD says: tripod in code/two/.venv" in lines
    assert "3 environments with 4 packages hold " in output.stdout
    assert [line for line in lines if line.startswith("Sharing them would free ")] != []
    assert lines[-2:] == [
        "  to link them:     pepip adopt code",
        "  to take it back:  pepip eject ENVIRONMENT",
    ]
    assert "code/two/.venv: tripod 1.0 stays: its files are not as RECORD says: tripod/legs.txt" in complete.stdout


def test_text_of_a_dry_run_of_one_environment_promises_nothing(
    machine: Machine, tmp_path: Path, interpreter: Path, supply: tuple[str | Path, ...]
) -> None:
    """With nothing to share yet, it says so; without an environment, it says where else to look."""
    make(machine, tmp_path / "code" / ".venv", interpreter, *supply, "tripod", "--link-mode", "copy")
    (tmp_path / "empty").mkdir()

    alone = machine.pepip("adopt", "--dry-run", "code", folder=tmp_path)
    empty = machine.pepip("adopt", "--dry-run", "empty", folder=tmp_path)

    assert "Sharing would free nothing now" in alone.stdout
    assert empty.stdout.startswith("No environment was found here.\n`--known` looks where tools keep environments")


def test_an_adoption_that_costs_space_says_so(
    machine: Machine, tmp_path: Path, interpreter: Path, supply: tuple[str | Path, ...]
) -> None:
    """One environment alone takes a little more than before: no negative space is said to be free."""
    make(machine, tmp_path / "code" / ".venv", interpreter, *supply, "tripod", "--link-mode", "copy")

    adopted = machine.pepip("adopt", "--yes", "code", folder=tmp_path)
    scanned = machine.pepip("projects", "scan", "code", folder=tmp_path)

    assert "Linked 1 package in 1 environment: this takes " in adopted.stderr
    assert "1 environment links the store, 0 not known before" in scanned.stderr
