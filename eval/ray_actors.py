"""Measure how long the actors of a Ray cluster take until all have imported their packages: `pepip run`, `uv run`.

Starts a cluster on this machine for each tool and round. The nodes run in one environment that has Ray alone. The
actors start by the tool in a project of the packages, which Ray unpacks in its folder for the session. Caches and
stores are warm: each tool has made an environment of the project before, and imported the packages in it.
Usage: python eval/ray_actors.py FOLDER [--actors 16] [--nodes 2] [--rounds 1] [--set data] [--ray 2.60.0]

FOLDER must have a short path, because Ray makes sockets in it, and be on the file system of the caches.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, os.fspath(Path(__file__).parents[1]))

from eval.bench.sets import SETS
from tests.support.disk import Usage, usage

CLUSTER = """
import os, sys
os.environ["RAY_TMPDIR"] = sys.argv[1]
os.mkdir(sys.argv[1] + "/ray")  # Cluster writes its address there, and does not make the folder
from ray.cluster_utils import Cluster
cluster = Cluster(
    initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False, "temp_dir": sys.argv[1]}
)
for _ in range(int(sys.argv[2]) - 1):
    cluster.add_node(num_cpus=1)
print(cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""

DRIVER = '''
import json, sys, time
import ray
asked = json.loads(sys.argv[1])
ray.init(address=asked["address"], runtime_env=asked["runtime_env"], log_to_driver=False)

@ray.remote(num_cpus=0)
class Importer:
    def load(self, modules):
        """Import, and return the environment and the processor seconds of the worker and of the tool above it."""
        import importlib, os, sys
        for name in modules:
            importlib.import_module(name)
        with open(f"/proc/{os.getppid()}/stat") as file:
            ticks = sum(map(int, file.read().rpartition(")")[2].split()[11:15]))
        return sys.prefix, time.process_time(), ticks / os.sysconf("SC_CLK_TCK")

started = time.monotonic()
actors = [Importer.options(scheduling_strategy="SPREAD").remote() for _ in range(asked["actors"])]
first = ray.get(actors[0].load.remote([]))
seconds = {"first actor started": time.monotonic() - started}
answers = ray.get([actor.load.remote(asked["modules"]) for actor in actors])
seconds["all imported"] = time.monotonic() - started
prefixes, of_workers, of_tools = zip(*answers)
processor = {"the workers": sum(of_workers), "the tool": sum(of_tools)}
print(json.dumps({"seconds": seconds, "processor": processor, "environments": sorted(set(prefixes))}))
'''

SETTINGS = {
    "PYTHONDONTWRITEBYTECODE": "",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_prestart_worker_first_driver": "0",
    "RAY_worker_register_timeout_seconds": "600",
    "UV_PYTHON": platform.python_version(),
    "UV_PYTHON_DOWNLOADS": "never",
}


def main() -> int:
    """Make the project and the caches if they are missing, measure, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--actors", type=int, default=16)
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--set", choices=SETS, default="data", help="the packages that the actors import")
    parser.add_argument("--ray", default="2.60.0", metavar="VERSION")
    arguments = parser.parse_args()
    folder = arguments.folder.absolute()
    packages = SETS[arguments.set].packages
    modules = SETS[arguments.set].modules or tuple({"ipython": "IPython"}.get(name, name) for name in packages)
    lay_out(folder / "app", [f"ray=={arguments.ray}", *packages])
    lay_out(folder / "node", [f"ray=={arguments.ray}"])
    for tool in ("uv", "pepip"):
        warm(folder, tool, modules)
    figures: dict[str, list[dict[str, Any]]] = {"uv": [], "pepip": []}
    for _ in range(arguments.rounds):
        for tool, rounds in figures.items():
            rounds.append(measure(folder, tool, modules, arguments.actors, arguments.nodes))
    print(json.dumps({"modules": modules, **figures}, indent=2))
    return 0


def lay_out(project: Path, packages: list[str]) -> None:
    """Write a project with these dependencies, unless it is there."""
    if not project.exists():
        project.mkdir(parents=True)
        version = ".".join(platform.python_version_tuple()[:2])
        text = f'[project]\nname = "measured"\nversion = "1"\nrequires-python = "=={version}.*"\n'
        (project / "pyproject.toml").write_text(f"{text}dependencies = {json.dumps(packages)}\n")


def variables(folder: Path, tool: str) -> dict[str, str]:
    """Return the environment variables of a tool: caches and stores of its own, and both programs on PATH."""
    home = folder / f"home-{tool}"
    own = {"PEPIP_HOME": str(home / "store"), "UV_CACHE_DIR": str(home / "uv-cache")}
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)])
    return {**os.environ, **SETTINGS, **own, "PATH": path}


def warm(folder: Path, tool: str, modules: tuple[str, ...]) -> None:
    """Lock and sync the projects with a tool, and import the modules. Only the nodes' environment stays."""
    for project in (folder / "node", folder / "app"):
        own = variables(folder, tool)
        subprocess.run([tool, "sync", "--quiet"], cwd=project, env=own, check=True)
        importing = "import " + ", ".join(modules if project.name == "app" else ["ray"])
        subprocess.run([str(project / ".venv/bin/python"), "-c", importing], cwd=project, env=own, check=True)
    shutil.rmtree(folder / "app" / ".venv")


def measure(folder: Path, tool: str, modules: tuple[str, ...], actors: int, nodes: int) -> dict[str, Any]:
    """Start a cluster, let all actors import, stop the cluster, and return the figures."""
    session, home = folder / "s", folder / f"home-{tool}"
    shutil.rmtree(session, ignore_errors=True)
    python, own = str(folder / "node" / ".venv" / "bin" / "python"), variables(folder, tool)
    before = measured(home)
    cluster = subprocess.Popen(
        [python, "-c", CLUSTER, str(session), str(nodes)],
        cwd=folder, env=own, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert cluster.stdout
        asked = {
            "address": cluster.stdout.readline().strip(),
            "runtime_env": {"working_dir": ".", "py_executable": f"{tool} run --frozen python"},
            "actors": actors,
            "modules": modules,
        }
        command = [python, "-c", DRIVER, json.dumps(asked)]
        said = subprocess.run(command, cwd=folder / "app", env=own, capture_output=True, text=True, check=True)
        found: dict[str, Any] = json.loads(said.stdout.splitlines()[-1])
        after = measured(home, *map(Path, found["environments"]))
    finally:
        cluster.communicate("")
    return {
        **{name: round(seconds, 2) for name, seconds in found["seconds"].items()},
        "environments": len(found["environments"]),
        "allocated_bytes": after.allocated_bytes - before.allocated_bytes,
        "inodes": after.inodes - before.inodes,
        **{f"processor seconds of {name}": round(seconds, 2) for name, seconds in found["processor"].items()},
    }


def measured(*trees: Path) -> Usage:
    """Return the disk usage of trees, after all data is written."""
    os.sync()
    return usage(trees)


if __name__ == "__main__":
    sys.exit(main())
