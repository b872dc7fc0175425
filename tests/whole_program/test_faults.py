"""A fault at any system call leaves the old state or the new one, and the command can be repeated.

Each command that changes something is killed, or gets an error, at calls by which pepip writes. A seed chooses the
calls. `PEPIP_TEST_SEED` sets another seed, and the message of a failure names the seed.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.courses import COURSES, WHEELS, Course, Place, remove_all
from tests.support.faults import FAULTS, KILL, Fault, calls_seen
from tests.support.machines import Machine, Output
from tests.support.refusals import assert_refused
from tests.support.snapshots import Snapshot, changes

_SCRATCH = ".venv/.pepip"

SEED = int(os.environ.get("PEPIP_TEST_SEED") or 29)


@pytest.fixture(scope="module")
def place(uv_cache: Path, interpreter: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Return the place where all courses run."""
    folder = tmp_path_factory.mktemp("faults")
    for wheel in WHEELS:
        wheel.write(folder / "wheelhouse")
    (folder / "home").mkdir()
    machine = Machine(folder / "home", folder / "place" / "store", uv_cache)
    place = Place(machine, folder / "place", folder / "wheelhouse", interpreter)
    place.build()
    yield place
    remove_all(folder)


@pytest.mark.every(2)
@pytest.mark.parametrize("course", COURSES, ids=lambda course: course.name)
def test_a_fault_at_some_call_leaves_the_old_state_or_the_new_one(place: Place, course: Course) -> None:
    """Every second course survives a kill, and the others another fault, at a random call."""
    chance = random.Random(f"{SEED} {course.name}")
    fault = KILL if COURSES.index(course) % 2 == SEED % 2 else chance.choice(FAULTS[1:])
    points = place.undisturbed(course, fault).points
    if points:
        assert_survives(place, course, fault, chance.randint(1, points))


@pytest.mark.real_world
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
@pytest.mark.parametrize("course", COURSES, ids=lambda course: course.name)
def test_a_fault_at_any_call_leaves_the_old_state_or_the_new_one(place: Place, course: Course, fault: Fault) -> None:
    """Each course survives each fault at each call. `PEPIP_TEST_STRIDE=n` takes only every n-th call."""
    stride = int(os.environ.get("PEPIP_TEST_STRIDE") or 1)
    points = range(1 + SEED % stride, place.undisturbed(course, fault).points + 1, stride)

    failures = [failure for failure in (_failure(place, course, fault, point) for point in points) if failure]

    assert not failures, "\n\n".join([f"{len(failures)} failures", *failures])


def _failure(place: Place, course: Course, fault: Fault, point: int) -> str:
    try:
        assert_survives(place, course, fault, point)
    except AssertionError as error:
        return str(error)
    return ""


def assert_survives(place: Place, course: Course, fault: Fault, point: int) -> None:
    """Run a course with a fault, and assert that its state is sound before and after the command is repeated."""
    undisturbed = place.undisturbed(course, fault)
    place.bring_back(course)
    output = place.take(course, fault, point)
    calls = calls_seen(place.folder)
    shown = f"{course.name}: {fault.name} at {calls[point - 1] if len(calls) >= point else 'no call'} (seed {SEED})"
    try:
        place.assert_others_whole(course)
        _assert_ended_well(place, course, fault, output, len(calls) >= point)
        looked = place.machine.pepip("list", folder=place.folder / course.project, check=False)
        assert "Traceback" not in looked.stderr
        _assert_old_or_new(place, course)
        place.assert_others_whole(course)

        again = place.complete(course)

        if again.returncode:  # some commands can't run twice: `remove` fails if there is nothing to remove
            assert "Traceback" not in again.stderr
        state = place.state(course)
        for kind, after in undisturbed.after.items():
            _assert_same(after, state[kind], f"{kind} after `{' '.join(course.words)}` again: {again.stderr}")
        place.assert_others_whole(course)
        place.assert_clean()
    except (AssertionError, pytest.fail.Exception) as error:
        raise AssertionError(f"{shown}\nexit {output.returncode}: {output.stderr}\n{error}") from None


def _assert_ended_well(place: Place, course: Course, fault: Fault, output: Output, was_reached: bool) -> None:
    """Assert that a kill ended the run, and that any other run succeeded, or was refused and changed nothing.

    After a lasting fault, a run that was refused may have changed the environment.
    """
    if fault is KILL and was_reached:
        assert output.returncode == -9
        return
    undisturbed = place.undisturbed(course, fault)
    environment = {
        path: node for path, node in place.state(course)["environment"].items() if not path.startswith(_SCRATCH)
    }  # the next command removes files that are left there
    if output.returncode == 0:
        assert "Traceback" not in output.stderr
        _assert_same(undisturbed.after["environment"], environment, "the environment of a run that succeeded")
    else:
        if course.is_stepwise:
            output.stdout = ""  # what was to be done
        assert_refused(output)
        if course.is_stepwise:
            _assert_old_or_new(place, course)
        elif not fault.is_lasting:
            _assert_same(undisturbed.before["environment"], environment, "the environment of a run that was refused")


def _assert_same(expected: Snapshot, found: Snapshot, title: str) -> None:
    lines = changes(expected, found)

    assert not lines, "\n".join([title, *lines])


def _assert_old_or_new(place: Place, course: Course) -> None:
    """Assert that the environment is the old one or the new one; a new one may still be empty.

    Of a command that changes one distribution after the other, each path is the old one or the new one.
    """
    undisturbed = place.undisturbed(course, KILL)
    before, after = undisturbed.before["environment"], undisturbed.after["environment"]
    environment = place.state(course)["environment"]
    if course.is_stepwise:
        odd = {
            path: environment.get(path, "nothing")
            for path in before.keys() | after.keys() | environment.keys()
            if not path.startswith(_SCRATCH) and environment.get(path) not in (before.get(path), after.get(path))
        }
        assert not odd, f"neither old nor new: {odd}"
        return
    if not before and environment:
        packages = [path for path in environment if "/site-packages/" in path and "_virtualenv" not in path]
        if not packages:
            return
    assert [] in (changes(before, environment), changes(after, environment)), "\n".join(
        ["neither old:", *changes(before, environment), "nor new:", *changes(after, environment)]
    )
