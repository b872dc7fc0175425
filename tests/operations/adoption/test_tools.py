"""Environments of all tools behave the same after adopting and after ejecting, and their tools still work in them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pepip.environment import file_modes
from tests.support import tools
from tests.support.machines import Machine, require_interpreter, site_packages_of
from tests.support.parity import Level, Observation, differences, observe
from tests.support.snapshots import changes, snapshot
from tests.support.stores import leftovers_of, problems_of
from tests.support.suites import Suite, download_sdist, run_suite, unpack_tests
from tests.support.tools import Project, Tool
from tests.whole_program.test_real_projects import SUITES

pytestmark = pytest.mark.timeout(5400)  # a machine with other work takes an hour for 100 distributions

_ADDED = "toolz"
"""A distribution that no street needs. Some tools add it and remove it again."""

_TESTED = {"click", "jinja2", "numexpr"}
"""Projects whose own tests run in an adopted environment."""


@dataclass(frozen=True)
class Street:
    """A set of packages, and the tools that each make an environment of them, with the Python version."""

    name: str
    packages: tuple[str, ...]
    makers: tuple[tuple[Tool, str], ...]

    def __str__(self) -> str:
        """Return the name of the set."""
        return self.name


STREETS = (
    Street(
        "web",
        ("flask", "httpx", "uvicorn[standard]", "sqlalchemy"),
        (
            (tools.UV_LINKS, "3.12"),
            (tools.UV_COPIES, "3.10"),
            (tools.PIP, "3.8"),
            (tools.POETRY, "3.11"),
            (tools.PDM, "3.12"),
            (tools.HATCH, "3.11"),
            (tools.TOX, "3.13"),
            (tools.PIPX, "3.12"),
        ),
    ),
    Street(
        "scientific",
        ("numpy", "pandas", "scikit-learn", "matplotlib"),
        (
            (tools.UV_LINKS, "3.12"),
            (tools.UV_COPIES, "3.12"),
            (tools.PIP, "3.12"),
            (tools.POETRY, "3.12"),
            (tools.PDM, "3.13"),
            (tools.HATCH, "3.9"),
            (tools.NOX, "3.12"),
            (tools.VIRTUALENV, "3.9"),
        ),
    ),
    Street(
        "namespaces",
        ("zope.interface", "zope.event", "sphinxcontrib-applehelp", "googleapis-common-protos", "protobuf"),
        (
            (tools.UV_LINKS, "3.12"),
            (tools.UV_COPIES, "3.8"),
            (tools.PIP, "3.13"),
            (tools.POETRY, "3.12"),
            (tools.PDM, "3.12"),
            (tools.HATCH, "3.12"),
            (tools.TOX, "3.12"),
            (tools.NOX, "3.9"),
        ),
    ),
    Street(
        "built from sdists",
        ("docopt==0.6.2", "termcolor", "pyperclip==1.8.2", "future==0.18.3"),
        (
            (tools.UV_LINKS, "3.11"),
            (tools.UV_COPIES, "3.11"),
            (tools.PIP, "3.11"),
            (tools.POETRY, "3.11"),
            (tools.PDM, "3.11"),
            (tools.HATCH, "3.11"),
            (tools.TOX, "3.11"),
            (tools.VIRTUALENV, "3.10"),
        ),
    ),
    Street(
        "tools of every day",
        ("black==24.4.2", "pytest", "ipython", "mypy"),
        (
            (tools.UV_LINKS, "3.9"),
            (tools.UV_COPIES, "3.13"),
            (tools.PIP, "3.10"),
            (tools.POETRY, "3.13"),
            (tools.PDM, "3.11"),
            (tools.HATCH, "3.13"),
            (tools.NOX, "3.13"),
            (tools.PIPX, "3.13"),
        ),
    ),
    Street(
        "notebook",
        ("jupyterlab", "setuptools<70", "pywin32-ctypes"),
        ((tools.UV_LINKS, "3.12"), (tools.PIP, "3.12"), (tools.POETRY, "3.12"), (tools.TOX, "3.9")),
    ),
    Street("Qt", ("pyqt6", "pyqtgraph", "numpy"), ((tools.UV_COPIES, "3.12"), (tools.PIP, "3.12"))),
)
"""With those of `EACH_TOOL`, these are 55 environments."""

SMALL = Street(
    "small",
    ("idna", "zope.event", "docopt==0.6.2"),
    ((tools.UV_LINKS, "3.12"), (tools.PIP, "3.12")),
)
EACH_TOOL = Street(
    "each tool",
    ("pygments", "idna", "zope.event"),
    (
        (tools.UV_LINKS, "3.12"),
        (tools.PIP, "3.12"),
        (tools.VIRTUALENV, "3.12"),
        (tools.POETRY, "3.12"),
        (tools.PDM, "3.12"),
        (tools.HATCH, "3.12"),
        (tools.TOX, "3.12"),
        (tools.NOX, "3.12"),
        (tools.PIPX, "3.12"),
    ),
)


@pytest.mark.unit
def test_the_streets_have_fifty_environments_of_all_tools_and_pythons() -> None:
    """They include uv with hard links and with copies, and each Python that pepip works with has an environment."""
    made = [maker for street in (EACH_TOOL, *STREETS) for maker in street.makers]
    versions = {version for _, version in made}

    assert len(made) >= 50
    assert len({tool.name for tool, _ in made}) == 10
    assert versions == {f"3.{minor}" for minor in range(8, 14)}


@pytest.fixture(scope="session")
def programs(uv_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the tools' programs."""
    folder = tmp_path_factory.mktemp("tools")
    return tools.install_tools(Machine(folder, folder / "store", uv_cache), folder)


