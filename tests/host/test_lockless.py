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
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from pepip.host import locks
from tests.support.gluster import two_mounts
from tests.support.keeping import WHEELS
from tests.support.lockless import WAYS, Way
from tests.support.machines import Machine, Output
from tests.support.refusals import assert_refused
from tests.support.snapshots import changes, snapshot
from tests.support.stores import entries_of, leftovers_of, problems_of

NAMES = ["drum", "horn", "big-bell", "wind-one", "wind-two", "band", "band-guests"]

LINKING = """
import sys
from pepip.store.root import Store
with Store(sys.argv[1]).linking() as is_held:
    print("held", is_held, flush=True)
    sys.stdin.readline()
"""
"""Holds off a prune, as an install does while it links."""


class Ground:
    """A store and projects below one folder in which locks fail in one way."""

    def __init__(
        self,
        machine: Machine,
        way: Way,
        folder: Path,
        wheelhouse: Path,
        interpreter: Path,
        *,
        seen_at: Path | None = None,
    ) -> None:
        for wheel in WHEELS:
            wheel.write(wheelhouse)
        self.folder = folder
        self.seen_at = seen_at or folder
        self.machine = replace(machine, store=folder / "store")
        self.variables: Mapping[str, str] = way.variables(folder)
        self._source = ("--no-index", "--find-links", wheelhouse, "--python", interpreter)

    def project(self, name: str) -> Path:
        """Return the folder of a project, made if it is missing."""
        (self.seen_at / name).mkdir(exist_ok=True)
        (self.folder / name).mkdir(exist_ok=True)
        return self.folder / name

    def pepip(self, name: str, *words: str | Path, check: bool = True) -> Output:
        """Run pepip in a project."""
        return self.machine.pepip(*words, folder=self.project(name), check=check, variables=self.variables)

    def install(self, name: str, *names: str) -> None:
        """Install into a project."""
        self.pepip(name, "install", *names, *self._source)

    def start(self, *command: str | Path) -> subprocess.Popen[str]:
        """Start a Python program."""
        return self.machine.start([sys.executable, *command], folder=self.folder, variables=self.variables)


@pytest.fixture
def ground(
    request: pytest.FixtureRequest, machine: Machine, tmp_path: Path, wheelhouse: Path, interpreter: Path
) -> Ground:
    """Return the ground of the test's way."""
    folder = tmp_path / "ground"
    folder.mkdir()
    return Ground(machine, request.param, folder, wheelhouse, interpreter)


ALL_WAYS = pytest.mark.parametrize("ground", WAYS, ids=str, indirect=True)


@pytest.mark.parametrize(
    ("ground", "left"), [(way, way.left) for way in WAYS], ids=map(str, WAYS), indirect=["ground"]
)
def test_doctor_names_the_locks(ground: Ground, left: str) -> None:
    """Those of the store, of the environment here, and of uv's cache, which lies elsewhere."""
    ground.install("app", "horn")

    checks = json.loads(ground.pepip("app", "doctor", "--json").stdout)

    said = {check["sentence"].partition(" (")[0]: check for check in checks if check["topic"] == "locks"}
    assert {f"the store has {left}", f"this folder has {left}", "uv's cache has flock"} <= said.keys()
    assert said[f"the store has {left}"]["state"] == ("ok" if left == "flock" else "warning")
    assert [path.name for path in ground.folder.rglob(".pepip-lock*")] == []


@pytest.mark.every(3)
@ALL_WAYS
def test_a_prune_waits_for_those_who_link(ground: Ground) -> None:
    """For as long as they hold the lock. It goes on at once when they are killed."""
    ground.install("app", "horn", "drum")
    ground.pepip("app", "uninstall", "horn", "drum")
    holder = ground.start("-c", LINKING, ground.machine.store)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held True\n"
    prune = ground.start("-m", "pepip", "prune", "--yes")
    time.sleep(2)
    assert prune.poll() is None
    assert entries_of(ground.machine.store) == ["drum-2.0", "horn-1.0"]

    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()
    prune.communicate(timeout=60)

    assert prune.returncode == 0
    assert entries_of(ground.machine.store) == []
    assert leftovers_of(ground.machine.store) == []


