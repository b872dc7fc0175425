"""Each command that changes something, on each common file system, undisturbed and killed.

The cases: ext4, XFS, Btrfs, a container's writable layer, and a container whose image has the store and the
environments.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.courses import COURSES, WHEELS, Course, LayeredPlace, Place
from tests.support.faults import KILL
from tests.support.filesystems import mounted, overlaid
from tests.support.machines import Machine
from tests.whole_program.test_faults import assert_survives

pytestmark = pytest.mark.real_world

KINDS = ("ext4", "xfs", "btrfs", "overlay", "image")
KILLS = 3
"""The kills of each command, spread over its calls from the first to about the last."""


@pytest.fixture(scope="module", params=KINDS)
def place(
    request: pytest.FixtureRequest, uv_cache: Path, interpreter: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """Return the place of all courses on one kind of file system."""
    folder = tmp_path_factory.mktemp(request.param)
    with contextlib.ExitStack() as stack:
        if request.param == "overlay":
            (folder / "lower").mkdir()
            disk = stack.enter_context(overlaid(folder / "lower", folder / "disk"))
        elif request.param == "image":
            disk = folder
        else:
            disk = stack.enter_context(mounted(request.param, folder / "disk", mebibytes=512))
        for wheel in WHEELS:
            wheel.write(disk / "wheelhouse")
        (disk / "home").mkdir()
        kind = LayeredPlace if request.param == "image" else Place
        machine = Machine(disk / "home", disk / "place" / "store", uv_cache)
        place = kind(machine, disk / "place", disk / "wheelhouse", interpreter)
        place.build()
        if isinstance(place, LayeredPlace):
            stack.callback(place.close)
        yield place


@pytest.mark.parametrize("course", COURSES, ids=lambda course: course.name)
def test_a_command_works_here_and_a_killed_one_is_completed(place: Place, course: Course) -> None:
    """After a kill the state is the old one or the new one. The other project and the store are whole."""
    points = place.undisturbed(course, KILL).points

    for point in range(1, points + 1, max(1, (points - 1) // (KILLS - 1))):
        assert_survives(place, course, KILL, point)