def _settled(environment: Path, machine: Machine) -> Observation:
    """Observe an environment, with the files that its own programs and imports have left there."""
    seen = observe(environment, machine)
    left = observe(environment, machine, level=Level.FILES)
    return replace(seen, files=left.files, directories=left.directories, dangling_links=left.dangling_links)


def _unexpected(lines: list[str]) -> list[str]:
    """Return an environment's changes, except those of bytecode, locks and pepip's notes of modes.

    Python compiles modules again if the copy that became the entry had no bytecode for them.
    """
    by_nature = ("__pycache__", "added: .lock", file_modes.NOTE)
    return [line for line in lines if not any(part in line for part in by_nature)]


@pytest.mark.real_world
@pytest.mark.parametrize("street", [SMALL, EACH_TOOL, *STREETS], ids=str)
def test_environments_of_all_tools_are_adopted_and_ejected(
    request: pytest.FixtureRequest, machine: Machine, tmp_path: Path, street: Street
) -> None:
    """An adopted environment behaves as before, and an ejected one has its files from before.

    After a second adoption, each tool can still install into its environment.
    """
    needs_tools = any(tool not in (tools.UV_LINKS, tools.UV_COPIES, tools.PIP) for tool, _ in street.makers)
    programs = request.getfixturevalue("programs") if needs_tools else tmp_path
    made: list[tuple[Tool, Project, Path]] = []
    for number, (tool, version) in enumerate(street.makers):
        folder = machine.make_folder(tmp_path / "code" / f"{number}-{tool.name.replace(' ', '-')}")
        project = Project(machine, programs, folder, require_interpreter(version), version, street.packages)
        made.append((tool, project, tool.make(project)))
    roots = [environment for _, _, environment in made]
    before = [_settled(environment, machine) for environment in roots]
    files = [snapshot(environment) for environment in roots]

    document = json.loads(machine.pepip("adopt", "--yes", "--json", tmp_path / "code", folder=tmp_path).stdout)

    outcomes = {item["environment"]: item for item in document["environments"]}
    for environment, seen in zip(roots, before, strict=True):
        outcome = outcomes[str(environment)]
        assert outcome["failure"] == ""
        assert outcome["kept"] == []
        found = differences(seen, observe(environment, machine))
        assert [str(environment), *_unexpected(found)] == [str(environment)]
    assert problems_of(machine.store) == []
    assert leftovers_of(machine.store) == []
    machine.pepip("store", "verify", folder=tmp_path)

    for environment, nodes in zip(roots, files, strict=True):
        machine.pepip("eject", environment, folder=tmp_path)
        assert _unexpected(changes(nodes, snapshot(environment))) == []

    machine.pepip("adopt", "--yes", tmp_path / "code", folder=tmp_path)
    for tool, project, environment in made:
        assert any(path.is_symlink() for path in site_packages_of(environment).glob("*.dist-info/METADATA"))
        tool.add(project, environment, _ADDED)
    machine.pepip("store", "verify", folder=tmp_path)
    assert problems_of(machine.store) == []
    for _, _, environment in made:
        if os.path.lexists(environment / "bin" / "python"):
            now = observe(environment, machine, level=Level.METADATA)
            assert [str(environment), *now.dangling_links] == [str(environment)]
            assert "exit 0" in now.answers["uv pip check"]


@pytest.mark.real_world
@pytest.mark.parametrize("suite", [suite for suite in SUITES if suite.package in _TESTED], ids=str)
def test_suite_of_a_real_project_passes_in_an_adopted_environment(
    machine: Machine, tmp_path: Path, interpreter: Path, pip: Path, suite: Suite
) -> None:
    """Each test of the project has the same result before and after; the tests change nothing in the store."""
    sdist = download_sdist(
        suite.project, machine.make_folder(tmp_path / "sdist"), machine, pip=pip, interpreter=interpreter
    )
    environment = machine.make_folder(tmp_path / "app") / ".venv"
    machine.uv("venv", environment, "--python", interpreter, folder=tmp_path)
    into = ("pip", "install", "--link-mode", "copy", "--python", environment)
    machine.uv(*into, suite.project, *suite.beside.split(), folder=tmp_path)
    root = unpack_tests(sdist, suite.package, environment.parent)
    before = run_suite(suite, root, environment, machine)
    machine.pepip("adopt", "--yes", environment.parent, folder=tmp_path)
    entries = snapshot(machine.store / "packages")

    after = run_suite(suite, root, environment, machine)

    assert before.count("passed") >= suite.at_least, before.said
    assert (site_packages_of(environment) / suite.package).is_symlink()
    assert after.outcomes == before.outcomes, after.said
    assert changes(entries, snapshot(machine.store / "packages")) == []
