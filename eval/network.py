"""An environment and a first store on a network file system: pepip against uv, in a folder that you name.

    python eval/network.py /mnt/shared/scratch --rounds 3
    python eval/network.py /mnt/shared/scratch --packages numpy pandas --cache there

The environments and the store lie in the folder, on the file system that is to be measured. uv's cache is on a local
disk, so uv copies; or `there`, beside them, so uv makes hard links. It is filled before, and nothing is downloaded
while a clock runs. In each round uv and pepip take turns, each into new folders:

    uv       `uv venv` and `uv pip install`
    first    `pepip install` with an empty store
    again    `pepip install` of the same packages into another environment
    floor    a bare loop writes the files of uv's environment, in threads: a folder, or a file by open, write, close

A figure is the least of the rounds: other users of a machine and of a network only make it worse. In brackets are the
processor seconds of the commands. On one machine the file system's own processes can be counted, too: their numbers
follow `--processes`, such as those of glusterfs and glusterfsd. On a busy machine only these seconds can be compared.
At the end all is removed.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from eval.bench.measure import Sample, clean_variables, measure
from eval.bench.rounds import clear

TARGETS = {"first": 1.2, "again": 0.08}
"""The most seconds that pepip may need, in shares of uv's."""

_OF_INDEXES = ("UV_INDEX", "UV_DEFAULT_INDEX", "UV_FIND_LINKS", "UV_NO_INDEX")


def main() -> int:
    """Measure in turns, print, and return 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="on the file system that is to be measured")
    parser.add_argument("--packages", nargs="+", default=["jupyterlab"], metavar="PACKAGE")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cache", choices=["local", "there"], default="local", help="where uv's cache lies")
    parser.add_argument("--processes", nargs="*", type=int, default=[], metavar="NUMBER", help="of the file system")
    parser.add_argument("--threads", type=int, default=8, help="of the bare loop; 0 leaves that out")
    parser.add_argument("--python", default=sys.executable, help="the interpreter of the environments")
    parser.add_argument("--uv", default=os.fspath(Path(sys.executable).with_name("uv")))
    parser.add_argument("--pepip", default=os.fspath(Path(sys.executable).with_name("pepip")))
    arguments = parser.parse_args()
    there = Path(tempfile.mkdtemp(prefix="pepip-network-", dir=arguments.folder.resolve()))
    here = Path(tempfile.mkdtemp(prefix="pepip-network-"))
    try:
        return compare(there, here, arguments)
    finally:
        for folder in (there, here):
            clear(folder)


def compare(there: Path, here: Path, arguments: argparse.Namespace) -> int:
    """Measure in `there`, keep in `here` all that must not be measured, and print. Returns the script's exit code."""
    variables = {
        **clean_variables(),
        **{name: value for name, value in os.environ.items() if name.startswith(_OF_INDEXES)},
        "HOME": os.fspath(here),
        "UV_CACHE_DIR": f"{there if arguments.cache == 'there' else here}/uv-cache",
        "UV_PYTHON": arguments.python,
        "UV_PYTHON_DOWNLOADS": "never",
    }
    pins = _pins(here, arguments, variables)
    (here / "first").mkdir()
    _measured(_by_uv(here / "first", pins, arguments), here, variables)  # fills uv's cache
    variables["UV_OFFLINE"] = "1"
    samples: dict[str, list[Sample]] = {}
    busy: dict[str, list[float]] = {}
    for number in range(arguments.rounds):
        place = there / str(number)
        place.mkdir()
        stored = {**variables, "PEPIP_HOME": f"{place}/store"}
        install = [[arguments.pepip, "install", "--quiet", "--python", arguments.python, *pins]]
        by_uv = _by_uv(place / "uv", pins, arguments)
        turns = [("uv", by_uv, variables), ("first", install, stored), ("again", install, stored)]
        for name, commands, own in turns[number % 2 :] + turns[: number % 2]:
            (place / name).mkdir()
            before = _busy_seconds(arguments.processes)
            sample = _measured(commands, place / name, own)
            busy.setdefault(name, []).append(_busy_seconds(arguments.processes) - before)
            samples.setdefault(name, []).append(sample)
            print(f"round {number}: {name} {samples[name][-1].seconds:.2f} s", flush=True)
        if arguments.threads:
            before = _busy_seconds(arguments.processes)
            samples.setdefault("floor", []).append(_bare_loop(here / "first", place / "floor", arguments.threads))
            busy.setdefault("floor", []).append(_busy_seconds(arguments.processes) - before)
    least = {name: min(sample.seconds for sample in found) for name, found in samples.items()}
    for name, found in samples.items():
        alone = min(sample.processor_seconds for sample in found)
        print(f"{name:<6} {least[name]:8.2f} s ({alone:.2f} s)  {least[name] / least['uv']:6.3f} of uv", end="")
        both = {key: min(map(sum, zip(_processor(samples[key]), busy[key], strict=True))) for key in (name, "uv")}
        shown = f", with the file system {both[name]:.2f} s, {both[name] / both['uv']:.3f} of uv"
        print(shown if arguments.processes else "", flush=True)
    print(f"rounds {[[round(sample.seconds, 2) for sample in found] for found in samples.values()]}", flush=True)
    missed = [name for name, limit in TARGETS.items() if least[name] > limit * least["uv"]]
    for name, limit in TARGETS.items():
        print(f"target of {name}: {limit} of uv, {'NOT MET' if name in missed else 'met'}")
    return int(bool(missed))


