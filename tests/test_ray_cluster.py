"""Workers of a real Ray cluster of two nodes start by `pepip run`, from the store."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import ROOT
from tests.support.machines import Machine, interpreter_of, require_interpreter

pytestmark = [pytest.mark.real_world, pytest.mark.timeout(1200)]

CLUSTER = """
import os, sys
os.environ["RAY_TMPDIR"] = sys.argv[1]
os.mkdir(sys.argv[1] + "/ray")  # Cluster writes its address there, and does not make the folder
from ray.cluster_utils import Cluster
cluster = Cluster(
    initialize_head=True, head_node_args={"num_cpus": 8, "include_dashboard": False, "temp_dir": sys.argv[1]}
)
cluster.add_node(num_cpus=8)  # Ray starts as many workers of a node at once
print(cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""

DRIVER = '''
import json, sys
import ray

@ray.remote(num_cpus=0)
class Adder:
    def add(self):
        import os, sys
        import numpy, pandas
        def state():
            """The identity of each file of the environment, without bytecode."""
            found = {}
            for folder, folders, names in os.walk(sys.prefix):
                folders[:] = [name for name in folders if name != "__pycache__"]
                for name in names:
                    status = os.lstat(os.path.join(folder, name))
                    found[os.path.join(folder, name)] = (status.st_ino, status.st_mtime_ns)
            return found
        with open(f"/proc/{os.getppid()}/cmdline") as file:
            above = file.read().split("\\0")
        return {
            "sum": int(pandas.Series(numpy.arange(5)).sum()), "prefix": sys.prefix, "above": above,
            "numpy": os.path.realpath(numpy.__file__), "node": ray.get_runtime_context().get_node_id(),
            "state": state(), "folder": os.getcwd(),
        }

asked = json.loads(sys.argv[1])
ray.init(address=asked["address"], runtime_env=asked["runtime_env"], log_to_driver=False)
def start(count):
    actors = [Adder.options(scheduling_strategy="SPREAD").remote() for _ in range(count)]
    return actors, ray.get([actor.add.remote() for actor in actors])
found = []
kept = []
for count in asked["counts"]:
    actors, answers = start(count)
    kept += actors
    found.append(answers)
print(json.dumps(found))
'''

SETTINGS = {
    "RAY_RUNTIME_ENV_WORKING_DIR_CACHE_SIZE_GB": "0",  # Ray removes a working_dir when no job uses it any more
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_prestart_worker_first_driver": "0",
    "RAY_worker_register_timeout_seconds": "600",
}


@dataclass(frozen=True)
class Cluster:
    """A running cluster. `app` is a project with a lock and without an environment, whose packages are stored."""

    machine: Machine
    address: str
    python: Path
    app: Path
    variables: dict[str, str]

    def drive(self, runtime_env: dict[str, Any], *counts: int, by: tuple[str, ...] = (), more: Any = ()) -> Any:
        """Run the driver in the folder of the project. It starts actors in as many steps as there are counts.

        `by` are the words before the driver: its interpreter by default. `more` are further variables.
        """
        asked = json.dumps({"address": self.address, "runtime_env": runtime_env, "counts": counts})
        words = [*(by or (str(self.python),)), str(self.app / "drive.py"), asked]
        said = self.machine.run(words, folder=self.app, variables={**self.variables, **dict(more)})
        return json.loads(said.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, uv_cache: Path) -> Iterator[Cluster]:
    """Yield a cluster of two nodes on this machine. It is asked to end, and none of its processes may be left."""
    ground = tmp_path_factory.mktemp("ray")
    (ground / "home").mkdir()
    machine = Machine(ground / "home", ground / "store", uv_cache)
    version = require_interpreter("3.11")
    variables = {**SETTINGS, "UV_PYTHON": str(version), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for name, packages in (("node", ["ray==2.60.0"]), ("app", ["ray==2.60.0", "numpy", "pandas"])):
        (ground / name).mkdir()
        text = f'[project]\nname = "{name}"\nversion = "1"\nrequires-python = "==3.11.*"\n'
        (ground / name / "pyproject.toml").write_text(f"{text}dependencies = {json.dumps(packages)}\n")
        machine.pepip("sync", folder=ground / name, variables=variables)
    app = ground / "app"
    (app / "drive.py").write_text(DRIVER)
    shutil.rmtree(app / ".venv")
    python = interpreter_of(ground / "node" / ".venv")
    with machine.scratch_folder() as session:  # a short path: Ray makes sockets in it
        process = machine.start([python, "-c", CLUSTER, session], folder=ground, variables=variables)
        try:
            assert process.stdout
            address = process.stdout.readline().strip()
            assert address, process.communicate()[1]
            yield Cluster(machine, address, python, app, variables)
        finally:
            process.communicate("")
        assert process.returncode == 0
        wait_until(lambda: not processes_of(session))


def processes_of(session: Path) -> list[str]:
    """Return the command lines of the processes that name a folder of Ray."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if f"{session}/" in words:
                found.append(words)
    return found


def wait_until(condition: Any, *, seconds: float = 120) -> None:
    """Wait until a condition holds, and fail if it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.2)


def test_sixteen_actors_start_from_the_store_and_leave_nothing(cluster: Cluster) -> None:
    """All start at once in one folder, and one environment is made. Later workers change no file of it.

    Ray removes the folder after the job. A prune then removes the entries that only this environment linked.
    """
    env = {"working_dir": ".", "py_executable": "pepip run --frozen"}

    first, second = cluster.drive(env, 16, 4)

    everyone = [*first, *second]
    assert [answer["sum"] for answer in everyone] == [10] * 20
    assert len({answer["node"] for answer in first}) == 2
    (environment,) = {answer["prefix"] for answer in everyone}
    assert environment == f"{first[0]['folder']}/.venv"
    assert all(answer["numpy"].startswith(f"{cluster.machine.store}/packages/") for answer in everyone)
    assert all(answer["above"][1:3] == ["run", "--no-sync"] for answer in everyone)
    assert all(answer["state"] == first[0]["state"] for answer in everyone)

    wait_until(lambda: not os.path.exists(environment))
    pruned = cluster.machine.pepip("prune", "--yes", folder=cluster.app, variables=cluster.variables)
    assert f"gone: {environment} (it was deleted or moved)" in pruned.stderr
    assert not list(cluster.machine.store.glob("packages/*/pandas-*"))
    assert list(cluster.machine.store.glob("packages/*/ray-*"))


def test_workers_follow_their_driver(cluster: Cluster) -> None:
    """With the hook, a driver by `pepip run` names neither a command nor a folder, and its workers start alike."""
    root = str(ROOT)
    hook = {"RAY_RUNTIME_ENV_HOOK": "pepip.ray.hook", "PYTHONPATH": root}

    (answers,) = cluster.drive({}, 4, by=("pepip", "run", "--frozen", "python"), more=hook)

    assert [answer["sum"] for answer in answers] == [10] * 4
    (environment,) = {answer["prefix"] for answer in answers}
    assert environment != str(cluster.app / ".venv")
    assert {answer["above"][3] for answer in answers} == {"--frozen"}


def test_packages_of_with_are_linked_before_a_worker_starts(cluster: Cluster) -> None:
    """The environment lies in uv's cache, and its packages come from the store from the first worker on."""
    command = "pepip run --no-project --with numpy --with pandas --with ray==2.60.0"

    (answers,) = cluster.drive({"py_executable": command}, 4)

    assert [answer["sum"] for answer in answers] == [10] * 4
    assert all(answer["numpy"].startswith(f"{cluster.machine.store}/packages/") for answer in answers)
