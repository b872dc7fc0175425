"""Stores and projects where `flock` fails: every promise holds by other locks, or nothing is removed."""

from __future__ import annotations

import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from pepip.host import locks
from tests.support import keeping
from tests.support.gluster import two_mounts
from tests.support.lockless import WAYS, Way
from tests.support.refusals import assert_refused
from tests.support.snapshots import changes, snapshot
from tests.support.stores import leftovers_of, problems_of
from tests.support.workbench import Workbench

WHEELS = keeping.WHEELS
NAMES = ["drum", "horn", "big-bell", "wind-one", "wind-two", "band", "band-guests"]

LINKING = """
import sys
from pepip.store.root import Store
with Store(sys.argv[1]).linking() as is_held:
    print("held", is_held, flush=True)
    sys.stdin.readline()
"""
"""Holds off a prune, as an install does while it links."""


def on(workbench: Workbench, way: Way) -> Workbench:
    """Return the workbench with its store and its projects in one folder, in which locks fail in this way."""
    folder = workbench.machine.make_folder(workbench.folder / "ground")
    machine = replace(workbench.machine, store=folder / "store")
    return replace(workbench, machine=machine, folder=folder, name="app", variables=way.variables(folder))


@pytest.fixture
def ground(request: pytest.FixtureRequest, workbench: Workbench) -> Workbench:
    """Return a workbench in whose folder locks fail in the test's way."""
    return on(workbench, request.param)


def start(workbench: Workbench, *command: str | Path) -> subprocess.Popen[str]:
    """Start a Python program."""
    words = [sys.executable, *command]
    return workbench.machine.start(words, folder=workbench.folder, variables=workbench.variables)


ALL_WAYS = pytest.mark.parametrize("ground", WAYS, ids=str, indirect=True)


@pytest.mark.parametrize(
    ("ground", "left"), [(way, way.left) for way in WAYS], ids=map(str, WAYS), indirect=["ground"]
)
def test_doctor_names_the_locks(ground: Workbench, left: str) -> None:
    """Those of the store, of the environment here, and of uv's cache, which lies elsewhere."""
    ground.install("horn")

    checks = ground.ask("doctor")

    said = {check["sentence"].partition(" (")[0]: check for check in checks if check["topic"] == "locks"}
    assert {f"the store has {left}", f"this folder has {left}", "uv's cache has flock"} <= said.keys()
    assert said[f"the store has {left}"]["state"] == ("ok" if left == "flock" else "warning")
    assert [path.name for path in ground.folder.rglob(".pepip-lock*")] == []


@pytest.mark.every(3)
@ALL_WAYS
def test_a_prune_waits_for_those_who_link(ground: Workbench) -> None:
    """For as long as they hold the lock. It goes on at once when they are killed."""
    ground.install("horn", "drum")
    ground.pepip("uninstall", "horn", "drum")
    holder = start(ground, "-c", LINKING, ground.store)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held True\n"
    prune = start(ground, "-m", "pepip", "prune", "--yes")
    time.sleep(2)
    assert prune.poll() is None
    assert ground.entries() == ["drum-2.0", "horn-1.0"]

    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()
    prune.communicate(timeout=60)

    assert prune.returncode == 0
    assert ground.entries() == []
    assert ground.leftovers() == []


@pytest.mark.every(3)
@ALL_WAYS
def test_first_installs_at_once_end_as_one_would(ground: Workbench) -> None:
    """Four commands make one environment."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ground.install, ("horn", "drum==1.0", "wind-one", "band")))

    ground.uv("pip", "check")
    ground.python("-c", "import horn, drum, wind.one, band")
    assert sorted(path.name for path in ground.project.iterdir()) == [".venv"]


@pytest.mark.every(5)
@pytest.mark.parametrize("rounds", [2, pytest.param(125, marks=pytest.mark.real_world)])
@ALL_WAYS
def test_many_processes_change_and_prune(ground: Workbench, rounds: int) -> None:
    """Eight processes install, uninstall and prune. Nothing is lost, nothing dangles, nothing is left."""
    work_at_once([ground], rounds)
    assert_whole(ground)


@pytest.mark.real_world
@pytest.mark.timeout(4 * 3600)  # a round takes some seconds, more on a busy machine
@pytest.mark.parametrize("rounds", [3, max(1, int(os.environ.get("PEPIP_TEST_ROUNDS", "1000")) // 8)])
def test_many_processes_on_two_nodes_of_a_network_file_system(
    workbench: Workbench, tmp_path: Path, rounds: int
) -> None:
    """GlusterFS, mounted twice: each node sees its mount at the same path.

    `PEPIP_TEST_ROUNDS` is the number of rounds of all eight processes together.
    """
    with two_mounts(tmp_path / "volume") as mounts:
        shared = on(workbench, Way("none", 0, 0, "flock"))
        for name in APPS:
            (mounts[0] / name).mkdir()
            (shared.folder / name).mkdir()  # where a command starts
        nodes = []
        for mount in mounts:
            words = ("unshare", "--mount", "sh", "-c", 'mount --bind "$0" "$1" && shift && cd "$PWD" && exec "$@"')
            prefix = (*words, str(mount), str(shared.folder))
            nodes.append(replace(shared, machine=replace(shared.machine, prefix=prefix)))
        work_at_once(nodes, rounds)
        assert_whole(nodes[0], seen_at=mounts[0])


@pytest.mark.real_world
def test_a_lock_file_that_another_node_has_replaced_is_locked_anew(tmp_path: Path) -> None:
    """The system remembers the old file for a second: nobody holds the lock on it while the new one is held."""
    with two_mounts(tmp_path / "volume") as (here, there):
        old = os.open(there / "lock", os.O_RDWR | os.O_CREAT)
        fcntl.flock(old, fcntl.LOCK_EX)
        is_held, may_end = threading.Event(), threading.Event()

        def hold() -> None:
            with locks.held(f"{here}/lock", remove=True) as is_locked:
                assert is_locked
                is_held.set()
                may_end.wait(60)

        waiting = threading.Thread(target=hold)
        waiting.start()
        time.sleep(0.3)
        os.unlink(there / "lock")
        new = os.open(there / "lock", os.O_RDWR | os.O_CREAT)
        fcntl.flock(new, fcntl.LOCK_EX)
        os.close(old)
        assert not is_held.wait(2)
        fcntl.flock(new, fcntl.LOCK_UN)
        assert is_held.wait(20)
        may_end.set()
        waiting.join()
        os.close(new)


WAITING = """
import os, sys, threading, time
from pepip.host import locks

