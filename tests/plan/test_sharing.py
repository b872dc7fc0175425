"""Sharing of folders begins and ends. The shape of an environment depends on its distributions, not on its history.

Each test brings one environment to a set of distributions by several steps, and another in one step. Both then have
the same links, folders and files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.machines import Machine, site_packages_of
from tests.support.parity import Level, differences, observe
from tests.support.snapshots import changes, link_shape, snapshot
from tests.support.wheels import Wheel


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


@dataclass(frozen=True)
class Histories:
    """Two projects: one gets its distributions in several steps, the other in one."""

    machine: Machine
    folder: Path
    source: tuple[str | Path, ...]

    @property
    def stepwise(self) -> Path:
        """Return the environment that gets its distributions in several steps."""
        return self.folder / "stepwise" / ".venv"

    @property
    def at_once(self) -> Path:
        """Return the environment that gets its distributions in one step."""
        return self.folder / "at-once0" / ".venv"

    def install(self, environment: Path, *requirements: str) -> None:
        """Install into one of the two environments."""
        environment.parent.mkdir(exist_ok=True)
        self.machine.pepip("install", *requirements, *self.source, folder=environment.parent)

    def assert_equal(self) -> None:
        """Assert that both have the same shape and the same observation."""
        shapes = [_comparable_shape(environment) for environment in (self.at_once, self.stepwise)]
        observed = [
            observe(environment, self.machine, level=Level.METADATA) for environment in (self.at_once, self.stepwise)
        ]

        assert shapes[1] == shapes[0]
        assert differences(*observed) == []


def _comparable_shape(environment: Path) -> dict[str, str]:
    project = str(environment.parent)
    return {path: held.replace(project, "<project>") for path, held in link_shape(environment).items()}


@pytest.fixture
def histories(machine: Machine, tmp_path: Path, wheelhouse: Path, interpreter: Path) -> Histories:
    """Return two empty projects, and wheels that share folders in many ways."""
    for wheel in WHEELS:
        wheel.write(wheelhouse)
    return Histories(machine, tmp_path, ("--no-index", "--find-links", wheelhouse, "--python", interpreter))


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
def test_sharing_appears(histories: Histories, steps: list[str]) -> None:
    """A distribution with files in another's folder unfolds that folder, in any order of installs."""
    for step in steps:
        histories.install(histories.stepwise, *step.split())
    histories.install(histories.at_once, *" ".join(steps).split())

    histories.assert_equal()


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
def test_sharing_ends(histories: Histories, steps: list[str], result: str) -> None:
    """If an upgrade or downgrade ends the sharing, the folder is linked whole again and nothing stays behind."""
    for step in steps:
        histories.install(histories.stepwise, *step.split())
    histories.install(histories.at_once, *result.split())

    histories.assert_equal()


def test_an_unshared_package_is_one_link(histories: Histories) -> None:
    """A regular package of one distribution is linked as a folder, both before and after it was shared."""
    package = Path("camera")
    histories.install(histories.stepwise, "camera==1.0", "camera-contrib==2.0")
    linked = site_packages_of(histories.stepwise) / package
    assert linked.is_symlink()

    histories.install(histories.stepwise, "camera-contrib==1.0")
    assert linked.is_dir()
    assert not linked.is_symlink()
    histories.install(histories.stepwise, "camera-contrib==2.0")

    assert linked.is_symlink()
    assert linked.resolve().is_relative_to(histories.machine.store / "packages")


@pytest.mark.parametrize(
    ("together", "leaving"),
    [
        (["camera==1.0", "camera-contrib==1.0"], "camera-contrib"),
        (["camera==1.0", "camera-contrib==1.0"], "camera"),
        (["cloud-core", "cloud-store"], "cloud-store"),
    ],
    ids=str,
)
def test_the_rest_after_a_removal_is_folded_again(histories: Histories, together: list[str], leaving: str) -> None:
    """After uv removed one of two sharers, the next install makes the shape of an environment without it."""
    histories.install(histories.stepwise, *together)
    histories.machine.uv("pip", "uninstall", leaving, folder=histories.stepwise.parent)
    remaining = [requirement for requirement in together if requirement.split("==")[0] != leaving]

    histories.install(histories.stepwise, *remaining, "bystander")
    histories.install(histories.at_once, *remaining, "bystander")

    histories.assert_equal()


def test_another_project_keeps_its_own_sharing(histories: Histories) -> None:
    """Sharing concerns one environment: another one with the same entries does not change."""
    histories.install(histories.at_once, "camera==1.0")
    before = snapshot(histories.at_once)

    histories.install(histories.stepwise, "camera==1.0", "camera-contrib==1.0")

    assert changes(before, snapshot(histories.at_once)) == []


def test_a_second_install_changes_nothing(histories: Histories) -> None:
    """A second install changes nothing in the environment and nothing in the store."""
    requirements = ["camera==1.0", "camera-contrib==1.0", "cloud-core", "kernel-one"]
    histories.install(histories.stepwise, *requirements)
    environment = snapshot(histories.stepwise)
    store = snapshot(histories.machine.store / "packages")

    histories.install(histories.stepwise, *requirements)

    assert changes(environment, snapshot(histories.stepwise)) == []
    assert changes(store, snapshot(histories.machine.store / "packages")) == []
