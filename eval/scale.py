"""Make a store of many entries and many environments that link it, and measure listing and pruning on it.

    python eval/scale.py --entries 5000 --environments 1000 --keep scale

pepip's own code publishes the entries and makes the links, as in an install, from distributions that are written
here. Each command then runs several times, each time as its own process, and medians are printed. Needs pepip, and
nothing else.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from pepip.environment import linking
from pepip.environment.change_plan import LinkChange, LinkState
from pepip.environment.metadata import Installation
from pepip.host.transfer import LINK, Transfer
from pepip.model import Artifact, Entry
from pepip.operations import registering, venvs
from pepip.store import proving, publish, staged
from pepip.store import staging as store_staging
from pepip.store.root import Store
from pepip.store.staged import StagedWheel
from pepip.wheel.digest_cache import DigestCache

COMMANDS = (
    ("store", "list", "--json"),
    ("projects", "--json"),
    ("prune", "--dry-run", "--json"),
    ("savings", "--json"),
    ("uses", "dist-0001", "--json"),
)


def main() -> None:
    """Make the store, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=5000)
    parser.add_argument("--environments", type=int, default=1000)
    parser.add_argument("--packages", type=int, default=40, help="distributions in each environment")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="make it in this folder, use it again if it is there, and keep it")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    folder = arguments.keep.absolute() if arguments.keep else Path(tempfile.mkdtemp(prefix="pepip-scale-"))
    try:
        if not (folder / "done").exists():
            make(folder, arguments.entries, arguments.environments, arguments.packages)
        figures = [measure(folder, command, arguments.rounds) for command in COMMANDS]
        if arguments.json:
            arguments.json.write_text(json.dumps(figures, indent=2) + "\n")
    finally:
        if not arguments.keep:
            subprocess.run(["chmod", "-R", "u+w", str(folder)], check=False)
            shutil.rmtree(folder)


def make(folder: Path, entries: int, environments: int, packages: int) -> None:
    """Make a store with `entries` entries, and `environments` environments that link `packages` of them each.

    No environment links the last tenth of the entries.
    """
    started = time.monotonic()
    store = Store(str(folder / "home"))
    store.create()
    published = publish_all(store, folder / "staging", entries)
    print(f"{len(published)} entries published in {time.monotonic() - started:.0f} s")
    subprocess.run([_uv(), "venv", "--quiet", "--python", sys.executable, folder / "model"], check=True)
    chance = random.Random(0)
    linkable = published[: len(published) * 9 // 10]
    for number in range(environments):
        root = folder / "projects" / f"project-{number:04}" / ".venv"
        shutil.copytree(folder / "model", root, symlinks=True)
        environment = venvs.open_environment(str(root), store)
        first = number * len(linkable) // environments
        chosen = {entry.name: entry for entry in chance.sample(linkable, packages - 1)}
        chosen[linkable[first].name] = linkable[first]
        registering.register(store, str(root), [entry.id for entry in chosen.values()])
        additions = [Installation(entry, None, "") for entry in chosen.values()]
        linking.change(environment, store.known_roots, LinkState({}, []), LinkChange(additions))
    (folder / "done").touch()
    print(f"{environments} environments linked in {time.monotonic() - started:.0f} s")


def publish_all(store: Store, staging: Path, count: int) -> list[Entry]:
    """Lay out `count` distributions as uv unpacks them, and publish each."""
    published = []
    digest_cache, transfer = DigestCache(), Transfer(LINK)
    staging.mkdir()
    with store_staging.area(store) as area:
        for number in range(count):
            wheel, artifact = lay_out(staging / str(number), number)
            tree = staged.list_files(wheel.wheel)
            proof = proving.prove(wheel, tree, digest_cache)
            proven = proving.ProvenWheel(wheel, tree, proof, artifact, {})
            prepared = publish.prepare(
                store, proven, workshop=f"{area}/{number}", digest_cache=digest_cache, transfer=transfer
            )
            published.append(publish.publish(store, prepared))
            shutil.rmtree(wheel.wheel)
    return sorted(published, key=lambda entry: entry.name)


def lay_out(folder: Path, number: int) -> tuple[StagedWheel, Artifact]:
    """Write one unpacked wheel: a package with an inner package, and some ten files."""
    name, version = f"dist-{number:04}", f"1.{number % 7}"
    module = name.replace("-", "_")
    files = {f"{module}/__init__.py": f"NUMBER = {number}\n", f"{module}/inner/__init__.py": ""}
    files |= {f"{module}/part{part}.py": f"# {number}\n" * 40 * part for part in range(8)}
    info = f"{module}-{version}.dist-info"
    files |= {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = []
    for path, text in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(text)}")
    (folder / info / "RECORD").write_text("\n".join([*rows, f"{info}/RECORD,,", ""]))
    identity = f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"
    nothing: frozenset[str] = frozenset()
    wheel = StagedWheel(name, version, info, str(folder), nothing, nothing, nothing, {})
    return wheel, Artifact(name, version, identity, {}, f"{module}-{version}-py3-none-any.whl", 0, None, "")


def measure(folder: Path, command: Sequence[str], rounds: int) -> dict[str, object]:
    """Run a command of pepip several times, and print its median time and its peak memory."""
    variables = {**os.environ, "PEPIP_HOME": str(folder / "home")}
    seconds, peaks = [], []
    for _ in range(rounds + 1):  # the first is a warm-up
        started = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "pepip", *command], env=variables, stdout=subprocess.DEVNULL
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds.append(time.monotonic() - started)
        peaks.append(used.ru_maxrss)
        if process.returncode not in {0, 1}:
            raise SystemExit(f"pepip {' '.join(command)} failed with {process.returncode}")
    median = statistics.median(seconds[1:])
    print(f"pepip {' '.join(command):<28} {median:6.2f} s   {max(peaks) / 1000:6.0f} MB")
    return {"command": " ".join(command), "median_seconds": round(median, 3), "peak_rss_kilobytes": max(peaks)}


def _uv() -> str:
    from pepip.uv import program

    return program.path()


if __name__ == "__main__":
    main()