path = sys.argv[1]
marks = os.path.join(os.path.dirname(path), ".pepip-locks", os.path.basename(path))

def hold():
    with locks.held(path, remove=True) as is_locked:
        print(is_locked, os.path.exists(path))

open(path, "x").close()
waiting = threading.Thread(target=hold)
with locks.taken_if_free(path) as is_free:
    waiting.start()
    while not any(name.startswith(".") for name in os.listdir(marks)):
        time.sleep(0.01)
waiting.join()
print(is_free, os.path.exists(path))
"""
"""Waits for a lock whose file its holder removes."""


@pytest.mark.parametrize("ground", [WAYS[1]], ids=str, indirect=True)
def test_a_lock_made_of_folders_has_its_file_again_when_a_wait_is_over(ground: Workbench) -> None:
    """A run's folder without a lock file counts as abandoned, so another run would remove it."""
    waiter = start(ground, "-c", WAITING, ground.folder / "1-2.lock")

    assert waiter.communicate(timeout=60)[0] == "True True\nTrue False\n"


APPS = [f"app-{number}" for number in range(5)]


def work_at_once(grounds: list[Workbench], rounds: int) -> None:
    """Let eight processes install, uninstall and prune in five projects, on one ground or several in turn."""

    def work(number: int) -> None:
        choice = random.Random(number)
        app = grounds[number % len(grounds)].at(APPS[number % len(APPS)])
        for _ in range(rounds):
            app.install(*choice.sample(NAMES, 2))
            app.pepip("uninstall", choice.choice(NAMES))
            app.pepip("prune", "--yes")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))


def assert_whole(ground: Workbench, *, seen_at: Path | None = None) -> None:
    """Assert that the store and all environments are whole, and that nothing is left of any run."""
    folder = seen_at or ground.folder
    store = folder / "store"
    assert problems_of(store) == []
    assert leftovers_of(store) == []
    for app in map(ground.at, APPS):
        script = "import pathlib; print([str(p) for p in pathlib.Path('.venv').rglob('*') if not p.exists()])"
        assert app.machine.run([sys.executable, "-c", script], folder=app.project).stdout == "[]\n"
        app.uv("pip", "check")
        names = [line.partition("==")[0] for line in app.uv("pip", "freeze").stdout.splitlines()]
        modules = ["wind." + name[5:] if name.startswith("wind-") else name.replace("-", "_") for name in names]
        modules = ["band.guests" if name == "band_guests" else name for name in modules]
        app.python("-c", "".join(f"import {name}\n" for name in modules))
    doctor = ground.at(APPS[0]).ask("doctor")
    assert [check for check in doctor if check["state"] == "error"] == []
    assert list(folder.rglob(".pepip-locks/*/x")) == []


@pytest.mark.parametrize("ground", [WAYS[1]], ids=str, indirect=True)
def test_without_any_lock_nothing_is_removed(ground: Workbench) -> None:
    """Installs go on, as uv does. `doctor` says why nothing is pruned."""
    store = ground.store
    ground.install("horn", "drum==1.0")
    ground.pepip("uninstall", "horn")
    (store / ".pepip-locks").write_text("a file where the folder would be")
    before = snapshot(store / "packages")

    for words in (
        ("prune", "--yes"),
        ("store", "remove", "horn"),
        ("store", "remove", "drum", "--force"),
        ("store", "clean", "--yes"),
    ):
        assert_refused(ground.pepip(*words, check=False), f"{store} can't be locked", "pepip doctor")
    assert changes(before, snapshot(store / "packages")) == []
    doctor = json.loads(ground.pepip("doctor", "--json", check=False).stdout)
    (check,) = (check for check in doctor if "the store has no locks" in check["sentence"])
    assert check["state"] == "error"

    ground.install("wind-one")
    ground.python("-c", "import wind.one, drum")
