"""Unmet needs of an environment are those that `uv pip check` finds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pepip.environment import contents
from pepip.operations import needs
from pepip.store.root import Store
from tests.support.machines import Machine, site_packages_of
from tests.support.wheels import Wheel

WHEELS = [
    Wheel("drum", "2.0", files={"drum/__init__.py": ""}, dependencies=["skin>=2", "wood"]),
    Wheel("skin", "1.0", files={"skin/__init__.py": ""}, dependencies=["glue ; python_version < '3'"]),
    Wheel("horn", "1.0", files={"horn/__init__.py": ""}, extras={"brass": ["drum"]}, dependencies=["Drum~=2.0"]),
    Wheel("bell", "1.0", files={"bell/__init__.py": ""}, dependencies=["horn<1", "skin==1.*"]),
]


@pytest.mark.parametrize("maker", ["pepip", "uv"])
def test_unmet_needs_are_those_of_uv(
    machine: Machine, store: Path, tmp_path: Path, wheelhouse: Path, maker: str
) -> None:
    """Whether the distributions are linked or the environment's own."""
    for wheel in WHEELS:
        wheel.write(wheelhouse)
    project = machine.make_folder(tmp_path / "one")
    machine.uv("venv", ".venv", folder=project)
    words = ("--no-index", "--find-links", wheelhouse, "--no-deps", *(wheel.name for wheel in WHEELS))
    run = machine.pepip if maker == "pepip" else machine.uv
    run("pip", "install", *words, folder=project)
    environment = project / ".venv"

    opened = Store(str(store))
    present = contents.installed_in(str(site_packages_of(environment)), opened.known_roots)
    found = needs.Needs(opened).unmet(str(environment), "3.11.7", present)

    said = machine.uv("pip", "check", folder=project, check=False).stderr
    of_uv = re.findall(r"The package `(.+?)` requires `(.+?)`", said)
    assert sorted((need.name, need.requirement.lower()) for need in found) == sorted(
        (name, requirement.lower()) for name, requirement in of_uv
    )
    assert len(found) == 3


def test_removing_a_distribution_breaks_those_that_need_it(
    machine: Machine, store: Path, tmp_path: Path, wheelhouse: Path
) -> None:
    """Needs that were unmet before are not among them."""
    for wheel in WHEELS:
        wheel.write(wheelhouse)
    project = machine.make_folder(tmp_path / "one")
    machine.uv("venv", ".venv", folder=project)
    words = ("--no-index", "--find-links", wheelhouse, "--no-deps", *(wheel.name for wheel in WHEELS))
    machine.pepip("pip", "install", *words, folder=project)

    broken = needs.broken_by_removal(Store(str(store)), str(project / ".venv"), {"drum"})

    assert [(need.name, need.found) for need in broken] == [("horn", "")]