@pytest.mark.every(3)
@ALL_WAYS
def test_first_installs_at_once_end_as_one_would(ground: Ground) -> None:
    """Four commands make one environment."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: ground.install("app", name), ("horn", "drum==1.0", "wind-one", "band")))

    ground.machine.uv("pip", "check", folder=ground.project("app"))
    script = "import horn, drum, wind.one, band"
    ground.machine.python(ground.project("app") / ".venv", "-c", script)
    assert sorted(path.name for path in ground.project("app").iterdir()) == [".venv"]


@pytest.mark.every(5)
@pytest.mark.parametrize("rounds", [4, pytest.param(125, marks=pytest.mark.real_world)])
@ALL_WAYS
def test_many_processes_change_and_prune(ground: Ground, rounds: int) -> None:
    """Eight processes install, uninstall and prune. Nothing is lost, nothing dangles, nothing is left."""
    work_at_once([ground], rounds)
    assert_whole(ground)


@pytest.mark.real_world
@pytest.mark.parametrize("rounds", [3, max(1, int(os.environ.get("PEPIP_TEST_ROUNDS", "1000")) // 8)])
def test_many_processes_on_two_nodes_of_a_network_file_system(
    machine: Machine, tmp_path: Path, wheelhouse: Path, interpreter: Path, rounds: int
) -> None:
    """GlusterFS, mounted twice: each node sees its mount at the same path.

    `PEPIP_TEST_ROUNDS` is the number of rounds of all eight processes together.
    """
    with two_mounts(tmp_path / "volume") as mounts:
        folder = tmp_path / "ground"
        folder.mkdir()
        nodes = []
        for mount in mounts:
            words = ("unshare", "--mount", "sh", "-c", 'mount --bind "$0" "$1" && shift && cd "$PWD" && exec "$@"')
            node = replace(machine, prefix=(*words, str(mount), str(folder)))
            nodes.append(Ground(node, Way("none", 0, 0, "flock"), folder, wheelhouse, interpreter, seen_at=mount))
        work_at_once(nodes, rounds)
        assert_whole(nodes[0])


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


def work_at_once(grounds: list[Ground], rounds: int) -> None:
    """Let eight processes install, uninstall and prune in five projects, on one ground or several in turn."""

    def work(number: int) -> None:
        choice = random.Random(number)
        project, ground = f"app-{number % 5}", grounds[number % len(grounds)]
        for _ in range(rounds):
            ground.install(project, *choice.sample(NAMES, 2))
            ground.pepip(project, "uninstall", choice.choice(NAMES))
            ground.pepip(project, "prune", "--yes")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))


def assert_whole(ground: Ground) -> None:
    """Assert that the store and all environments are whole, and that nothing is left of any run."""
    store = ground.seen_at / "store"
    assert problems_of(store) == []
    assert leftovers_of(store) == []
    for number in range(5):
        project = ground.project(f"app-{number}")
        script = "import pathlib; print([str(p) for p in pathlib.Path('.venv').rglob('*') if not p.exists()])"
        assert ground.machine.run([sys.executable, "-c", script], folder=project).stdout == "[]\n"
        ground.machine.uv("pip", "check", folder=project)
        names = [
            line.partition("==")[0] for line in ground.machine.uv("pip", "freeze", folder=project).stdout.splitlines()
        ]
        modules = ["wind." + name[5:] if name.startswith("wind-") else name.replace("-", "_") for name in names]
        modules = ["band.guests" if name == "band_guests" else name for name in modules]
        ground.machine.python(project / ".venv", "-c", "".join(f"import {name}\n" for name in modules))
    doctor = json.loads(ground.pepip("app-0", "doctor", "--json").stdout)
    assert [check for check in doctor if check["state"] == "error"] == []
    assert list(ground.seen_at.rglob(".pepip-locks/*/x")) == []


@pytest.mark.parametrize("ground", [WAYS[1]], ids=str, indirect=True)
def test_without_any_lock_nothing_is_removed(ground: Ground) -> None:
    """Installs go on, as uv does. `doctor` says why nothing is pruned."""
    store = ground.machine.store
    ground.install("app", "horn", "drum==1.0")
    ground.pepip("app", "uninstall", "horn")
    (store / ".pepip-locks").write_text("a file where the folder would be")
    before = snapshot(store / "packages")

    for words in (
        ("prune", "--yes"),
        ("store", "remove", "horn"),
        ("store", "remove", "drum", "--force"),
        ("store", "clean", "--yes"),
    ):
        assert_refused(ground.pepip("app", *words, check=False), f"{store} can't be locked", "pepip doctor")
    assert changes(before, snapshot(store / "packages")) == []
    doctor = json.loads(ground.pepip("app", "doctor", "--json", check=False).stdout)
    (check,) = (check for check in doctor if "the store has no locks" in check["sentence"])
    assert check["state"] == "error"

    ground.install("app", "wind-one")
    ground.machine.python(ground.project("app") / ".venv", "-c", "import wind.one, drum")
