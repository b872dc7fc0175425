"""Test suites of real projects: unpacked from their sdists, run in an environment, and read test by test.

The project's own source is taken out of the unpacked sdist, so that a suite can only test what the environment
holds. Knows nothing of pepip.
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
    """A project's tests, what they need beside it, and how many of them there are to pass."""

    project: str
    """The requirement, pinned: its sdist holds the tests, and the environment what they test."""
    package: str
    """The name that the tests import, also the folder of the source where there is no `src`."""
    beside: str
    """Requirements of the tests, pinned where the project's own requirements are."""
    at_least: int
    """How many tests pass where everything works; a few less than today's, for other interpreters."""
    arguments: tuple[str, ...] = ()
    """Arguments for pytest."""
    built: bool = False
    """Whether the project is built from its sdist, not taken from a wheel."""

    def __str__(self) -> str:
        """Return the name by which a test report calls this suite."""
        return self.project


@dataclass(frozen=True)
class Results:
    """What a run of a suite came to."""

    exit_code: int
    outcomes: Mapping[tuple[str, str], int]
    """How often each pair of a test's id and its outcome came: `passed`, `failed`, `error`, `skipped`,
    `xfailed`.
    """
    said: str

    def count(self, outcome: str) -> int:
        """Return how many tests ended so."""
        return sum(times for (_, ended), times in self.outcomes.items() if ended == outcome)


def download_sdist(requirement: str, folder: Path, machine: Machine, *, pip: Path, interpreter: Path) -> Path:
    """Return the sdist of a pinned requirement, downloaded into `folder`; `pip` holds the package pip."""
    name = requirement.partition("==")[0]
    runner = pip / "pip" / "__pip-runner__.py"
    download: list[str | Path] = [interpreter, runner, "download", "--no-deps", "--no-binary", name, requirement]
    machine.run([*download, "--dest", folder], folder=folder)
    (archive,) = folder.glob(f"{name}-*.tar.gz")
    return archive


def unpack_tests(sdist: Path, package: str, folder: Path) -> Path:
    """Unpack an sdist below `folder`, take the source of `package` out of it, and return its root."""
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
