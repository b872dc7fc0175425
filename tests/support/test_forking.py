"""A forked run of pepip is the same as one with an interpreter of its own."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import forking
from tests.support.machines import Machine
from tests.support.snapshots import changes, snapshot

pytestmark = pytest.mark.skipif(not forking.is_wanted, reason="each run starts an interpreter here")


@pytest.mark.parametrize("words", [("--version",), ("store", "path"), ("store", "list", "--json"), ("install",)])
def test_streams_and_exit_code_are_the_same(
    machine: Machine, project: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """Both have the same output, the same errors and the same exit code."""
    forked = machine.pepip(*words, folder=project, check=False)
    monkeypatch.setattr(forking, "is_wanted", False)
    started = machine.pepip(*words, folder=project, check=False)

    assert (forked.returncode, forked.stdout, forked.stderr) == (started.returncode, started.stdout, started.stderr)


def test_folder_variables_and_umask_are_those_of_the_run(machine: Machine, project: Path) -> None:
    """A relative store is below the folder of the run. Its modes obey the umask of the tests."""
    before = os.umask(0o027)
    try:
        machine.pepip("store", "init", folder=project, variables={"PEPIP_HOME": "here"})
    finally:
        os.umask(before)

    assert (project / "here" / "packages").stat().st_mode & 0o007 == 0


def test_a_plain_user_and_their_umask_are_those_of_the_run(machine: Machine, tmp_path: Path) -> None:
    """A store that a plain user makes by a fork has the owner and the modes of one that an interpreter makes."""
    plain = machine.as_plain_user(tmp_path / "plain")
    careful = replace(plain, prefix=(*plain.prefix, "sh", "-c", 'umask 077; exec "$@"', "sh"))
    assert forking.may_fork(careful.variables(), careful.prefix)
    made = []
    for name, settings in (("forked", {}), ("started", {"LC_ALL": "C"})):
        variables = {"PEPIP_HOME": str(plain.home / name), **settings}
        careful.pepip("store", "init", folder=plain.home, variables=variables)
        made.append({path.relative_to(plain.home / name): path.stat() for path in (plain.home / name).rglob("*")})

    forked, started = ({path: (node.st_uid, oct(node.st_mode)) for path, node in tree.items()} for tree in made)
    assert forked == started
    assert {owner for owner, _ in forked.values()} == {plain.home.stat().st_uid}


def test_words_that_do_more_than_choose_a_user_start_an_interpreter(machine: Machine) -> None:
    """Such as words that set a variable, which a fork would not have."""
    for prefix in (("env", "HOME=/nowhere"), ("unshare", "--user"), ("setpriv", "--reuid=1", "env", "HOME=/nowhere")):
        assert not forking.may_fork(machine.variables(), prefix)


def test_a_run_leaves_nothing_to_the_next(machine: Machine, project: Path) -> None:
    """Variables of one run are unknown to the next."""
    machine.pepip("store", "init", folder=project, variables={"PEPIP_HOME": "here"})
    before = snapshot(project)

    machine.pepip("store", "init", folder=project)

    assert changes(before, snapshot(project)) == []
    assert machine.store.is_dir()


@pytest.mark.parametrize("name", ["PYTHONPATH", "LANG", "LC_ALL", "LD_PRELOAD", "TZ"])
def test_a_variable_that_counts_at_a_start_starts_an_interpreter(machine: Machine, name: str) -> None:
    """Other variables leave a run to a fork."""
    assert not forking.may_fork(machine.variables({name: "other"}))
    assert forking.may_fork(machine.variables({"UV_OFFLINE": "1"}))