def _processor(found: Sequence[Sample]) -> list[float]:
    return [sample.processor_seconds for sample in found]


def _busy_seconds(processes: Sequence[int]) -> float:
    """Return the processor seconds that running processes have used. Linux alone tells them."""
    fields = (Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split() for number in processes)
    return sum(int(row[11]) + int(row[12]) for row in fields) / os.sysconf("SC_CLK_TCK")


def _measured(commands: Sequence[Sequence[str]], folder: Path, variables: Mapping[str, str]) -> Sample:
    """Measure, after all earlier writes are on disk."""
    os.sync()
    return measure(commands, folder, variables)


def _pins(folder: Path, arguments: argparse.Namespace, variables: Mapping[str, str]) -> list[str]:
    """Return exact versions, so that both tools install the same, and no index is asked for newer ones."""
    command = [arguments.uv, "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--only-binary", ":all:"]
    done = subprocess.run(
        [*command, "-"],
        input="\n".join(arguments.packages),
        cwd=folder,
        env=dict(variables),
        text=True,
        stdout=subprocess.PIPE,
        check=True,
    )
    return [line for line in done.stdout.splitlines() if re.match(r"[\w.-]+==", line)]


def _by_uv(folder: Path, pins: Sequence[str], arguments: argparse.Namespace) -> list[list[str]]:
    venv = f"{folder}/.venv"
    return [
        [arguments.uv, "venv", "--quiet", "--python", arguments.python, venv],
        [arguments.uv, "pip", "install", "--quiet", "--python", f"{venv}/bin/python", *pins],
    ]


def _bare_loop(source: Path, target: Path, threads: int) -> Sample:
    """Write all files below `source` to `target`, and return the cost without that of reading."""
    folders, files = [target], []
    for path in sorted(source.rglob("*")):
        place = target / path.relative_to(source)
        if path.is_dir() and not path.is_symlink():
            folders.append(place)
        elif not path.is_symlink():
            files.append((place, path.read_bytes(), path.stat().st_mode & 0o777))
    os.sync()
    began, began_busy = time.perf_counter(), time.process_time()
    for folder in folders:
        os.mkdir(folder)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda file: _write(*file), files, chunksize=1))
    return Sample(time.perf_counter() - began, 0, time.process_time() - began_busy)


def _write(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    os.write(descriptor, content)
    os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main())
