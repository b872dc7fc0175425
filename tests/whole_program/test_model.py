"""After any sequence of pepip, uv and pip on two projects, each is as uv alone would make it.

Hypothesis generates the sequences. After each step, the changed project equals its twin, in which uv or pip did the
same. The other project is as before, and the store is whole. If a foreign tool wrote into the store, as root can, the
next command of pepip finds that in either project.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.support.machines import Machine, Output
from tests.support.model import NAMES, PINS, WHEELS, Pair, Studio, inside
from tests.support.parity import Observation, differences

SEQUENCES = int(os.environ.get("PEPIP_TEST_SEQUENCES") or 500)

PROJECTS = st.sampled_from([0, 1])
SOME_PINS = st.lists(st.sampled_from(PINS), min_size=1, max_size=4, unique_by=lambda pin: pin.partition("=")[0])
SOME_NAMES = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True)


class Sequence(RuleBasedStateMachine):
    """A sequence of steps. Each rule is a step that one tool takes in one project."""

    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self._studio = studio

    @rule(project=PROJECTS, pins=SOME_PINS)
    def pepip_installs(self, project: int, pins: list[str]) -> None:
        """Install, upgrade or downgrade."""
        self._by_pepip(project, pins, "install", *pins, *self._studio.source)

    @rule(project=PROJECTS, pins=SOME_PINS)
    def pepip_reinstalls(self, project: int, pins: list[str]) -> None:
        """Install distributions that may be there already."""
        self._by_pepip(project, pins, "install", "--reinstall", *pins, *self._studio.source)

    @rule(project=PROJECTS, pins=SOME_PINS)
    def pepip_syncs(self, project: int, pins: list[str]) -> None:
        """Leave the listed distributions and no others."""
        pair = self._studio.pairs[project]
        for folder in (pair.project, pair.twin):
            (folder / "requirements.txt").write_text("\n".join(pins))
        self._by_pepip(project, pins, "pip", "sync", "requirements.txt", *self._studio.source)

    @rule(project=PROJECTS, names=SOME_NAMES)
    def pepip_uninstalls(self, project: int, names: list[str]) -> None:
        """Remove distributions that may not be there."""
        self._by_pepip(project, [], "uninstall", *names)

    @rule(project=PROJECTS)
    def pepip_prunes(self, project: int) -> None:
        """Remove entries that neither project links."""
        self._keeps(self._studio.pairs[project], lambda pair: self._studio.pepip(pair, "prune", "--yes"))

    @rule(project=PROJECTS)
    def pepip_repairs(self, project: int) -> None:
        """Repair a store that is whole, and restore missing links."""
        words = ("store", "repair", *self._studio.source)
        self._keeps(self._studio.pairs[project], lambda pair: self._studio.pepip(pair, *words), restores=True)

    @rule(project=PROJECTS, pins=SOME_PINS)
    def uv_installs(self, project: int, pins: list[str]) -> None:
        """Let uv install, upgrade or downgrade, possibly in folders that are links."""
        self._by_another(
            project, pins, lambda folder: self._studio.uv(folder, "install", *pins, *self._studio.source)
        )

    @rule(project=PROJECTS, names=SOME_NAMES)
    def uv_uninstalls(self, project: int, names: list[str]) -> None:
        """Let uv remove distributions that pepip may have linked."""
        self._by_another(project, [], lambda folder: self._studio.uv(folder, "uninstall", *names))

    @rule(project=PROJECTS, pin=st.sampled_from(PINS))
    def pip_installs_over(self, project: int, pin: str) -> None:
        """Let pip overwrite a distribution that may be there already."""
        words = ("install", "-q", "-I", "--no-deps", pin, *self._studio.source)
        self._by_another(project, [pin], lambda folder: self._studio.pip(folder, *words))

    @rule(project=PROJECTS, names=SOME_NAMES)
    def pip_uninstalls(self, project: int, names: list[str]) -> None:
        """Let pip remove distributions that pepip may have linked."""
        words = ("uninstall", "-q", "--yes", *names)
        self._by_another(project, [], lambda folder: self._studio.pip(folder, *words))

    def _by_pepip(self, project: int, pins: list[str], *words: str | Path) -> None:
        pair = self._studio.pairs[project]
        words_of_uv = words[1:] if words[0] == "pip" else words
        self._works(pair, pins, self._studio.uv(pair.twin, *words_of_uv), lambda: self._studio.pepip(pair, *words))

    def _by_another(self, project: int, pins: list[str], run: Callable[[Path], Output]) -> None:
        pair = self._studio.pairs[project]
        before = self._studio.observe(self._studio.other(pair))
        output = self._works(pair, pins, run(pair.twin), lambda: run(pair.project), is_foreign=True)
        if output.returncode:
            assert "ermission denied" in output.stdout + output.stderr, output.stderr
            self._studio.pepip(pair, "install", "wind-one", *self._studio.source)
            assert self._studio.problems() == []
            assert differences(before, self._studio.observe(self._studio.other(pair))) == []
            self._studio.make_anew(pair)

    def _works(
        self, pair: Pair, pins: list[str], by_uv: Output, run: Callable[[], Output], *, is_foreign: bool = False
    ) -> Output:
        """Repeat in a project what was done in its twin.

        Assert that both are equal, and that nothing else has changed.
        """
        studio = self._studio
        # pip can't uninstall a folder in which uv has left only its note of a wheel. pepip leaves no such folder.
        assume(not is_foreign or "uninstall-no-record-file" not in by_uv.stderr)
        pair.ever.update(pins)
        other = studio.other(pair)
        before = studio.observe(other)
        output = run()
        said = studio.pepip(other, "list").stderr if is_foreign else output.stderr
        assert "Traceback" not in said, said
        is_repaired = is_foreign and studio.problems() != []
        if is_repaired:  # no warning is needed for the same bytes, written again
            assert studio.changed_bytes() == [] or "another tool wrote" in said, said
            studio.pepip(other, "store", "repair", *studio.source)
        assert studio.problems() == []
        assert self._changes(other, before, restores=is_repaired) == []
        if is_foreign and output.returncode and not by_uv.returncode:
            return output
        assert (output.returncode == 0) == (by_uv.returncode == 0), f"{by_uv.stderr}\npepip: {output.stderr}"
        assert studio.differences(pair) == []
        by_pepip, listed = studio.listed(pair)
        assert by_pepip == listed
        return output if is_foreign and not by_uv.returncode else by_uv

    def _keeps(self, pair: Pair, run: Callable[[Pair], Output], *, restores: bool = False) -> None:
        """Assert that a command succeeds and changes neither project, but that it `restores` contested files."""
        before = [self._studio.observe(each) for each in self._studio.pairs]
        output = run(pair)
        assert output.returncode == 0, output.stderr
        for each, seen in zip(self._studio.pairs, before, strict=True):
            assert self._changes(each, seen, restores=restores) == []
        assert self._studio.problems() == []

    def _changes(self, pair: Pair, before: Observation, *, restores: bool) -> list[str]:
        """Return the changes of a project since `before`. Contested files that a repair `restores` do not count."""
        now = self._studio.observe(pair)
        if restores:
            contested = self._studio.contested(pair)
            back = {path for path in now.files.keys() - before.files if inside(path) in contested}
            now = replace(now, files={path: text for path, text in now.files.items() if path not in back})
        return differences(before, now)


@pytest.fixture
def studios(user: Machine, tmp_path: Path, interpreter: Path, pip: Path) -> Iterator[Studio]:
    """Return a function that makes a studio for each sequence. The user is root or a plain user."""
    user.make_folder(tmp_path / "wheels")
    for wheel in WHEELS:
        wheel.write(tmp_path / "wheels")
    numbers = itertools.count()

    def make() -> Studio:
        folder = user.make_folder(tmp_path / f"studio-{next(numbers)}")
        return Studio(replace(user, store=folder / "store"), folder, tmp_path / "wheels", interpreter, pip)

    return make


def _run(make_studio: Callable[[], Studio], *, sequences: int, steps: int, is_random: bool) -> None:
    run_state_machine_as_test(
        lambda: Sequence(make_studio()),
        settings=settings(
            max_examples=sequences,
            stateful_step_count=steps,
            derandomize=not is_random,
            database=None,
            deadline=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_any_few_steps_keep_every_project_and_the_store_whole(studios: Callable[[], Studio]) -> None:
    """A few short sequences, the same in each run, keep the projects and the store whole."""
    _run(studios, sequences=2, steps=5, is_random=False)


@pytest.mark.real_world
@pytest.mark.timeout(36_000)
def test_any_steps_keep_every_project_and_the_store_whole(studios: Callable[[], Studio]) -> None:
    """Random sequences keep the projects and the store whole. `PEPIP_TEST_SEQUENCES` sets their number."""
    _run(studios, sequences=SEQUENCES, steps=10, is_random=True)
