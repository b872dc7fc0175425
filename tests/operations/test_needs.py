"""Unmet needs of an environment are those that `uv pip check` finds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pepip.environment import contents
from pepip.operations import needs
from pepip.store.root import Store
from tests.support.wheels import Wheel
from tests.support.workbench import Workbench

WHEELS = [
    Wheel("drum", "2.0", files={"drum/__init__.py": ""}, dependencies=["skin>=2", "wood"]),
    Wheel("skin", "1.0", files={"skin/__init__.py": ""}, dependencies=["glue ; python_version < '3'"]),
    Wheel("horn", "1.0", files={"horn/__init__.py": ""}, extras={"brass": ["drum"]}, dependencies=["Drum~=2.0"]),
    Wheel("bell", "1.0", files={"bell/__init__.py": ""}, dependencies=["horn<1", "skin==1.*"]),
]


def make(project: Workbench, *, by_uv: bool) -> Path:
    """Make an environment with all distributions, although not all of their needs are met."""
    project.uv("venv", "--python", project.interpreter)
    words = ("pip", "install", *project.from_wheelhouse, "--no-deps", *(wheel.name for wheel in WHEELS))
    (project.uv if by_uv else project.pepip)(*words)
    return project.environment


@pytest.mark.parametrize("by_uv", [False, True])
def test_unmet_needs_are_those_of_uv(workbench: Workbench, *, by_uv: bool) -> None:
    """Whether the distributions are linked or the environment's own."""
    environment = make(workbench, by_uv=by_uv)

    opened = Store(str(workbench.store))
    present = contents.installed_in(str(workbench.site_packages), opened.known_roots)
    found = needs.Needs(opened).unmet(str(environment), "3.11.7", present)

    said = workbench.uv("pip", "check", check=False).stderr
    of_uv = re.findall(r"The package `(.+?)` requires `(.+?)`", said)
    assert sorted((need.name, need.requirement.lower()) for need in found) == sorted(
        (name, requirement.lower()) for name, requirement in of_uv
    )
    assert len(found) == 3


def test_removing_a_distribution_breaks_those_that_need_it(workbench: Workbench) -> None:
    """Needs that were unmet before are not among them."""
    environment = make(workbench, by_uv=False)

    broken = needs.broken_by_removal(Store(str(workbench.store)), str(environment), {"drum"})

    assert [(need.name, need.found) for need in broken] == [("horn", "")]
