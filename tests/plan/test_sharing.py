"""Sharing of folders begins and ends. The shape of an environment depends on its distributions, not on its history.

Each test brings one environment to a set of distributions by several steps, and another in one step. Both then have
the same links, folders and files.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.parity import Level, differences, observe
from tests.support.snapshots import changes, link_shape, snapshot
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench


def camera(version: str) -> Wheel:
    """Return the distribution that owns the regular package `camera`."""
    files = {
        "camera/__init__.py": f"VERSION = {version!r}\n",
        "camera/lenses/__init__.py": "",
        "camera/film/a.txt": "",
    }
    return Wheel("camera", version, files=files)


WHEELS = [
    camera("1.0"),
    camera("2.0"),
    Wheel("camera-contrib", "1.0", files={"camera/contrib.py": "", "camera/lenses/wide.py": ""}),
    Wheel("camera-contrib", "2.0", files={"camera_contrib/__init__.py": ""}),
    Wheel("camera-film", "1.0", files={"camera/film/b.txt": ""}),
    Wheel("cloud-core", "1.0", files={"cloud/core/__init__.py": ""}),
    Wheel("cloud-store", "1.0", files={"cloud/store/__init__.py": "", "cloud/core/plugins/extra.py": ""}),
    Wheel("kernel-one", "1.0", data={"data/share/kernels/one/kernel.json": "1"}),
    Wheel("kernel-two", "1.0", data={"data/share/kernels/two/kernel.json": "2"}),
    Wheel("kernel-two", "2.0", data={"data/share/others/two.json": "2"}),
    Wheel("shifting", "1.0", files={"shifting.py": "KIND = 'module'\n"}),
    Wheel("shifting", "2.0", files={"shifting/__init__.py": "KIND = 'package'\n", "shifting/part.py": ""}),
    Wheel("shifting", "3.0", files={"shifting/part.py": "KIND = 'namespace'\n"}),
    Wheel("bystander", "1.0", files={"bystander.py": ""}),
]


@pytest.fixture
def stepwise(workbench: Workbench) -> Workbench:
    """Return a project that gets its distributions in several steps."""
    return workbench.at("stepwise")


@pytest.fixture
def at_once(workbench: Workbench) -> Workbench:
    """Return a project that gets its distributions in one step. Its path has the length of the other's."""
    return workbench.at("at-once0")


def assert_equal(stepwise: Workbench, at_once: Workbench) -> None:
    """Assert that both have the same shape and the same observation."""
    shapes = [_comparable_shape(project.environment) for project in (at_once, stepwise)]
    observed = [
        observe(project.environment, project.machine, level=Level.METADATA) for project in (at_once, stepwise)
    ]

    assert shapes[1] == shapes[0]
    assert differences(*observed) == []


def _comparable_shape(environment: Path) -> dict[str, str]:
    project = str(environment.parent)
    return {path: held.replace(project, "<project>") for path, held in link_shape(environment).items()}


@pytest.mark.every(2)
@pytest.mark.parametrize(
    "steps",
    [
        ["camera==1.0", "camera-contrib==1.0"],
        ["camera-contrib==1.0", "camera==1.0"],
        ["camera==1.0", "camera-film", "camera-contrib==1.0"],
        ["cloud-core", "cloud-store"],
        ["cloud-store", "cloud-core"],
        ["kernel-one", "kernel-two==1.0"],
        ["camera==1.0 camera-contrib==1.0 camera-film", "bystander"],
    ],
    ids=" then ".join,
)
def test_sharing_appears(stepwise: Workbench, at_once: Workbench, steps: list[str]) -> None:
    """A distribution with files in another's folder unfolds that folder, in any order of installs."""
    for step in steps:
        stepwise.install(*step.split())
    at_once.install(*" ".join(steps).split())

    assert_equal(stepwise, at_once)


@pytest.mark.every(2)
@pytest.mark.parametrize(
    ("steps", "result"),
    [
        (["camera==1.0 camera-contrib==1.0", "camera-contrib==2.0"], "camera==1.0 camera-contrib==2.0"),
        (["camera==1.0 camera-contrib==1.0", "camera==2.0"], "camera==2.0 camera-contrib==1.0"),
        (
            ["camera==1.0 camera-contrib==2.0", "camera-contrib==1.0", "camera-contrib==2.0"],
            "camera==1.0 camera-contrib==2.0",
        ),
        (["kernel-one kernel-two==1.0", "kernel-two==2.0"], "kernel-one kernel-two==2.0"),
        (["shifting==1.0", "shifting==2.0"], "shifting==2.0"),
        (["shifting==2.0", "shifting==3.0"], "shifting==3.0"),
        (["shifting==3.0", "shifting==1.0"], "shifting==1.0"),
        (["shifting==2.0", "shifting==1.0"], "shifting==1.0"),
    ],
    ids=str,
)
def test_sharing_ends(stepwise: Workbench, at_once: Workbench, steps: list[str], result: str) -> None:
    """If an upgrade or downgrade ends the sharing, the folder is linked whole again and nothing stays behind."""
    for step in steps:
        stepwise.install(*step.split())
    at_once.install(*result.split())

    assert_equal(stepwise, at_once)


def test_an_unshared_package_is_one_link(stepwise: Workbench) -> None:
    """A regular package of one distribution is linked as a folder, both before and after it was shared."""
    package = Path("camera")
    stepwise.install("camera==1.0", "camera-contrib==2.0")
    linked = stepwise.site_packages / package
    assert linked.is_symlink()

    stepwise.install("camera-contrib==1.0")
    assert linked.is_dir()
    assert not linked.is_symlink()
    stepwise.install("camera-contrib==2.0")

    assert linked.is_symlink()
    assert linked.resolve().is_relative_to(stepwise.store / "packages")


@pytest.mark.parametrize(
    ("together", "leaving"),
    [
        (["camera==1.0", "camera-contrib==1.0"], "camera-contrib"),
        (["camera==1.0", "camera-contrib==1.0"], "camera"),
        (["cloud-core", "cloud-store"], "cloud-store"),
    ],
    ids=str,
)
def test_the_rest_after_a_removal_is_folded_again(
    stepwise: Workbench, at_once: Workbench, together: list[str], leaving: str
) -> None:
    """After uv removed one of two sharers, the next install makes the shape of an environment without it."""
    stepwise.install(*together)
    stepwise.uv("pip", "uninstall", leaving)
    remaining = [requirement for requirement in together if requirement.split("==")[0] != leaving]

    stepwise.install(*remaining, "bystander")
    at_once.install(*remaining, "bystander")

    assert_equal(stepwise, at_once)


def test_another_project_keeps_its_own_sharing(stepwise: Workbench, at_once: Workbench) -> None:
    """Sharing concerns one environment: another one with the same entries does not change."""
    at_once.install("camera==1.0")
    before = snapshot(at_once.environment)

    stepwise.install("camera==1.0", "camera-contrib==1.0")

    assert changes(before, snapshot(at_once.environment)) == []


def test_a_second_install_changes_nothing(stepwise: Workbench) -> None:
    """A second install changes nothing in the environment and nothing in the store."""
    requirements = ["camera==1.0", "camera-contrib==1.0", "cloud-core", "kernel-one"]
    stepwise.install(*requirements)
    environment = snapshot(stepwise.environment)
    store = snapshot(stepwise.store / "packages")

    stepwise.install(*requirements)

    assert changes(environment, snapshot(stepwise.environment)) == []
    assert changes(store, snapshot(stepwise.store / "packages")) == []
