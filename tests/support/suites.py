"""Runs the test suites of real projects: unpacks them from sdists, runs them in an environment, reads the results.

The project's own source is removed from the unpacked sdist, so that a suite can only test the environment. Knows
nothing of pepip.
"""

from __future__ import annotations

import shutil
import tarfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tests.support.machines import Machine


@dataclass(frozen=True)
class Suite:
    """The tests of a project, their other requirements, and the number of tests that must pass."""

    project: str
    """The pinned requirement. Its sdist holds the tests, and the environment holds the tested code."""
    package: str
    """The name that the tests import. Without a `src` folder it is also the folder of the source."""
    beside: str
    """Requirements of the tests. They are pinned if the project pins them."""
    at_least: int
    """The number of tests that must pass. It is slightly below today's number, to allow for other interpreters."""
    arguments: tuple[str, ...] = ()
    """Arguments for pytest."""
    built: bool = False
    """Whether the project is built from its sdist instead of taken from a wheel."""

    def __str__(self) -> str:
        """Return the name of this suite for test reports."""
        return self.project


@dataclass(frozen=True)
class Results:
    """The results of one run of a suite."""

    exit_code: int
    outcomes: Mapping[tuple[str, str], int]
    """The number of results for each pair of test id and outcome.

    An outcome is `passed`, `failed`, `error`, `skipped` or `xfailed`.
    """
    said: str

    def count(self, outcome: str) -> int:
        """Return the number of tests with this outcome."""
        return sum(times for (_, ended), times in self.outcomes.items() if ended == outcome)


def download_sdist(requirement: str, folder: Path, machine: Machine, *, pip: Path, interpreter: Path) -> Path:
    """Download the sdist of a pinned requirement into `folder`, and return it. `pip` holds the package pip."""
    name = requirement.partition("==")[0]
    runner = pip / "pip" / "__pip-runner__.py"
    download: list[str | Path] = [interpreter, runner, "download", "--no-deps", "--no-binary", name, requirement]
    machine.run([*download, "--dest", folder], folder=folder)
    (archive,) = folder.glob(f"{name}-*.tar.gz")
    return archive


def unpack_tests(sdist: Path, package: str, folder: Path) -> Path:
    """Unpack an sdist below `folder`, remove the source of `package` from it, and return its root."""
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    root = folder / sdist.name.removesuffix(".tar.gz")
    for source in (root / "src", root / package):
        shutil.rmtree(source, ignore_errors=True)
    return root


def run_suite(suite: Suite, root: Path, environment: Path, machine: Machine) -> Results:
    """Run a suite with an environment's own pytest."""
    report = root.parent / "report.xml"
    output = machine.run(
        [environment / "bin" / "pytest", "-p", "no:cacheprovider", "-q", f"--junit-xml={report}", *suite.arguments],
        folder=root,
        check=False,
    )
    cases = ElementTree.parse(report).iter("testcase") if report.exists() else ()
    outcomes = Counter((f"{case.get('classname')}::{case.get('name')}", _outcome(case)) for case in cases)
    return Results(output.returncode, outcomes, output.stdout + output.stderr)


def _outcome(case: ElementTree.Element) -> str:
    for child in case:
        if child.tag == "skipped":
            return "xfailed" if child.get("type") == "pytest.xfail" else "skipped"
        if child.tag in ("failure", "error"):
            return {"failure": "failed", "error": "error"}[child.tag]
    return "passed"
